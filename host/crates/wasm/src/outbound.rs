//! Which hosts functions may send HTTP requests to.

use http::{Uri, uri::Scheme};
use std::{fmt, str::FromStr, sync::Arc};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks, default_hooks};

/// A host, or several, that functions may send HTTP requests to.
///
/// Shape: `host`, `host:port`, `scheme://host`, `scheme://host:port`, where `host` may be `*` for every host or begin with
/// `*.` for every host below a domain. Without a scheme both `http` and `https` match, without a port every port.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct HostPattern {
    scheme: Option<Scheme>,
    host: HostMatch,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum HostMatch {
    Any,
    /// Hosts that end with this text, which begins with a dot.
    Below(String),
    Exactly(String),
}

/// The text is not a [`HostPattern`]; says why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{text}' is not an allowed outbound host: {why}; write host, host:port, https://host, *.example.com or *"
)]
pub struct InvalidHostPattern {
    text: String,
    why: &'static str,
}

impl TryFrom<String> for HostPattern {
    type Error = InvalidHostPattern;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl FromStr for HostPattern {
    type Err = InvalidHostPattern;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = |why| InvalidHostPattern { text: text.to_owned(), why };
        let (scheme, rest) = match text.split_once("://") {
            None => (None, text),
            Some(("http", rest)) => (Some(Scheme::HTTP), rest),
            Some(("https", rest)) => (Some(Scheme::HTTPS), rest),
            Some(_) => return Err(invalid("the scheme is neither http nor https")),
        };
        if rest.contains(['/', '?', '#', '@']) {
            return Err(invalid("it has more than a scheme, a host and a port"));
        }
        let (host, port) = match rest.rsplit_once(':') {
            // The colons of an IPv6 address are inside of its brackets.
            Some((host, port)) if !port.ends_with(']') => {
                (host, Some(port.parse().map_err(|_| invalid("the port is not a number below 65536"))?))
            }
            _ => (rest, None),
        };
        let host = host.to_ascii_lowercase();
        let host = match host.strip_prefix('*') {
            _ if host.is_empty() => return Err(invalid("there is no host")),
            Some("") => HostMatch::Any,
            Some(domain) if domain.len() > 1 && domain.starts_with('.') && !domain.contains('*') => {
                HostMatch::Below(domain.to_owned())
            }
            None if !host.contains('*') => HostMatch::Exactly(host),
            _ => return Err(invalid("a star stands alone or for the first labels of a host")),
        };
        Ok(Self { scheme, host, port })
    }
}

impl HostPattern {
    /// Whether a request to this URI is allowed.
    #[must_use]
    pub fn allows(&self, uri: &Uri) -> bool {
        let Some(host) = uri.host().map(str::to_ascii_lowercase) else { return false };
        let host_matches = match &self.host {
            HostMatch::Any => true,
            HostMatch::Below(domain) => host.len() > domain.len() && host.ends_with(domain),
            HostMatch::Exactly(exact) => host == *exact,
        };
        let default_port = if uri.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 };
        let port = uri.port_u16().unwrap_or(default_port);
        host_matches
            && self.port.is_none_or(|allowed| allowed == port)
            && self.scheme.as_ref().is_none_or(|allowed| Some(allowed) == uri.scheme())
    }
}

/// Whether one of the patterns allows a request to this URI.
pub(crate) fn is_allowed(patterns: &[HostPattern], uri: &Uri) -> bool {
    patterns.iter().any(|pattern| pattern.allows(uri))
}

/// Lets only requests to allowed hosts out.
pub(crate) struct OutboundHooks {
    pub(crate) allowed: Arc<[HostPattern]>,
    pub(crate) function: Arc<str>,
}

impl fmt::Debug for OutboundHooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboundHooks").field("allowed", &self.allowed).finish_non_exhaustive()
    }
}

/// A response, and what is left to do for its body to arrive.
type Sent = Result<(http::Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>), Error>;

impl WasiHttpHooks for OutboundHooks {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        done: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        if is_allowed(&self.allowed, request.uri()) {
            return default_hooks().send_request(request, options, done);
        }
        let host = request.uri().authority().map_or("", |authority| authority.as_str());
        tracing::warn!(
            target: "durance::guest",
            function = &*self.function,
            host,
            "outbound HTTP request refused: add the host to allowed_outbound_hosts in durance.toml to allow it"
        );
        Box::new(async { Err(Error::HttpRequestDenied) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_allow_what_they_say() {
        let check = |pattern: &str, uri: &str, expected: bool| {
            let allowed = pattern.parse::<HostPattern>().unwrap().allows(&uri.parse().unwrap());
            assert_eq!(allowed, expected, "{pattern} {uri}");
        };
        check("*", "http://anything:1/x", true);
        check("example.com", "https://EXAMPLE.com/x", true);
        check("example.com", "http://example.com:8080/", true);
        check("example.com", "http://api.example.com/", false);
        check("example.com", "http://notexample.com/", false);
        check("example.com:443", "https://example.com/", true);
        check("example.com:443", "http://example.com/", false);
        check("https://example.com", "http://example.com/", false);
        check("http://127.0.0.1:9000", "http://127.0.0.1:9000/x?y", true);
        check("http://127.0.0.1:9000", "http://127.0.0.1:9001/", false);
        check("*.example.com", "http://a.b.example.com/", true);
        check("*.example.com", "http://example.com/", false);
        check("*.example.com", "http://.example.com/", false);
        check("[::1]:80", "http://[::1]/", true);
        check("[::1]", "http://[::1]:5/", true);
    }

    #[test]
    fn what_is_not_a_pattern_is_refused() {
        for text in
            ["", ":80", "ftp://x", "http://x/path", "x:99999", "x:y", "a.*.com", "*x", "*.", "user@host"]
        {
            assert!(text.parse::<HostPattern>().is_err(), "{text}");
        }
    }
}
