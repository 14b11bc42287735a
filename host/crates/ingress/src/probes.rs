//! What load balancers and supervisors ask: whether the host answers at all, and whether it should be given work.

use crate::{
    problem::Problem,
    response::{self, HttpResponse},
};
use http::{Method, StatusCode};

/// Whether the host takes work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readiness {
    /// The store is being opened, the app loaded.
    Starting,
    /// It takes work.
    Ready,
    /// It was told to stop: it still answers, but others should be asked.
    Draining,
}

/// The answer to a probe; none if the path is no probe's.
pub(crate) fn answer(
    method: &Method,
    path: &str,
    readiness: Readiness,
) -> Option<Result<HttpResponse, Problem>> {
    let allowed: &[Method] = match path {
        "/healthz" | "/readyz" => &[Method::GET, Method::HEAD],
        "/admin/host/ping" => &[Method::GET, Method::HEAD, Method::POST],
        _ => return None,
    };
    if !allowed.contains(method) {
        let names: Vec<_> = allowed.iter().map(Method::as_str).collect();
        return Some(Err(Problem::wrong_method(path, &names.join(", "))));
    }
    Some(match readiness {
        Readiness::Starting if path == "/readyz" => Err(Problem::not_ready("the host is starting")),
        Readiness::Draining if path == "/readyz" => Err(Problem::not_ready("the host is stopping")),
        _ => Ok(response::text(StatusCode::OK, "ok\n")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_readyz_depends_on_whether_the_host_takes_work() {
        let table = [
            (Readiness::Starting, "/healthz", 200),
            (Readiness::Starting, "/admin/host/ping", 200),
            (Readiness::Starting, "/readyz", 503),
            (Readiness::Ready, "/readyz", 200),
            (Readiness::Draining, "/readyz", 503),
            (Readiness::Draining, "/healthz", 200),
        ];
        for (readiness, path, status) in table {
            let answered = answer(&Method::GET, path, readiness).unwrap();
            let answered = answered.map_or_else(|problem| problem.status(), |response| response.status());
            assert_eq!(answered, status, "{readiness:?} {path}");
        }
        assert!(answer(&Method::GET, "/readyz/", Readiness::Ready).is_none());
    }
}
