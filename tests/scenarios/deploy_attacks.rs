//! What is sent to `/admin/apps` and is no app: refused, and nothing has changed.

use durance_tests::{AppFolder, Host, Launch, components_in};
use flate2::{Compression, write::GzEncoder};
use std::{fs, io::Write as _};
use tar::{Builder, EntryType, Header};

const APPS: &str = "/admin/apps";
const MANIFEST: &[u8] = b"name = \"tests\"\ncomponents = [\"*.wasm\"]\n";

/// An archive with names as an attacker writes them.
fn archive(entries: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
    let mut builder = Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, kind, content) in entries {
        let mut header = Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_size(content.len() as u64);
        if *kind == EntryType::Symlink {
            header.set_link_name("/etc/passwd").expect("a short name");
        }
        header.set_cksum();
        builder.append(&header, *content).expect("memory can be written to");
    }
    builder.into_inner().and_then(GzEncoder::finish).expect("memory can be written to")
}

/// Some 3 MB that are 3 GB when they are unpacked.
fn bomb() -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let mut header = Header::new_gnu();
    header.set_path("a.wasm").expect("a short name");
    header.set_size(3_000_000_000);
    header.set_cksum();
    encoder.write_all(header.as_bytes()).expect("memory can be written to");
    let zeros = vec![0; 1_000_000];
    for _ in 0..600 {
        encoder.write_all(&zeros).expect("memory can be written to");
    }
    encoder.finish().expect("memory can be written to")
}

/// A component as the host has compiled it, from its cache.
fn precompiled(host: &Host) -> Vec<u8> {
    let cache = host.launch().data().join("cache");
    let files = fs::read_dir(cache).expect("the cache is there").flatten().map(|entry| entry.path());
    let compiled =
        files.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "cwasm"));
    fs::read(compiled.expect("something was compiled")).expect("it can be read")
}

#[tokio::test]
async fn archives_that_are_no_apps_are_refused() {
    let host = Launch::of(&AppFolder::temporary("").sample("hello.wasm")).start();
    let client = host.client();
    let before = client.get(APPS).await.expect(200).text();
    let hello = fs::read(components_in("functions").join("hello.wasm")).expect("it was built");
    let (file, compiled) = (EntryType::Regular, precompiled(&host));
    let toml = ("durance.toml", file, MANIFEST);
    let table = [
        (b"no archive".to_vec(), 400, "not a tar archive compressed with gzip"),
        (archive(&[("a.wasm", file, &hello)]), 400, "no durance.toml"),
        (archive(&[toml, ("../a.wasm", file, &hello)]), 400, "'../a.wasm' does not stay"),
        (archive(&[toml, ("/tmp/a.wasm", file, &hello)]), 400, "'/tmp/a.wasm' does not stay"),
        (archive(&[toml, ("a.wasm", EntryType::Symlink, b"")]), 400, "neither a file nor a folder"),
        (archive(&[toml, ("a.wasm", file, &hello), ("a.wasm", file, &hello)]), 400, "twice"),
        (archive(&[toml, ("a.wasm", file, &compiled)]), 422, "precompiled artifact"),
        (archive(&[toml, ("a.wasm", file, b"text")]), 422, "not WebAssembly"),
        (bomb(), 413, "more than 536870912 bytes"),
    ];
    for (body, status, why) in table {
        let detail = client.post(APPS, body).await.expect_problem(status);
        assert!(detail.contains(why), "{why}: {detail}");
        assert_eq!(client.get(APPS).await.expect(200).text(), before);
    }
    let sent = archive(&[toml, ("a.wasm", file, &hello)]);
    let other = format!("{APPS}?version={}", "0".repeat(64));
    assert!(client.post(&other, sent).await.expect_problem(400).contains("changed on its way"));
    let strict = client.post(&format!("{APPS}?force=true"), "").await.expect_problem(400);
    assert!(strict.contains("'force'"), "{strict}");
    assert_eq!(client.get("/api/hello").await.expect(200).status, 200);
}

#[tokio::test]
async fn versions_need_the_admin_key() {
    let app = AppFolder::temporary("").sample("hello.wasm");
    let host = Launch::of(&app).argument("--require-keys").start();
    let key = |level: &str| {
        let line = host.says(&[level]);
        line.split_once(level).expect("the line has it").1.trim().to_owned()
    };
    let function = host.client().with_header("x-functions-key", &key("function:"));
    for path in [APPS, &format!("{APPS}/rollback"), &format!("{APPS}/gc")] {
        for client in [&host.client(), &function] {
            let _refused = client.post(path, "").await.expect_problem(401);
        }
    }
    let admin = host.client().with_header("x-functions-key", &key("admin:"));
    let _list = admin.get(APPS).await.expect(200);
}
