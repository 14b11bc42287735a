//! What is measured, on a host of its own.

use crate::{
    disk,
    load::{Target, closed_loop},
};
use durance_tests::{AppFolder, Host, Launch, MANAGEMENT, run_program};
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Requests before a measurement: the host's pools and the CPU's caches are filled.
const WARM_UP: Duration = Duration::from_secs(1);

/// How long requests are made one after the other.
const ALONE: Duration = Duration::from_secs(3);

fn start() -> Host {
    Launch::of(&AppFolder::samples()).start()
}

pub(crate) async fn hello(connections: usize, duration: Duration) -> String {
    let host = start();
    url(&format!("{}/api/hello/World", host.url()), None, connections, duration).await
}

pub(crate) async fn sequence(connections: usize, duration: Duration) -> String {
    let host = start();
    let load = url(&sequence_url(&host), Some("null"), connections, duration).await;
    format!("{load}; resident {} MiB", resident_mib(&host))
}

/// Starts under a new id, and answers with the output.
fn sequence_url(host: &Host) -> String {
    format!("{}{MANAGEMENT}/orchestrators/HelloSequence/s{{id}}?timeout=60&pollingInterval=1", host.url())
}

pub(crate) async fn url(url: &str, body: Option<&str>, connections: usize, duration: Duration) -> String {
    // Other ids than those of the measurement.
    closed_loop(&Target::new(&url.replace("{id}", "warm-up-{id}"), body), connections, WARM_UP).await;
    closed_loop(&Target::new(url, body), connections, duration).await.to_string()
}

pub(crate) async fn latency() -> String {
    let host = start();
    let sync = disk::data_sync(host.launch().data());
    let start_url = format!("{}/api/orchestrators/WaitForApproval/a{{id}}", host.url());
    let single = alone(&start_url, r#"{"timeoutSeconds":3600}"#).await;
    let sequence = alone(&sequence_url(&host), "null").await;
    let sync_after = disk::data_sync(host.launch().data());
    format!(
        "data sync {sync:?} before and {sync_after:?} after; HttpStartSingle p50 {single:?}; HelloSequence p50 {sequence:?}"
    )
}

/// The median time of a request that is alone.
async fn alone(url: &str, body: &str) -> Duration {
    closed_loop(&Target::new(&url.replace("{id}", "warm-up-{id}"), Some(body)), 1, WARM_UP).await;
    closed_loop(&Target::new(url, Some(body)), 1, ALONE).await.percentile(50)
}

pub(crate) async fn waiting(instances: usize) -> String {
    let host = start();
    let client = host.client();
    let idle = resident_mib(&host);
    stream::iter(0..instances)
        .for_each_concurrent(64, |n| {
            let client = client.clone();
            async move {
                let path = format!("/api/orchestrators/WaitForApproval/w{n}");
                let reply = client.post(&path, r#"{"timeoutSeconds":86400}"#).await;
                assert_eq!(reply.status, 202, "{}", reply.text());
            }
        })
        .await;
    format!("resident {idle} MiB idle, {} MiB with {instances} instances waiting", resident_mib(&host))
}

pub(crate) async fn gate() -> String {
    let host = start();
    let client = host.client();
    let ids = |prefix: &'static str, count: usize| (0..count).map(move |number| format!("{prefix}{number}"));
    for id in ids("w", 1_000) {
        client.start("WaitForApproval", &id, &json!({ "timeoutSeconds": 86_400 })).await;
    }
    for id in ids("f", 100) {
        client.start("FanOutFanIn", &id, &json!({ "count": 1_000 })).await;
    }
    for id in ids("f", 100) {
        client.output(&id).await;
    }
    let app = AppFolder::samples();
    let check = [
        "deploy".as_ref(),
        app.path().as_os_str(),
        "--check".as_ref(),
        "--json".as_ref(),
        "--to".as_ref(),
        host.url().as_ref(),
    ];
    let ended = run_program(&check);
    let report: Value =
        serde_json::from_str(&ended.said).unwrap_or_else(|error| panic!("{error}: {}", ended.said));
    let (events, seconds) = (&report["gate"]["events"], &report["gate"]["elapsedSeconds"]);
    let (events, seconds) = (events.as_f64().expect("a number"), seconds.as_f64().expect("a number"));
    format!("{events} events in {seconds:.2} s: {:.0} a second", events / seconds)
}

pub(crate) async fn startup() -> String {
    // The first start compiles the functions.
    let launch = start().stop();
    let begun = Instant::now();
    let host = launch.start();
    let listening = begun.elapsed();
    let reply = host.client().get("/api/hello/World").await;
    let answered = begun.elapsed();
    assert_eq!(reply.status, 200);
    format!("listening after {listening:?}, first request answered after {answered:?}")
}

fn resident_mib(host: &Host) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", host.pid())).expect("the host runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux says so");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") / 1024
}
