//! Versions of the app: deployed to a host that runs, made active, given back; instances go on as they began.

use durance_tests::{AppFolder, Client, Ended, Host, Launch, components_in, eventually, run_program};
use serde_json::{Value, json};
use std::{
    ffi::OsStr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

const SCHEDULES: &str = "/runtime/webhooks/durabletask/schedules";

/// An app with one of the versions of a component.
fn app_with(component: &str) -> AppFolder {
    let file = components_in("tests/guests").join(component).with_extension("wasm");
    AppFolder::temporary("").put("versioned.wasm", &file)
}

fn start_empty() -> Host {
    Launch::for_deployments("tests").start()
}

/// Runs a command of the program against a host.
fn durance(host: &Host, arguments: &[&str]) -> Ended {
    let to = ["--to", host.url()];
    let arguments: Vec<_> = arguments.iter().chain(&to).map(OsStr::new).collect();
    // What else the test does goes on.
    tokio::task::block_in_place(|| run_program(&arguments))
}

#[track_caller]
fn deploy_with(host: &Host, app: &AppFolder, options: &[&str], code: i32) -> String {
    let folder = app.path().to_str().expect("a temporary folder has a simple name");
    let ended = durance(host, &[&["deploy", folder], options].concat());
    assert_eq!(ended.code, Some(code), "{}", ended.said);
    ended.said
}

#[track_caller]
fn deploy(host: &Host, app: &AppFolder) {
    let said = deploy_with(host, app, &[], 0);
    assert!(said.contains("is active."), "{said}");
}

/// The versions that the host keeps, the newest first.
fn versions(host: &Host) -> Vec<Value> {
    let ended = durance(host, &["apps", "list", "--json"]);
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    let mut list: Value = serde_json::from_str(&ended.said).expect("one JSON object");
    match list["versions"].take() {
        Value::Array(versions) => versions,
        other => panic!("{other}"),
    }
}

/// Asks `VersionServed`.
async fn version_served(client: &Client) -> String {
    client.get("/api/version").await.expect(200).text()
}

#[tokio::test(flavor = "multi_thread")]
async fn app_is_deployed_to_a_host_without_one_and_survives_a_crash() {
    let host = start_empty();
    let _missing = host.client().get("/api/version").await.expect(404);
    assert_eq!(versions(&host), Vec::<Value>::new());

    let app = app_with("pinned_v1");
    deploy(&host, &app);
    assert_eq!(version_served(&host.client()).await, "v1");
    let again = deploy_with(&host, &app, &[], 0);
    assert!(again.contains("was active already"), "{again}");
    let [only] = versions(&host).try_into().expect("one version");
    assert_eq!((&only["active"], &only["components"][0]["name"]), (&json!(true), &json!("versioned.wasm")));

    let host = host.crash().start();
    assert_eq!(version_served(&host.client()).await, "v1");
    assert_eq!(versions(&host)[0]["version"], only["version"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn folder_that_is_started_becomes_a_version() {
    let app = app_with("pinned_v1");
    let host = Launch::of(&app).start();
    let again = deploy_with(&host, &app, &[], 0);
    assert!(again.contains("was active already"), "{again}");
    deploy(&host, &app_with("pinned_v2"));
    assert_eq!(version_served(&host.client()).await, "v2");
    // Started again, it is the folder that is served.
    let host = host.stop().start();
    assert_eq!(version_served(&host.client()).await, "v1");
    assert_eq!(versions(&host).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn request_in_flight_ends_on_the_version_that_it_began_on() {
    let host = start_empty();
    deploy(&host, &app_with("pinned_v1"));
    let client = host.client();
    client.start("Versioned", "gate", &Value::Null).await;
    let waiting = {
        let client = client.clone();
        tokio::spawn(async move { client.get("/api/version?waitFor=gate").await.expect(200).text() })
    };
    // The next one is served while it waits.
    assert_eq!(version_served(&client).await, "v1");
    deploy(&host, &app_with("pinned_v2"));
    assert_eq!(version_served(&client).await, "v2");
    assert!(!waiting.is_finished());
    client.raise_event("gate", "go", &json!(1)).await;
    assert_eq!(waiting.await.expect("it does not panic"), "v1");
}

/// Asks for the version again and again until it is told to stop; gives the number of answers.
async fn keep_asking(client: Client, stop: Arc<AtomicBool>) -> usize {
    let mut answers = 0;
    while !stop.load(Ordering::SeqCst) {
        let version = version_served(&client).await;
        assert!(["v1", "v2"].contains(&version.as_str()), "{version}");
        answers += 1;
    }
    answers
}

/// Starts instances until it is told to stop; gives their ids.
async fn keep_starting(client: Client, prefix: usize, stop: Arc<AtomicBool>) -> Vec<String> {
    let mut started = Vec::new();
    while !stop.load(Ordering::SeqCst) {
        let id = format!("{prefix}-{}", started.len());
        client.start("VersionsSeen", &id, &Value::Null).await;
        started.push(id);
    }
    started
}

#[tokio::test(flavor = "multi_thread")]
async fn rolling_deployments_under_load_lose_nothing_and_mix_no_code() {
    let host = start_empty();
    let apps = [app_with("pinned_v1"), app_with("pinned_v2")];
    deploy(&host, &apps[0]);
    let stop = Arc::new(AtomicBool::new(false));
    let asking: Vec<_> =
        (0..4).map(|_| tokio::spawn(keep_asking(host.client(), Arc::clone(&stop)))).collect();
    let starting: Vec<_> =
        (0..2).map(|number| tokio::spawn(keep_starting(host.client(), number, Arc::clone(&stop)))).collect();
    for round in 1..10 {
        deploy(&host, &apps[round % 2]);
    }
    stop.store(true, Ordering::SeqCst);
    for task in asking {
        assert!(task.await.expect("every request was answered 200") > 0);
    }
    let mut ids = Vec::new();
    for task in starting {
        ids.extend(task.await.expect("every start was accepted"));
    }

    // Half of them find a host that was started again.
    let (before, after) = ids.split_at(ids.len() / 2);
    let mut seen = check_all(&host.client(), before).await;
    let host = host.crash().start();
    seen.extend(check_all(&host.client(), after).await);
    for version in ["v1", "v2"] {
        assert!(seen.iter().any(|seen| seen == version), "no instance of {version} among {}", seen.len());
    }
}

/// Lets instances end, and checks that each has seen one version only; gives these.
async fn check_all(client: &Client, ids: &[String]) -> Vec<String> {
    let mut versions = Vec::new();
    for id in ids {
        client.raise_event(id, "go", &json!(1)).await;
        let output = client.output(id).await;
        let seen: Vec<String> = serde_json::from_value(output).expect("a list of versions");
        let [code, before, after] = seen.as_slice() else { panic!("{seen:?}") };
        assert!(code == before && code == after, "{id} has seen {seen:?}");
        versions.push(code.clone());
    }
    versions
}

#[tokio::test(flavor = "multi_thread")]
async fn continue_as_new_takes_the_active_version_unless_told_otherwise() {
    let host = start_empty();
    deploy(&host, &app_with("pinned_v1"));
    let client = host.client();
    client.start("VersionAgain", "again", &json!([])).await;
    deploy(&host, &app_with("pinned_v2"));
    let first = client.status("again").await["executionId"].clone();
    client.raise_event("again", "keep", &json!(true)).await;
    client.wait_for("again", "continued as new", |status| status["executionId"] != first).await;
    client.raise_event("again", "keep", &json!(false)).await;
    assert_eq!(client.output("again").await, json!(["v1", "v1", "v2"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn schedules_follow_the_functions_that_are_deployed() {
    let host = start_empty();
    let timers = AppFolder::temporary("").guest("timers.wasm").sample("hello_sequence.wasm");
    deploy(&host, &timers);
    let client = host.client();
    let schedule = format!("{SCHEDULES}/EverySecond");
    let _there = client.get(&schedule).await.expect(200);
    eventually(
        || "the first tick",
        async || {
            let status = client.get("/runtime/webhooks/durabletask/instances/started-by-timer").await.status;
            (status != 404).then_some(())
        },
    )
    .await;
    deploy(&host, &app_with("pinned_v1"));
    let _gone = client.get(&schedule).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_are_rolled_back_activated_and_collected() {
    let host = start_empty();
    let none = durance(&host, &["apps", "rollback"]);
    assert_eq!(none.code, Some(4), "{}", none.said);
    let client = host.client();
    deploy(&host, &app_with("pinned_v1"));
    client.start("VersionsSeen", "pinned", &Value::Null).await;
    deploy(&host, &app_with("pinned_v2"));
    deploy(&host, &app_with("diverging"));
    let _gone = client.get("/api/version").await.expect(404);

    let rolled_back = durance(&host, &["apps", "rollback"]);
    assert_eq!(rolled_back.code, Some(0), "{}", rolled_back.said);
    assert_eq!(version_served(&client).await, "v2");
    let first = versions(&host).last().expect("three versions")["version"].clone();
    let first = first.as_str().expect("a text");
    // An instance needs it.
    let nothing = durance(&host, &["apps", "gc"]);
    assert!(nothing.said.contains("All versions are needed."), "{}", nothing.said);
    let activated = durance(&host, &["apps", "activate", &first[..10]]);
    assert_eq!(activated.code, Some(0), "{}", activated.said);
    assert_eq!(version_served(&client).await, "v1");

    // Neither active, nor before, nor pinned: `diverging`.
    let collected = durance(&host, &["apps", "gc", "--json"]);
    let collected: Value = serde_json::from_str(&collected.said).expect("one JSON object");
    assert_eq!(collected["versions"].as_array().map(Vec::len), Some(1), "{collected}");
    assert_eq!(versions(&host).len(), 2);
    let unknown = durance(&host, &["apps", "activate", "0000000000"]);
    assert_eq!(unknown.code, Some(3), "{}", unknown.said);
    client.raise_event("pinned", "go", &json!(1)).await;
    assert_eq!(client.output("pinned").await, json!(["v1", "v1", "v1"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn diverging_version_is_caught_by_the_gate_and_a_compatible_one_takes_over() {
    let host = start_empty();
    deploy(&host, &app_with("pinned_v1"));
    let client = host.client();
    for id in ["moved", "left"] {
        client.start("Versioned", id, &Value::Null).await;
    }
    client.start("VersionsSeen", "seen", &Value::Null).await;
    client.wait_for("seen", "is running", |status| status["runtimeStatus"] == "Running").await;
    client.raise_event("left", "go", &json!(1)).await;
    assert_eq!(client.output("left").await, "v1");

    let diverging = app_with("diverging");
    let parts = [
        "Versioned: 0 of 1 live instances",
        "first difference: 'moved', event 1",
        "'Prepare'",
        "VersionsSeen: 0 of 1",
        "this version does not have it",
    ];
    let said = deploy_with(&host, &diverging, &["--check"], 1);
    for part in parts {
        assert!(said.contains(part), "{part}: {said}");
    }
    let refused = deploy_with(&host, &diverging, &["--require-compatible"], 4);
    assert!(refused.contains("nothing has changed"), "{refused}");
    assert_eq!(version_served(&client).await, "v1");
    assert_eq!(versions(&host).len(), 1);

    let said =
        deploy_with(&host, &app_with("pinned_v2"), &["--migrate", "compatible", "--require-compatible"], 0);
    assert!(said.contains("Versioned: 1 of 1 live instances can go on with it, 1 were moved"), "{said}");
    let host = host.crash().start();
    let client = host.client();
    for id in ["moved", "seen"] {
        client.raise_event(id, "go", &json!(1)).await;
    }
    assert_eq!(client.output("moved").await, "v2");
    // The activity before the move was one of the first version; the code and the one after it are of the second.
    assert_eq!(client.output("seen").await, json!(["v2", "v1", "v2"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn hot_instance_that_is_moved_goes_on_with_the_new_code() {
    let host = start_empty();
    deploy(&host, &app_with("pinned_v1"));
    let client = host.client();
    client.start("Versioned", "hot", &Value::Null).await;
    deploy_with(&host, &app_with("pinned_v2"), &["--migrate", "compatible"], 0);
    client.raise_event("hot", "go", &json!(1)).await;
    assert_eq!(client.output("hot").await, "v2");
}

#[tokio::test(flavor = "multi_thread")]
async fn app_that_cannot_be_served_changes_nothing() {
    let host = start_empty();
    deploy(&host, &app_with("pinned_v1"));
    let samples = components_in("functions");
    let named =
        |manifest: &str| AppFolder::with_manifest(manifest).put("a.wasm", &samples.join("hello.wasm"));
    let table = [
        (
            named("name = \"other\"\ncomponents = [\"*.wasm\"]\n"),
            4,
            "the app is named 'other', but this host serves 'tests'",
        ),
        (
            named("name = \"tests\"\ncomponents = [\"*.wasm\"]\n[host]\nroute_prefix = \"admin\"\n"),
            2,
            "admin",
        ),
        (app_with("pinned_v2").guest("pinned_v1.wasm"), 2, "two functions are named"),
        (AppFolder::temporary("").write("a.wasm", b"\0asm\x01\0\0\0"), 2, "a.wasm: it is a core module"),
        (AppFolder::temporary(""), 2, "nothing matches '*.wasm'"),
        (named("name = \"tests\"\ncomponents = [\"*.wasm\"]\nport = 1\n"), 2, "unknown field `port`"),
    ];
    for (app, code, why) in table {
        let said = deploy_with(&host, &app, &[], code);
        assert!(said.contains(why), "{why}: {said}");
        assert_eq!(version_served(&host.client()).await, "v1");
        assert_eq!(versions(&host).len(), 1);
    }
}
