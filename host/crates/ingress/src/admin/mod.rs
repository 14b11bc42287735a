//! The admin API: the host itself, its keys, the functions that it serves, the versions of the app.
//!
//! All of it needs the admin key. As the management API it is strict: an unknown query parameter is an error.

mod apps;
mod functions;
mod host;
mod keys;

use crate::{
    access::Access, body::RequestBody, keys::AccessLevel, problem::Problem, query::Query, request::Admitted,
    response::HttpResponse, served::AppSwitch,
};
use http::Method;
use percent_encoding::percent_decode_str;
use std::borrow::Cow;

pub(crate) use apps::AppsApi;
pub(crate) use functions::{FunctionCatalog, FunctionEntry, FunctionList};
pub(crate) use host::HostInfo;
pub(crate) use keys::KeyAdmin;

/// Answers requests under `/admin`.
#[derive(Debug)]
pub(crate) struct AdminApi {
    pub(crate) host: HostInfo,
    pub(crate) app: AppSwitch,
    pub(crate) apps: AppsApi,
    pub(crate) keys: KeyAdmin,
}

impl AdminApi {
    /// The answer to a request; `path` begins after `/admin`.
    pub(crate) async fn answer(
        &self,
        access: &Access,
        request: Admitted<'_>,
        path: &str,
        body: impl RequestBody,
    ) -> Result<HttpResponse, Problem> {
        access.require(AccessLevel::Admin, request.parts)?;
        let segments: Vec<_> = path.split('/').skip(1).map(decode).collect();
        let segments: Vec<_> = segments.iter().map(|segment| &**segment).collect();
        let call = AdminCall { request, query: Query::parse(request.parts.uri.query()) };
        match segments.as_slice() {
            [area, "status"] if is(area, "host") => call.read(&[]).map(|()| self.host.status()),
            [area, keys, rest @ ..] if is(area, "host") && is(keys, "keys") => {
                self.keys.answer(&call, rest).await
            }
            [area, rest @ ..] if is(area, "apps") => self.apps.answer(&call, rest, body).await,
            [area, rest @ ..] if is(area, "functions") => self.app.app().list.answer(&call, rest),
            _ => Err(call.no_such_path()),
        }
    }
}

/// One request to the admin API.
#[derive(Debug)]
pub(crate) struct AdminCall<'r> {
    pub(crate) request: Admitted<'r>,
    pub(crate) query: Query<'r>,
}

impl AdminCall<'_> {
    /// Refuses all but reading, and query parameters that are not among `parameters`.
    fn read(&self, parameters: &[&str]) -> Result<(), Problem> {
        self.check(&[Method::GET, Method::HEAD], parameters)
    }

    /// Refuses other methods and other query parameters.
    fn check(&self, methods: &[Method], parameters: &[&str]) -> Result<(), Problem> {
        if !methods.contains(&self.request.parts.method) {
            let names: Vec<_> = methods.iter().map(Method::as_str).collect();
            return Err(Problem::wrong_method(self.path(), &names.join(", ")));
        }
        Ok(self.query.check_names(&["code"], parameters, &[])?)
    }

    fn path(&self) -> &str {
        self.request.parts.uri.path()
    }

    fn no_such_path(&self) -> Problem {
        Problem::no_such_path(self.path())
    }
}

fn decode(segment: &str) -> Cow<'_, str> {
    percent_decode_str(segment).decode_utf8_lossy()
}

fn is(segment: &str, name: &str) -> bool {
    segment.eq_ignore_ascii_case(name)
}
