//! Query parameters, read strictly: an unknown name or value is an error, never ignored.

use crate::problem::Problem;
use durance_durable::Timestamp;
use http::{HeaderMap, StatusCode};
use jiff::{civil::Time, fmt::temporal::Pieces, tz::Offset};
use std::borrow::Cow;

const IDEMPOTENCY_KEY_CHARS_MAX: usize = 255;

/// The query parameters of one request. Names are compared without regard to case.
#[derive(Debug)]
pub(crate) struct Query<'r> {
    pairs: Vec<(Cow<'r, str>, Cow<'r, str>)>,
}

/// A query parameter is wrong; the text says what is allowed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum QueryError {
    #[error("there is no query parameter '{name}' here; there are {allowed}")]
    UnknownName { name: String, allowed: String },
    #[error("the query parameter '{0}' is given twice")]
    Repeated(String),
    #[error("the query parameter '{name}' must be {expected}, not '{value}'")]
    Value { name: &'static str, value: String, expected: Cow<'static, str> },
}

impl<'r> Query<'r> {
    /// Takes a query apart. Any name is taken: [`Query::check_names`] is for those who know what is allowed.
    pub(crate) fn parse(query: Option<&'r str>) -> Self {
        Self { pairs: form_urlencoded::parse(query.unwrap_or_default().as_bytes()).collect() }
    }

    /// Refuses names that are in neither list, and any name twice, but for those that hold lists.
    pub(crate) fn check_names(
        &self,
        common: &[&str],
        own: &[&str],
        lists: &[&str],
    ) -> Result<(), QueryError> {
        let is_in = |names: &[&str], name: &str| names.iter().any(|known| known.eq_ignore_ascii_case(name));
        for (index, (name, _)) in self.pairs.iter().enumerate() {
            if !is_in(common, name) && !is_in(own, name) {
                let allowed: Vec<_> = own.iter().chain(common).copied().collect();
                return Err(QueryError::UnknownName { name: name.to_string(), allowed: allowed.join(", ") });
            }
            let is_repeated =
                self.pairs.iter().take(index).any(|(other, _)| other.eq_ignore_ascii_case(name));
            if is_repeated && !is_in(lists, name) {
                return Err(QueryError::Repeated(name.to_string()));
            }
        }
        Ok(())
    }

    /// The parameter as it is, if it is given.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.values(name).next()
    }

    /// True or false in any letter case; `default` if it is not given.
    pub(crate) fn flag(&self, name: &'static str, default: bool) -> Result<bool, QueryError> {
        let read = |text: &str| match text {
            text if text.eq_ignore_ascii_case("true") => Some(true),
            text if text.eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        };
        Ok(self.read(name, "true or false", read)?.unwrap_or(default))
    }

    /// A point in time, if it is given. One that lies beyond what can be stored is the first or last one that can.
    pub(crate) fn time(&self, name: &'static str) -> Result<Option<Timestamp>, QueryError> {
        self.read(name, "a date or time as in ISO 8601, like 2026-01-02T03:04:05Z", parse_time)
    }

    /// What `read` makes of the parameter, if it is given; `expected` says what it takes.
    pub(crate) fn read<T>(
        &self,
        name: &'static str,
        expected: impl Into<Cow<'static, str>>,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, QueryError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let wrong = || QueryError::Value { name, value: text.to_owned(), expected: expected.into() };
        read(text).map(Some).ok_or_else(wrong)
    }

    /// The items of a list: parted by commas, and the parameter may be given more than once.
    pub(crate) fn list<T>(
        &self,
        name: &'static str,
        expected: &'static str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Vec<T>, QueryError> {
        let items = self.values(name).flat_map(|value| value.split(',')).map(str::trim);
        let wrong =
            |item: &str| QueryError::Value { name, value: item.to_owned(), expected: expected.into() };
        items.map(|item| read(item).ok_or_else(|| wrong(item))).collect()
    }

    /// Every value of a parameter that may be given more than once.
    pub(crate) fn all<T>(
        &self,
        name: &'static str,
        expected: &'static str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Vec<T>, QueryError> {
        let wrong =
            |value: &str| QueryError::Value { name, value: value.to_owned(), expected: expected.into() };
        self.values(name).map(|value| read(value).ok_or_else(|| wrong(value))).collect()
    }

    fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.pairs
            .iter()
            .filter(move |(given, _)| given.eq_ignore_ascii_case(name))
            .map(|(_, value)| &**value)
    }
}

