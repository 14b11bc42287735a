//! What `durance new` makes: its tests pass, it is built, served, and built again when it was changed.

use durance_tests::{AppFolder, Launch, program, repository};
use snapbox::cmd::{Command, OutputAssert};
use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

const TEMPLATES: [&str; 6] = ["http", "singleton", "sequence", "fan-out", "entity", "timer"];

fn new_app(folder: &TempDir, name: &str, template: &str) -> PathBuf {
    let app = folder.path().join(name);
    let command = Command::new(program()).arg("new").arg(&app).args(["--template", template, "--sdk-path"]);
    command.arg(repository()).assert().success();
    // The versions that are there already: nothing is fetched.
    fs::copy(repository().join("functions/Cargo.lock"), app.join("Cargo.lock"))
        .expect("the app can be written to");
    app
}

fn cargo(app: &Path, arguments: &[&str]) -> Command {
    Command::new("cargo").current_dir(app).args(arguments).env("CARGO_NET_OFFLINE", "true")
}

fn said(assert: &OutputAssert) -> String {
    String::from_utf8_lossy(&assert.get_output().stdout).into_owned()
}

#[test]
fn every_template_passes_its_own_tests() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let tuple = said(&Command::new("rustc").args(["--print", "host-tuple"]).assert().success());
    for template in TEMPLATES {
        let app = new_app(&folder, &format!("app-{template}"), template);
        // What the samples' own tests have compiled.
        let target = repository().join("functions/target");
        let tests = cargo(&app, &["test", "--quiet", "--target", tuple.trim()]);
        let tested = tests.env("CARGO_TARGET_DIR", target).stderr_to_stdout().assert().success();
        let said = said(&tested);
        assert!(said.contains("test result: ok") && !said.contains("warning"), "{template}: {said}");
    }
}

#[tokio::test]
async fn new_app_is_built_and_built_again_when_it_was_changed() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let app = new_app(&folder, "greeter", "http");
    // Kept between runs of the tests, apart from the samples.
    let target = repository().join("target/new-apps");
    fs::create_dir_all(&target).expect("a folder can be made");
    symlink(target, app.join("target")).expect("a link can be made");
    let build = || Command::new(program()).arg("build").arg(&app).env("CARGO_NET_OFFLINE", "true");
    build().assert().success();

    let launch = Launch::of(&AppFolder::existing(&app)).building();
    let host = launch.start();
    assert_eq!(host.client().get("/api/hello/Ada").await.expect(200).text(), "Hello Ada!");
    let launch = host.stop();

    let source = app.join("src/lib.rs");
    let text = fs::read_to_string(&source).expect("the source can be read");
    fs::write(&source, text.replace("Hello {}!", "Good day, {}.")).expect("the source can be written");
    let host = launch.start();
    assert_eq!(host.client().get("/api/hello/Ada").await.expect(200).text(), "Good day, Ada.");
    let launch = host.stop();

    fs::write(&source, "this is no Rust").expect("the source can be written");
    let failed = launch.start_fails();
    assert_eq!(failed.status.code(), Some(2), "{}", failed.text);
    assert!(
        failed.text.contains("this is no Rust") && failed.text.contains("was not built"),
        "{}",
        failed.text
    );
    build().assert().code(1);
}

#[test]
fn folder_that_is_not_empty_is_left_as_it_is() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    // The name of the temporary folder itself may be none of an app.
    let folder = folder.path().join("app");
    fs::create_dir(&folder).expect("a folder can be made");
    fs::write(folder.join("mine"), "").expect("the folder can be written to");
    let refused = Command::new(program()).arg("new").arg(&folder).stderr_to_stdout().assert().code(4);
    assert!(said(&refused).contains("is not empty"), "{}", said(&refused));
    assert_eq!(fs::read_dir(&folder).expect("it is there").count(), 1);
}

#[test]
fn doctor_says_what_to_change() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let doctor = |arguments: &[&str]| {
        let command = Command::new(program()).arg("doctor").arg(folder.path()).args(arguments);
        let output = command.stderr_to_stdout().output().expect("the program can be started");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (_, said) = doctor(&["--listen", "127.0.0.1:0", "--json"]);
    let checks: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    let names: Vec<_> =
        checks.as_array().expect("a list").iter().map(|check| check["check"].clone()).collect();
    assert_eq!(names, ["memory maps", "open files", "clock", "port", "disk sync", "wasm target"]);

    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("it has an address").to_string();
    let (code, said) = doctor(&["--listen", &address]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("FAIL") && said.contains("choose another address with --listen"), "{said}");
}
