//! Who may do what: keys, and on loopback without keys, who is at home.

use crate::{
    keys::{AccessLevel, KeyRing},
    query::Query,
};
use http::{
    HeaderMap,
    header::{HOST, ORIGIN},
    request::Parts,
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The header that carries a key; it wins over the query parameter `code`.
pub(crate) const KEY_HEADER: &str = "x-functions-key";

/// Whether callers need keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyRequirement {
    /// Not while the host listens on loopback: every caller may do everything, but must be local by its `Host` and
    /// `Origin`, so that no web page can drive the host.
    #[default]
    UnlessLoopback,
    /// Always.
    Always,
}

/// Why a caller is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AccessError {
    #[error("the request must say in one 'Host' header whom it is for")]
    NoHost,
    #[error(
        "without keys this host answers only requests for localhost, and this one is for '{0}'; use \
         http://localhost, or start the host with --require-keys"
    )]
    ForeignHost(String),
    #[error(
        "without keys this host answers no web pages of other origins, and this request comes from {0}; open the \
         address itself, or start the host with --require-keys"
    )]
    ForeignOrigin(String),
    #[error(
        "this needs a key of level '{0}': send it in the header 'x-functions-key' or in the query parameter 'code'"
    )]
    KeyNeeded(AccessLevel),
}

/// Decides who may do what.
#[derive(Debug)]
pub(crate) struct Access {
    keys: KeyRing,
    mode: Mode,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Every local caller may do everything.
    Open,
    /// Callers show keys.
    Keys,
}

impl Access {
    /// The rules for a host that listens on this address.
    pub(crate) fn new(keys: KeyRing, requirement: KeyRequirement, listen: IpAddr) -> Self {
        let mode = match requirement {
            KeyRequirement::UnlessLoopback if listen.to_canonical().is_loopback() => Mode::Open,
            KeyRequirement::UnlessLoopback | KeyRequirement::Always => Mode::Keys,
        };
        Self { keys, mode }
    }

    /// Lets a request in, before it is known what it is for; gives the authority that it is for: `localhost:7071`.
    pub(crate) fn admit<'r>(&self, request: &'r Parts) -> Result<&'r str, AccessError> {
        let authority = authority(request).ok_or(AccessError::NoHost)?;
        if self.mode == Mode::Keys {
            return Ok(authority);
        }
        if !is_local(authority) {
            return Err(AccessError::ForeignHost(authority.to_owned()));
        }
        match foreign_origin(&request.headers) {
            Some(origin) => Err(AccessError::ForeignOrigin(origin)),
            None => Ok(authority),
        }
    }

    /// Refuses a caller that may not do what needs `level`.
    pub(crate) fn require(&self, level: AccessLevel, request: &Parts) -> Result<(), AccessError> {
        if level == AccessLevel::Anonymous || self.mode == Mode::Open || self.level_of(request) >= level {
            Ok(())
        } else {
            Err(AccessError::KeyNeeded(level))
        }
    }

    fn level_of(&self, request: &Parts) -> AccessLevel {
        if let Some(key) = request.headers.get(KEY_HEADER) {
            return key.to_str().map_or(AccessLevel::Anonymous, |key| self.keys.level_of(key));
        }
        let query = Query::parse(request.uri.query());
        query.text("code").map_or(AccessLevel::Anonymous, |key| self.keys.level_of(key))
    }
}

/// HTTP/2 has it in the URI, HTTP/1.1 in a header. It goes into links, so that nothing but an authority will do.
fn authority(request: &Parts) -> Option<&str> {
    let authority = match request.uri.authority() {
        Some(authority) => authority.as_str(),
        None => {
            let mut hosts = request.headers.get_all(HOST).iter();
            let host = hosts.next()?;
            hosts.next().is_none().then(|| host.to_str().ok()).flatten()?
        }
    };
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%:[]".contains(&byte);
    (!authority.is_empty() && authority.bytes().all(fits)).then_some(authority)
}

/// Whether `host[:port]` is this machine's own name or address.
fn is_local(authority: &str) -> bool {
    if let Some(rest) = authority.strip_prefix('[') {
        let Some((address, port)) = rest.split_once(']') else { return false };
        return is_port(port)
            && address.parse().is_ok_and(|address: Ipv6Addr| address.to_canonical().is_loopback());
    }
    let (host, port) = authority.find(':').map_or((authority, ""), |colon| authority.split_at(colon));
    let is_local =
        host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|a: Ipv4Addr| a.is_loopback());
    is_local && is_port(port)
}

fn is_port(text: &str) -> bool {
    text.is_empty() || text.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok())
}

