//! A request that was let in.

use crate::request_id::RequestId;
use http::request::Parts;

/// TLS is for whatever stands in front of this host.
const SCHEME: &str = "http";

/// A request without its body, and whom it is for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Admitted<'r> {
    pub(crate) parts: &'r Parts,
    /// `localhost:7071`.
    pub(crate) authority: &'r str,
    pub(crate) id: &'r RequestId,
}

impl Admitted<'_> {
    /// Scheme and authority of this host, as the caller knows it.
    pub(crate) fn origin(&self) -> String {
        [SCHEME, "://", self.authority].concat()
    }

    /// The absolute URI that the caller asked for.
    pub(crate) fn uri(&self) -> String {
        let target = self.parts.uri.path_and_query().map_or("/", |target| target.as_str());
        [SCHEME, "://", self.authority, target].concat()
    }
}
