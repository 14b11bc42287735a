//! Apps of the guests of this repository.

use durance_wasm::{FunctionApp, HttpCall, InvokeError, WasmSettings};
use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::{LazyLock, Once},
    time::Duration,
};
use tempfile::TempDir;
use uuid::Uuid;

/// Compiled once for all tests of the process.
static DATA: LazyLock<TempDir> = LazyLock::new(|| tempfile::tempdir().unwrap());
static BUILD: Once = Once::new();

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(3).unwrap().to_owned()
}

fn build_guests() {
    for workspace in ["functions", "tests/guests"] {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--release"]).current_dir(root().join(workspace));
        let status = cargo.env_remove("CARGO_TARGET_DIR").env_remove("RUSTFLAGS").status().unwrap();
        assert!(status.success(), "{workspace} cannot be built: is the target wasm32-wasip2 installed?");
    }
}

/// The file of a guest, by its package with underscores.
pub(crate) fn guest(name: &str) -> PathBuf {
    BUILD.call_once(build_guests);
    let folders = ["functions", "tests/guests"].map(|folder| root().join(folder));
    let files =
        folders.map(|folder| folder.join("target/wasm32-wasip2/release").join(format!("{name}.wasm")));
    files.into_iter().find(|file| file.exists()).unwrap_or_else(|| panic!("no guest {name}"))
}

/// Few slots and short times.
pub(crate) fn settings() -> WasmSettings {
    WasmSettings {
        memory_bytes_max: 64 * 1024 * 1024,
        http_timeout: Duration::from_secs(20),
        turn_cpu_budget: Duration::from_millis(300),
        http_calls_max: 8,
        activities_max: 8,
        orchestrators_max: Some(16),
        ..WasmSettings::default()
    }
}

pub(crate) async fn app_with(guests: &[&str], settings: WasmSettings) -> FunctionApp {
    let files: Vec<_> = guests.iter().map(|name| guest(name)).collect();
    FunctionApp::load(&files, DATA.path(), settings).await.unwrap()
}

pub(crate) async fn app(guests: &[&str]) -> FunctionApp {
    app_with(guests, settings()).await
}

/// Calls a function by GET with these query and route parameters; answers status and body.
pub(crate) async fn get(
    app: &FunctionApp,
    function: &str,
    query: &str,
    route: &[(&str, Option<&str>)],
) -> Result<(u16, String), InvokeError> {
    let headers =
        http::HeaderMap::from_iter([(http::header::ACCEPT, http::HeaderValue::from_static("text/plain"))]);
    let parameters = route.iter().map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned)));
    let call = HttpCall {
        idempotency: None,
        method: "GET",
        uri: &format!("http://localhost:7071/api/{function}{query}"),
        origin: "http://localhost:7071".to_owned(),
        headers: &headers,
        body: b"the body",
        route_parameters: parameters.collect(),
        invocation_id: Uuid::new_v4(),
    };
    let response = app.call_http(function, call).await?;
    Ok((response.status().as_u16(), String::from_utf8_lossy(response.body()).into_owned()))
}