/// The page that made the request, if it is not one of this machine.
fn foreign_origin(headers: &HeaderMap) -> Option<String> {
    if let Some(origin) = headers.get(ORIGIN) {
        let text = origin.to_str().unwrap_or("an unreadable origin");
        let authority = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
        return (!authority.is_some_and(is_local)).then(|| format!("'{text}'"));
    }
    // Pages can send GET requests without an origin: images, links. Browsers say so here.
    let site = headers.get("sec-fetch-site")?;
    (site == "cross-site").then(|| "another site".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::NewKeys;

    const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn request(uri: &str, headers: &[(&str, &str)]) -> Parts {
        let request = http::Request::builder().uri(uri);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        request.body(()).unwrap().into_parts().0
    }

    fn access(requirement: KeyRequirement, listen: IpAddr) -> (Access, NewKeys) {
        let (keys, new) = KeyRing::generate().unwrap();
        (Access::new(keys, requirement, listen), new)
    }

    #[test]
    fn open_host_admits_only_local_callers() {
        let (access, _) = access(KeyRequirement::UnlessLoopback, LOOPBACK);
        let admit = |headers: &[(&str, &str)]| access.admit(&request("/", headers)).map(drop);
        let local = ["localhost", "LOCALHOST:7071", "127.0.0.1:1", "127.8.9.1", "[::1]", "[::1]:7071"];
        for host in local {
            assert_eq!(admit(&[("host", host)]), Ok(()), "{host}");
            let origin = format!("http://{host}");
            assert_eq!(admit(&[("host", "localhost"), ("origin", &origin)]), Ok(()), "{origin}");
        }
        let foreign = [
            "evil.example",
            "localhost.evil.example",
            "10.0.0.1",
            "[::2]:1",
            "localhost:x",
            "[::1",
            "0.0.0.0",
        ];
        for host in foreign {
            assert_eq!(admit(&[("host", host)]), Err(AccessError::ForeignHost(host.to_owned())));
            let origin = format!("https://{host}");
            let refused = Err(AccessError::ForeignOrigin(format!("'{origin}'")));
            assert_eq!(admit(&[("host", "localhost"), ("origin", &origin)]), refused);
        }
        for origin in ["null", "", "file://", "localhost"] {
            assert!(admit(&[("host", "localhost"), ("origin", origin)]).is_err(), "{origin}");
        }
        assert!(admit(&[("host", "localhost"), ("sec-fetch-site", "cross-site")]).is_err());
        assert_eq!(admit(&[("host", "localhost"), ("sec-fetch-site", "same-site")]), Ok(()));
        for hosts in
            [&[][..], &[("host", "")], &[("host", "a/b")], &[("host", "localhost"), ("host", "localhost")]]
        {
            assert_eq!(admit(hosts), Err(AccessError::NoHost));
        }
    }

    #[test]
    fn host_with_keys_admits_any_host_and_origin() {
        let headers = [("host", "functions.example"), ("origin", "https://app.example")];
        for (requirement, listen) in [
            (KeyRequirement::Always, LOOPBACK),
            (KeyRequirement::UnlessLoopback, IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        ] {
            let (access, _) = access(requirement, listen);
            assert_eq!(access.admit(&request("/", &headers)), Ok("functions.example"));
            let without_key = access.require(AccessLevel::Function, &request("/", &headers));
            assert_eq!(without_key, Err(AccessError::KeyNeeded(AccessLevel::Function)));
        }
        let (open, _) = access(KeyRequirement::UnlessLoopback, LOOPBACK);
        assert_eq!(open.require(AccessLevel::Admin, &request("/", &[])), Ok(()));
    }

    #[test]
    fn keys_open_their_level_and_the_header_wins() {
        use AccessLevel::{Admin, Anonymous, Function};
        let (access, keys) = access(KeyRequirement::Always, LOOPBACK);
        let level = |uri: &str, headers: &[(&str, &str)]| {
            let request = request(uri, headers);
            let levels = [Admin, Function, Anonymous];
            levels.into_iter().find(|level| access.require(*level, &request).is_ok()).unwrap()
        };
        let (function, admin) = (keys.function.as_str(), keys.admin.as_str());
        assert_eq!(level("/", &[]), Anonymous);
        assert_eq!(level("/", &[(KEY_HEADER, function)]), Function);
        assert_eq!(level("/", &[(KEY_HEADER, admin)]), Admin);
        assert_eq!(level("/", &[(KEY_HEADER, "wrong")]), Anonymous);
        assert_eq!(level(&format!("/?a=b&Code={admin}"), &[]), Admin);
        assert_eq!(level(&format!("/?code={admin}"), &[(KEY_HEADER, function)]), Function);
        assert_eq!(level(&format!("/?code={admin}"), &[(KEY_HEADER, "")]), Anonymous);
    }
}
