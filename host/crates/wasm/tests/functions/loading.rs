use crate::{
    orchestration::Orchestration,
    support::{guest, settings},
};
use durance_durable::HistoryEvent;
use durance_taskhub::{ExecutorError, FunctionExecutor as _, Progress};
use durance_wasm::{FunctionApp, FunctionKind, LoadError};
use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
};

async fn load(files: &[PathBuf], data: &Path) -> Result<FunctionApp, LoadError> {
    FunctionApp::load(files, data, settings()).await
}

/// A component whose `describe` answers this text, with more exports and imports.
fn component(description: &str, imports: &str, exports: &str) -> Vec<u8> {
    let escaped = description.replace('"', "\\22");
    let length = description.len();
    let text = format!(
        r#"(component
            {imports}
            (core module $m
                (memory (export "memory") 1)
                (data (i32.const 64) "{escaped}")
                (func (export "describe") (result i32)
                    (i32.store (i32.const 0) (i32.const 64))
                    (i32.store (i32.const 4) (i32.const {length}))
                    (i32.const 0))
                (func (export "number") (result i32) (i32.const 7)))
            (core instance $i (instantiate $m))
            (func (export "describe") (result string)
                (canon lift (core func $i "describe") (memory (core memory $i "memory"))))
            {exports})"#
    );
    wat::parse_str(text).unwrap()
}

#[tokio::test]
async fn file_that_cannot_be_used_says_why_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let check = async |bytes: &[u8], expected: &str| {
        let file = folder.path().join("app.wasm");
        fs::write(&file, bytes).unwrap();
        let error = load(&[file], &data).await.unwrap_err().to_string();
        assert!(error.contains("app.wasm: ") && error.contains(expected), "{error}");
    };
    check(b"hello", "not WebAssembly; give a component").await;
    check(b"(component)", "WebAssembly text").await;
    check(b"\0asm\x01\0\0\0", "core module and not a component: build it for the target wasm32-wasip2").await;
    check(b"\0asm\x0d\0\x01\0\xff", "not a valid component").await;
    check(&wat::parse_str("(component)").unwrap(), "no export `describe`").await;
    check(&component("{}", "", ""), "missing field `functions`").await;
    let unknown = r#"(import "acme:db/sql@1.0.0" (instance (export "query" (func))))"#;
    check(&component("{}", unknown, ""), "acme:db/sql@1.0.0").await;
    let http = r#"{"functions":[{"name":"Hi","type":"httpTrigger"}]}"#;
    check(&component(http, "", ""), "'Hi' is a httpTrigger, but the component has no export `handle-http`")
        .await;
    let other_type = r#"(func (export "handle-http") (result u32) (canon lift (core func $i "number")))"#;
    check(&component(http, "", other_type), "export `handle-http` has another type").await;
    let twice = r#"{"functions":[{"name":"Hi","type":"x"}]}"#;
    check(&component(twice, "", ""), "unknown variant `x`").await;
}

/// A core module that carries the description of a component, as toolchains make it before the last step.
fn described_core_module(description: &str) -> Vec<u8> {
    let escaped = description.replace('"', "\\22");
    let length = description.len();
    let text = format!(
        r#"(module
            (memory (export "memory") 1)
            (data (i32.const 64) "{escaped}")
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
            (func (export "describe") (result i32)
                (i32.store (i32.const 0) (i32.const 64))
                (i32.store (i32.const 4) (i32.const {length}))
                (i32.const 0)))"#
    );
    let mut module = wat::parse_str(text).unwrap();
    let mut resolve = wit_parser::Resolve::default();
    let wit = "package a:b; world describes { export describe: func() -> string; }";
    let package = resolve.push_str("a.wit", wit).unwrap();
    let world = resolve.select_world(&[package], None).unwrap();
    let encoding = wit_component::StringEncoding::UTF8;
    wit_component::embed_component_metadata(&mut module, &resolve, world, encoding).unwrap();
    module
}

