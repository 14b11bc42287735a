//! Imports go down one list of crates, and each library is named by one layer only.

use crate::assert_none;
use durance_tests::repository;
use std::fs;
use toml::{Table, Value};

/// Package; which of ours it may import; which of others it must not.
const LAYERS: [(&str, &[&str], &[&str]); 6] = [
    ("durable", &[], &["tokio", "wasmtime", "hyper", "tracing"]),
    ("store", &["durable"], &["tokio", "wasmtime", "hyper"]),
    ("taskhub", &["durable", "store"], &["wasmtime", "hyper", "fjall"]),
    ("wasm", &["durable", "taskhub"], &["hyper", "fjall"]),
    ("cli", &[], &["tokio", "wasmtime", "hyper", "fjall"]),
    ("ingress", &["durable", "taskhub", "wasm"], &["wasmtime", "wasmtime-wasi", "fjall"]),
];

fn dependencies(manifest: &str) -> Table {
    let text =
        fs::read_to_string(repository().join(manifest)).unwrap_or_else(|error| panic!("{manifest}: {error}"));
    let manifest: Table = text.parse().unwrap_or_else(|error| panic!("{manifest}: {error}"));
    manifest["dependencies"].as_table().expect("a table").clone()
}

/// What the SDK's test kit shares with the host: the rules, which no component is built with. See decision 2 in `host/docs/decisions`.
fn is_of_test_kit(manifest: &str, dependency: &str, settings: &Value) -> bool {
    let is_optional = settings.get("optional").and_then(Value::as_bool) == Some(true);
    manifest == "guest-sdk/Cargo.toml" && dependency == "durance-durable" && is_optional
}

#[test]
fn imports_only_go_down() {
    let mut offences = Vec::new();
    for (layer, ours, not_others) in LAYERS {
        for dependency in dependencies(&format!("host/crates/{layer}/Cargo.toml")).keys() {
            let is_allowed = match dependency.strip_prefix("durance-") {
                Some(other) => ours.contains(&other),
                None => !not_others.contains(&dependency.as_str()),
            };
            if !is_allowed {
                offences.push(format!("{layer} must not import {dependency}"));
            }
        }
    }
    assert_none("imports that go up or past a layer", &offences);
}

#[test]
fn every_crate_of_the_host_has_its_place() {
    let crates = fs::read_dir(repository().join("host/crates")).expect("the host has crates");
    for entry in crates.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        assert!(LAYERS.iter().any(|(layer, ..)| *layer == name), "say what '{name}' may import");
    }
}

#[test]
fn guests_and_host_share_the_contract_only() {
    for manifest in ["guest-sdk/Cargo.toml", "guest-sdk/macros/Cargo.toml"] {
        for (dependency, settings) in dependencies(manifest) {
            let is_host = dependency.starts_with("durance-") && dependency != "durance-sdk-macros";
            let is_allowed = !is_host || is_of_test_kit(manifest, &dependency, &settings);
            assert!(is_allowed, "{manifest} must not import {dependency}");
        }
    }
}
