//! `/admin/host/keys`: who may do what.

use super::AdminCall;
use crate::{
    keys::{AccessLevel, KeyChangeError, KeyInfo, KeyRing, MadeKey, OldLinks},
    links::SignedLinks,
    problem::Problem,
    response::{self, HttpResponse},
};
use http::{HeaderValue, Method, StatusCode, header::CACHE_CONTROL};
use serde_json::json;
use std::sync::Arc;

const METHODS: [Method; 4] = [Method::GET, Method::HEAD, Method::POST, Method::DELETE];

/// Answers requests for keys.
#[derive(Debug)]
pub(crate) struct KeyAdmin {
    pub(crate) keys: KeyRing,
    pub(crate) links: Arc<SignedLinks>,
}

impl KeyAdmin {
    /// The answer to a request; `path` is below `/admin/host/keys`.
    pub(super) async fn answer(&self, call: &AdminCall<'_>, path: &[&str]) -> Result<HttpResponse, Problem> {
        match path {
            [] | [""] => {
                call.read(&[])?;
                Ok(response::json(StatusCode::OK, &json!({ "keys": self.keys.list() })))
            }
            [name] => self.one(call, name).await,
            [name, "rotate"] => {
                call.check(&[Method::POST], &["revoke"])?;
                let revoke = call.query.flag("revoke", false)?;
                Ok(made(StatusCode::OK, &self.rotate(name, revoke).await?))
            }
            _ => Err(call.no_such_path()),
        }
    }

    async fn one(&self, call: &AdminCall<'_>, name: &str) -> Result<HttpResponse, Problem> {
        let name = name.to_owned();
        match call.request.parts.method {
            Method::POST => {
                call.check(&METHODS, &["level"])?;
                let level = call.query.read("level", "function or admin", level)?;
                let level = level.unwrap_or(AccessLevel::Function);
                Ok(made(StatusCode::CREATED, &self.change(move |keys| keys.create(&name, level)).await?))
            }
            Method::DELETE => {
                call.check(&METHODS, &[])?;
                self.change(move |keys| keys.delete(&name)).await?;
                Ok(response::empty(StatusCode::NO_CONTENT))
            }
            _ => {
                call.check(&METHODS, &[])?;
                let is_it = |key: &KeyInfo| key.name.eq_ignore_ascii_case(&name);
                let found = self.keys.list().into_iter().find(is_it);
                let key = found.ok_or(KeyChangeError::NotFound(name))?;
                Ok(response::json(StatusCode::OK, &key))
            }
        }
    }

    async fn rotate(&self, name: &str, revoke: bool) -> Result<MadeKey, Problem> {
        if KeyRing::is_links(name) {
            let (now, until) = self.links.now_and_last_expiry();
            let old = if revoke { OldLinks::Revoked } else { OldLinks::GoodUntil(until) };
            return self.change(move |keys| keys.rotate_links(now, old)).await;
        }
        if revoke {
            let detail = "the old value of a key opens nothing anyway; 'revoke' is for '_links'";
            return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
        }
        let name = name.to_owned();
        self.change(move |keys| keys.rotate(&name)).await
    }

    /// Changes are written to disk, which no worker of the server should wait for.
    async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&KeyRing) -> Result<T, KeyChangeError> + Send + 'static,
    ) -> Result<T, Problem> {
        let keys = self.keys.clone();
        let changed = tokio::task::spawn_blocking(move || change(&keys)).await;
        Ok(changed.map_err(|_| Problem::panicked())??)
    }
}

fn level(text: &str) -> Option<AccessLevel> {
    let levels = [AccessLevel::Function, AccessLevel::Admin];
    levels.into_iter().find(|level| level.to_string().eq_ignore_ascii_case(text))
}

/// A value that is shown once is kept by nobody on the way.
fn made(status: StatusCode, key: &MadeKey) -> HttpResponse {
    let mut response = response::json(status, key);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
