//! What a parameter of a route template may be: `{id:int:min(1)}`.

use jiff::civil::{Date, DateTime};
use regex::{Regex, RegexBuilder};
use std::{ops::RangeInclusive, str::FromStr};
use uuid::Uuid;

/// One condition on the value of a parameter.
///
/// Source: the inline constraints of ASP.NET Core's routing.
#[derive(Debug)]
pub(crate) enum Constraint {
    Int,
    Long,
    Bool,
    Decimal,
    Double,
    Float,
    Guid,
    DateTime,
    Alpha,
    Required,
    /// In characters.
    Length(RangeInclusive<usize>),
    Range(RangeInclusive<i64>),
    Regex(Regex),
}

const KNOWN: &str = "int, long, bool, decimal, double, float, guid, datetime, alpha, required, minlength(n), \
                     maxlength(n), length(n), length(a,b), min(n), max(n), range(a,b), regex(expression)";

impl Constraint {
    /// The constraint `name(arguments)`; the error says what is wrong.
    pub(crate) fn parse(name: &str, arguments: Option<&str>) -> Result<Self, String> {
        match (name.to_ascii_lowercase().as_str(), arguments) {
            ("int", None) => Ok(Self::Int),
            ("long", None) => Ok(Self::Long),
            ("bool", None) => Ok(Self::Bool),
            ("decimal", None) => Ok(Self::Decimal),
            ("double", None) => Ok(Self::Double),
            ("float", None) => Ok(Self::Float),
            ("guid", None) => Ok(Self::Guid),
            ("datetime", None) => Ok(Self::DateTime),
            ("alpha", None) => Ok(Self::Alpha),
            ("required", None) => Ok(Self::Required),
            ("minlength", Some(n)) => Ok(Self::Length(number(n)?..=usize::MAX)),
            ("maxlength", Some(n)) => Ok(Self::Length(0..=number(n)?)),
            ("length", Some(n)) => bounds(n).map(Self::Length),
            ("min", Some(n)) => Ok(Self::Range(number(n)?..=i64::MAX)),
            ("max", Some(n)) => Ok(Self::Range(i64::MIN..=number(n)?)),
            ("range", Some(n)) if n.contains(',') => bounds(n).map(Self::Range),
            ("regex", Some(expression)) => regex(expression).map(Self::Regex),
            _ => Err(format!("'{name}' is not a constraint in this form; known are {KNOWN}")),
        }
    }

    /// Whether the value fulfils it.
    pub(crate) fn accepts(&self, value: &str) -> bool {
        match self {
            Self::Int => value.parse::<i32>().is_ok(),
            Self::Long => value.parse::<i64>().is_ok(),
            Self::Bool => value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false"),
            Self::Decimal => is_decimal(value),
            Self::Double => value.parse::<f64>().is_ok(),
            Self::Float => value.parse::<f32>().is_ok(),
            Self::Guid => !value.starts_with("urn:") && Uuid::try_parse(value).is_ok(),
            Self::DateTime => value.parse::<DateTime>().is_ok() || value.parse::<Date>().is_ok(),
            Self::Alpha => value.bytes().all(|byte| byte.is_ascii_alphabetic()),
            Self::Required => !value.is_empty(),
            Self::Length(length) => length.contains(&value.chars().count()),
            Self::Range(range) => value.parse().is_ok_and(|number| range.contains(&number)),
            Self::Regex(expression) => expression.is_match(value),
        }
    }
}

fn number<T: FromStr>(text: &str) -> Result<T, String> {
    text.trim().parse().map_err(|_| format!("'{text}' is not a whole number in range"))
}

/// `a,b`, or `n` for both.
fn bounds<T: FromStr + PartialOrd>(text: &str) -> Result<RangeInclusive<T>, String> {
    let (low, high) = text.split_once(',').unwrap_or((text, text));
    let range = number(low)?..=number(high)?;
    if range.is_empty() { Err(format!("no value lies in '{text}'")) } else { Ok(range) }
}

/// Not anchored and without regard to case, as in ASP.NET Core.
fn regex(expression: &str) -> Result<Regex, String> {
    RegexBuilder::new(expression).case_insensitive(true).build().map_err(|error| error.to_string())
}

fn is_decimal(value: &str) -> bool {
    let digits = value.strip_prefix(['-', '+']).unwrap_or(value);
    digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && digits.parse::<f64>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constraints_accept_and_refuse() {
        type Values = &'static [&'static str];
        let table: &[(&str, Option<&str>, Values, Values)] = &[
            ("int", None, &["0", "-5", "2147483647"], &["", "1.0", "2147483648", "a"]),
            ("LONG", None, &["9223372036854775807"], &["9223372036854775808"]),
            ("bool", None, &["true", "False"], &["1", "yes"]),
            ("decimal", None, &["1", "-1.50"], &["1e3", "NaN", ".", "1.2.3"]),
            ("double", None, &["1e300", "-0.5"], &["x"]),
            ("float", None, &["1.5"], &["1,5"]),
            (
                "guid",
                None,
                &["0f8fad5b-d9cb-469f-a165-70867728950e"],
                &["0f8fad5b", "urn:uuid:0f8fad5b-d9cb-469f-a165-70867728950e"],
            ),
            ("datetime", None, &["2026-01-02", "2026-01-02T03:04:05"], &["2026-13-01", "soon"]),
            ("alpha", None, &["abC"], &["a1", "ä"]),
            ("required", None, &["x"], &[""]),
            ("minlength", Some("2"), &["äö", "abc"], &["a"]),
            ("maxlength", Some("2"), &["a", "äö"], &["abc"]),
            ("length", Some("3"), &["abc"], &["ab", "abcd"]),
            ("length", Some("1, 3"), &["a", "abc"], &["abcd"]),
            ("min", Some("18"), &["18", "99"], &["17", "x"]),
            ("max", Some("-1"), &["-1", "-7"], &["0"]),
            ("range", Some("1,9"), &["1", "9"], &["0", "10"]),
            ("regex", Some("^(a|b)+$"), &["abBA"], &["abc"]),
            ("regex", Some("x"), &["axa"], &["aya"]),
        ];
        for (name, arguments, accepted, refused) in table {
            let constraint = Constraint::parse(name, *arguments).unwrap();
            accepted.iter().for_each(|value| assert!(constraint.accepts(value), "{name} {value}"));
            refused.iter().for_each(|value| assert!(!constraint.accepts(value), "{name} {value}"));
        }
    }

    #[test]
    fn malformed_constraints_are_refused() {
        let table = [
            ("number", None),
            ("int", Some("3")),
            ("min", None),
            ("min", Some("x")),
            ("range", Some("5")),
            ("range", Some("5,1")),
            ("length", Some("-1")),
            ("regex", Some("(")),
        ];
        for (name, arguments) in table {
            assert!(Constraint::parse(name, arguments).is_err(), "{name} {arguments:?}");
        }
    }
}
