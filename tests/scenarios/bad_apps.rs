//! Apps that cannot be started: status 2, and a message that says where and what to do.

use durance_tests::{AppFolder, Launch, components_in, samples};
use std::fs;

const EMPTY_COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
const EMPTY_MODULE: &[u8] = b"\0asm\x01\0\0\0";

#[track_caller]
fn refuses(app: &AppFolder, expected: &[&str]) {
    let failed = Launch::of(app).start_fails();
    assert_eq!(failed.status.code(), Some(2), "{}", failed.text);
    for part in expected {
        assert!(failed.text.contains(part), "'{part}' is not in:\n{}", failed.text);
    }
}

fn sample(component: &str) -> Vec<u8> {
    fs::read(components_in("functions").join(component)).unwrap()
}

/// A sample's component in which one text is replaced by another of the same length.
fn patched(component: &str, from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = sample(component);
    let is_there = |bytes: &[u8], start: usize| bytes[start..].starts_with(from.as_bytes());
    let places: Vec<_> = (0..bytes.len()).filter(|&start| is_there(&bytes, start)).collect();
    assert!(!places.is_empty(), "'{from}' is not in {component}");
    for start in places {
        bytes[start..start + to.len()].copy_from_slice(to.as_bytes());
    }
    bytes
}

#[test]
fn broken_manifest_is_named_with_its_line() {
    let table: [(&str, &[&str]); 5] = [
        ("name = \"a\"\ncomponents = [\n", &["durance.toml", "line 2"]),
        ("name = \"a\"\ncomponents = []\nport = 1\n", &["durance.toml", "line 3", "port"]),
        ("name = \"a\"\ncomponents = []\n[limits]\nmemory = 1\n", &["line 4", "memory"]),
        ("name = \"a\"\ncomponents = [\"*.wasm\"]\n", &["*.wasm", "build"]),
        (
            "name = \"a\"\ncomponents = []\nallowed_outbound_hosts = [\"ftp://x\"]\n",
            &["allowed_outbound_hosts", "ftp"],
        ),
    ];
    for (manifest, expected) in table {
        refuses(&AppFolder::with_manifest(manifest), expected);
    }
}

#[test]
fn folder_without_manifest_is_no_app() {
    let app = AppFolder::temporary("");
    fs::remove_file(app.path().join("durance.toml")).unwrap();
    refuses(&app, &["is not a function app", "durance.toml"]);
}

#[test]
fn file_that_is_no_function_component_is_named() {
    let table: [(&str, &[u8], &[&str]); 4] = [
        ("text.wasm", b"hello", &["text.wasm", "component"]),
        ("module.wasm", EMPTY_MODULE, &["module.wasm", "wasm32-wasip2"]),
        ("empty.wasm", EMPTY_COMPONENT, &["empty.wasm", "describe"]),
        ("cut.wasm", &sample("hello.wasm")[..1000], &["cut.wasm"]),
    ];
    for (name, bytes, expected) in table {
        refuses(&AppFolder::temporary("").write(name, bytes), expected);
    }
}

#[test]
fn unknown_import_is_named() {
    let bytes = patched("hello.wasm", "durance:functions/invocation@", "durance:functions/invocatiom@");
    let expected = ["strange.wasm", "durance:functions/invocatiom@0.1.0"];
    refuses(&AppFolder::temporary("").write("strange.wasm", &bytes), &expected);
}

#[test]
fn missing_export_is_named() {
    let bytes = patched("hello.wasm", "handle-http", "handle-xxxx");
    refuses(&AppFolder::temporary("").write("mute.wasm", &bytes), &["mute.wasm", "handle-http", "Hello"]);
}

#[test]
fn two_functions_of_one_name_are_named_with_their_files() {
    let app = AppFolder::temporary("").guest("pinned_v1.wasm").guest("pinned_v2.wasm");
    refuses(&app, &["'Version", "pinned_v1.wasm", "pinned_v2.wasm"]);
}

#[test]
fn two_equal_routes_are_named_with_their_functions() {
    let app = AppFolder::temporary("").sample("hello.wasm");
    let app = app.write("hallo.wasm", &patched("hello.wasm", "Hello", "Hallo"));
    refuses(&app, &["hello/{name?}", "Hello", "Hallo"]);
}

#[test]
fn second_host_on_a_data_folder_is_refused() {
    let host = samples();
    let failed = host.launch().start_fails();
    assert_eq!(failed.status.code(), Some(2), "{}", failed.text);
    let data = host.launch().data().display().to_string();
    assert!(failed.text.contains(&data) && failed.text.contains("another"), "{}", failed.text);
}