#[tokio::test]
async fn core_module_that_describes_a_component_is_wrapped() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("core.wasm");
    let activity = r#"{"functions":[{"name":"A","type":"activityTrigger"}]}"#;
    let data = folder.path().join("data");
    fs::write(&file, described_core_module(r#"{"functions":[]}"#)).unwrap();
    assert!(load(std::slice::from_ref(&file), &data).await.unwrap().functions().is_empty());
    fs::write(&file, described_core_module(activity)).unwrap();
    let error = load(&[file], &data).await.unwrap_err().to_string();
    assert!(error.contains("'A' is a activityTrigger, but the component has no export"), "{error}");
}

#[tokio::test]
async fn missing_file_is_named() {
    let data = tempfile::tempdir().unwrap();
    let error = load(&[PathBuf::from("nothing.wasm")], data.path()).await.unwrap_err().to_string();
    assert!(error.starts_with("nothing.wasm: "), "{error}");
}

#[tokio::test]
async fn two_functions_of_one_name_are_refused_with_both_files() {
    let data = tempfile::tempdir().unwrap();
    let error = load(&[guest("pinned_v1"), guest("pinned_v2")], data.path()).await.unwrap_err().to_string();
    for part in ["'Version", "pinned_v1.wasm", "pinned_v2.wasm", "rename one"] {
        assert!(error.contains(part), "{error}");
    }
}

#[tokio::test]
async fn functions_are_listed_as_described() {
    let data = tempfile::tempdir().unwrap();
    let app = load(&[guest("hello"), guest("hello_sequence")], data.path()).await.unwrap();
    let listed: Vec<_> =
        app.functions().iter().map(|f| (f.manifest().name.as_str(), f.manifest().kind)).collect();
    assert_eq!(listed[0], ("Hello", FunctionKind::HttpTrigger));
    assert_eq!(app.functions()[0].manifest().route.as_deref(), Some("hello/{name?}"));
    assert_eq!(app.functions()[0].file(), guest("hello"));
    assert!(listed.contains(&("HelloSequence", FunctionKind::OrchestrationTrigger)), "{listed:?}");
    assert_eq!(app.orchestrator_names(), ["HelloSequence"]);
}

fn compiled_files(data: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(data.join("cache")).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|extension| extension == "cwasm")).collect()
}

#[tokio::test]
async fn compiled_component_is_used_again_and_made_again_when_damaged() {
    let data = tempfile::tempdir().unwrap();
    let files = [guest("hello")];
    load(&files, data.path()).await.unwrap();
    let [compiled] = compiled_files(data.path()).try_into().unwrap();
    let (bytes, written) =
        (fs::read(&compiled).unwrap(), fs::metadata(&compiled).unwrap().modified().unwrap());
    load(&files, data.path()).await.unwrap();
    assert_eq!(fs::metadata(&compiled).unwrap().modified().unwrap(), written, "it was compiled again");

    let mut flipped = bytes.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    for damaged in [&flipped, &bytes[..middle].to_vec(), &Vec::new()] {
        fs::remove_file(&compiled).unwrap();
        fs::write(&compiled, damaged).unwrap();
        load(&files, data.path()).await.unwrap();
        assert_eq!(fs::read(&compiled).unwrap().len(), bytes.len());
    }
    let precompiled = data.path().join("precompiled.wasm");
    fs::copy(&compiled, &precompiled).unwrap();
    let error = load(&[precompiled], data.path()).await.unwrap_err().to_string();
    assert!(error.contains("precompiled artifact"), "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn nobody_else_may_enter_the_cache() {
    use std::os::unix::fs::PermissionsExt as _;
    let data = tempfile::tempdir().unwrap();
    load(&[], data.path()).await.unwrap();
    let mode = fs::metadata(data.path().join("cache")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[tokio::test]
async fn component_that_nobody_needs_is_deleted() {
    let data = tempfile::tempdir().unwrap();
    let old = load(&[guest("pinned_v1")], data.path()).await.unwrap();
    let module = old.resolve_orchestrator("Versioned").unwrap();
    let new = load(&[guest("pinned_v2")], data.path()).await.unwrap();

    new.delete_unneeded_modules(&HashSet::from([module])).unwrap();
    let mut pinned = Orchestration::pinned(&new, module, "Versioned", "null");
    assert_eq!(pinned.start().await, Progress::Waiting);

    new.delete_unneeded_modules(&HashSet::new()).unwrap();
    let mut orphan = Orchestration::pinned(&new, module, "Versioned", "null");
    orphan
        .state
        .lock()
        .begin_turn(durance_durable::Timestamp::from_nanos(1), vec![HistoryEvent::ExecutionStarted]);
    let error = orphan.run.resume().await.unwrap_err();
    assert!(matches!(&error, ExecutorError::Component { module: gone, .. } if *gone == module), "{error}");
    let mut current = Orchestration::new(&new, "Versioned", "null");
    assert_eq!(current.start().await, Progress::Waiting);
}
