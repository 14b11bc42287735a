//! The id of a request: what its answer, the log lines about it and the logs of those before this host have in common.

use http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

/// The header that brings it in and out.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest that is taken from a caller. Unit: bytes.
const LENGTH_MAX: usize = 128;

/// Of ASCII letters, digits and `-_.:+/=@`, so that it does no harm in a log line; 1 to 128 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestId(HeaderValue);

impl RequestId {
    /// The caller's, if the request has exactly one and it is well-formed; otherwise a new one: 32 hex digits.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut given = headers.get_all(REQUEST_ID).iter();
        match (given.next(), given.next()) {
            (Some(id), None) if is_well_formed(id.as_bytes()) => Self(id.clone()),
            _ => Self::new(),
        }
    }

    fn new() -> Self {
        let mut buffer = Uuid::encode_buffer();
        let digits = Uuid::new_v4().simple().encode_lower(&mut buffer);
        Self(HeaderValue::from_str(digits).expect("hex digits can be in a header"))
    }

    /// As text.
    pub(crate) fn as_str(&self) -> &str {
        self.0.to_str().expect("it is ASCII")
    }

    /// As the header of an answer.
    pub(crate) fn into_header(self) -> HeaderValue {
        self.0
    }
}

fn is_well_formed(id: &[u8]) -> bool {
    let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:+/=@".contains(byte);
    (1..=LENGTH_MAX).contains(&id.len()) && id.iter().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(given: &[&str]) -> RequestId {
        let headers = given.iter().map(|id| (REQUEST_ID, HeaderValue::from_str(id).unwrap()));
        RequestId::of(&headers.collect())
    }

    #[test]
    fn only_a_well_formed_id_is_taken() {
        let longest = "a".repeat(LENGTH_MAX);
        for id in ["a", "4bf92f3577b34da6-A3CE", "Root=1-67891233-abc;".trim_end_matches(';'), &longest] {
            assert_eq!(of(&[id]).as_str(), id);
        }
        let too_long = "a".repeat(LENGTH_MAX + 1);
        let refused: [&[&str]; 6] = [&[], &[""], &["a b"], &["a\"b"], &[&too_long], &["a", "b"]];
        for given in refused {
            let made = of(given);
            assert!(made.as_str().len() == 32 && made != of(given), "{given:?}: {made:?}");
        }
    }
}