/// The header `Idempotency-Key`, if it is given.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    match value.to_str() {
        Ok(key) if (1..=IDEMPOTENCY_KEY_CHARS_MAX).contains(&key.len()) => Ok(Some(key.to_owned())),
        _ => {
            let detail =
                format!("an idempotency key has 1 to {IDEMPOTENCY_KEY_CHARS_MAX} printable ASCII characters");
            Err(Problem::new(StatusCode::BAD_REQUEST, detail))
        }
    }
}

/// Without an offset it is UTC, without a time midnight.
pub(crate) fn parse_time(text: &str) -> Option<Timestamp> {
    let pieces = Pieces::parse(text).ok()?;
    let local = pieces.date().to_datetime(pieces.time().unwrap_or(Time::midnight()));
    let offset = pieces.to_numeric_offset().unwrap_or(Offset::UTC);
    // Clients send the first or the last moment that they know of for "no limit".
    let is_far_future = pieces.date().year() > 9000;
    let nanos =
        offset.to_timestamp(local).map_or(if is_far_future { i128::MAX } else { 0 }, |t| t.as_nanosecond());
    Some(Timestamp::from_nanos(u64::try_from(nanos.max(0)).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message<T: std::fmt::Debug>(result: Result<T, QueryError>) -> String {
        result.expect_err("refused").to_string()
    }

    #[test]
    fn unknown_and_repeated_names_are_refused() {
        let check = |query| {
            Query::parse(Some(query)).check_names(&["code"], &["top", "runtimeStatus"], &["runtimeStatus"])
        };
        assert_eq!(check(""), Ok(()));
        assert_eq!(check("TOP=1&code=&runtimeStatus=a&runtimestatus=b"), Ok(()));
        assert_eq!(
            message(check("topp=1")),
            "there is no query parameter 'topp' here; there are top, runtimeStatus, code"
        );
        assert_eq!(message(check("top=1&Top=2")), "the query parameter 'Top' is given twice");
    }

    #[test]
    fn values_are_decoded_and_read_strictly() {
        let query = Query::parse(Some("reason=a+b%26c&a=True&b=1&c=&n=7"));
        assert_eq!(query.text("Reason"), Some("a b&c"));
        assert_eq!(query.text("none"), None);
        assert_eq!(query.flag("a", false), Ok(true));
        assert_eq!(query.flag("none", true), Ok(true));
        assert_eq!(message(query.flag("b", false)), "the query parameter 'b' must be true or false, not '1'");
        assert!(query.flag("c", false).is_err());
        assert_eq!(query.read("n", "a number", |text| text.parse().ok()), Ok(Some(7)));
    }

    #[test]
    fn lists_are_parted_by_commas_and_repetition() {
        let list = |query| Query::parse(Some(query)).list("n", "a number", |text| text.parse::<u8>().ok());
        assert_eq!(list("x=1"), Ok(vec![]));
        assert_eq!(list("n=1,%202&N=3"), Ok(vec![1, 2, 3]));
        assert_eq!(message(list("n=1,two")), "the query parameter 'n' must be a number, not 'two'");
        assert!(list("n=").is_err());
    }

    #[test]
    fn times_are_iso_8601_and_far_ones_are_limits() {
        let time = |text: &str| parse_time(text).map(Timestamp::as_nanos);
        let base = 1_767_323_045_000_000_000;
        let table = [
            ("2026-01-02T03:04:05Z", Some(base)),
            ("2026-01-02T03:04:05", Some(base)),
            ("2026-01-02T03:04:05.1234567Z", Some(base + 123_456_700)),
            ("2026-01-02T05:04:05+02:00", Some(base)),
            ("2026-01-02", Some(base - 11_045_000_000_000)),
            ("0001-01-01T00:00:00Z", Some(0)),
            ("9999-12-31T23:59:59.9999999Z", Some(u64::MAX)),
            ("", None),
            ("yesterday", None),
            ("2026-02-30", None),
        ];
        for (text, expected) in table {
            assert_eq!(time(text), expected, "{text}");
        }
    }
}
