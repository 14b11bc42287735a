//! `durance start --watch`: what changes in the app's folder is served, and what is under way goes on.

use durance_tests::{AppFolder, Client, Launch, components_in, eventually};
use serde_json::{Value, json};
use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

fn component(name: &str) -> PathBuf {
    components_in("tests/guests").join(name).with_extension("wasm")
}

async fn becomes(client: &Client, version: &str) {
    let is_served = async || (client.get("/api/version").await.expect(200).text() == version).then_some(());
    eventually(|| format!("{version} is served"), is_served).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn app_is_exchanged_when_its_folder_changes() {
    let app = AppFolder::temporary("").put("versioned.wasm", &component("pinned_v1"));
    let host = Launch::of(&app).argument("--watch").start();
    let client = host.client();
    client.start("Versioned", "old", &Value::Null).await;
    let stop = Arc::new(AtomicBool::new(false));
    let asking = {
        let (client, stop) = (client.clone(), Arc::clone(&stop));
        tokio::spawn(async move {
            while !stop.load(Ordering::SeqCst) {
                let _answered = client.get("/api/version").await.expect(200);
            }
        })
    };

    let app = app.put("versioned.wasm", &component("pinned_v2"));
    becomes(&client, "v2").await;
    let app = app.write("versioned.wasm", b"not a component");
    let _line = host.says(&["the app is not exchanged", "versioned.wasm: it is not WebAssembly"]);
    becomes(&client, "v2").await;
    let app = app.put("versioned.wasm", &component("pinned_v1"));
    becomes(&client, "v1").await;

    stop.store(true, Ordering::SeqCst);
    asking.await.expect("every request was answered");
    let broken = app.write("durance.toml", b"name = \"tests\"\ncomponents = [\"*.wasm\"]\nport = 1\n");
    let _line = host.says(&["the app is not exchanged", "unknown field `port`"]);
    let _app = broken
        .write("durance.toml", b"name = \"tests\"\ncomponents = [\"*.wasm\"]\n[host]\nroute_prefix = \"\"\n");
    eventually(
        || "the route without prefix",
        async || (client.get("/version").await.status == 200).then_some(()),
    )
    .await;
    client.raise_event("old", "go", &json!(1)).await;
    assert_eq!(client.output("old").await, "v1");
}

#[tokio::test(flavor = "multi_thread")]
async fn host_without_a_terminal_serves_the_app_as_it_was() {
    let app = AppFolder::temporary("").put("versioned.wasm", &component("pinned_v1"));
    let host = Launch::of(&app).start();
    let _app = app.put("versioned.wasm", &component("pinned_v2"));
    assert_eq!(host.client().get("/api/version").await.expect(200).text(), "v1");
}
