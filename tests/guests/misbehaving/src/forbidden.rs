//! Orchestrators that try what only activities may do, or read what must be the same at every replay.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::TcpStream;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use durance_sdk::http;
use durance_sdk::prelude::*;
use serde::Serialize;

#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Observation {
    system_time_ns: String,
    instant: String,
    hash: String,
    guid: String,
}

impl Observation {
    fn now() -> Result<Self> {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH)?;
        Ok(Self {
            system_time_ns: since_epoch.as_nanos().to_string(),
            instant: format!("{:?}", Instant::now()),
            hash: RandomState::new().hash_one("durance").to_string(),
            guid: uuid::Uuid::new_v4().to_string(),
        })
    }
}

/// Reads clocks and random numbers before and after an event `go`, gives each to an activity, and answers all.
#[orchestrator(name = "ReadClocksAndRandom")]
async fn read_clocks_and_random(ctx: OrchestrationContext) -> Result<Value> {
    let before = Observation::now()?;
    let echoed_before = ctx.call_activity::<Value>("Echo", &before).await?;
    ctx.wait_for_external_event::<Value>("go").await?;
    let after = Observation::now()?;
    let echoed_after = ctx.call_activity::<Value>("Echo", &after).await?;
    Ok(json!({
        "before": before,
        "after": after,
        "echoedBefore": echoed_before,
        "echoedAfter": echoed_after,
    }))
}

#[orchestrator(name = "SleepThread")]
async fn sleep_thread(_ctx: OrchestrationContext) -> &'static str {
    std::thread::sleep(Duration::from_millis(10));
    "slept"
}

#[orchestrator(name = "OpenFile")]
async fn open_file(_ctx: OrchestrationContext) -> Result<String> {
    Ok(std::fs::read_to_string("/etc/hostname")?)
}

#[orchestrator(name = "ConnectTcp")]
async fn connect_tcp(_ctx: OrchestrationContext) -> Result<&'static str> {
    TcpStream::connect("127.0.0.1:9")?;
    Ok("connected")
}

#[orchestrator(name = "SendHttp")]
async fn send_http(_ctx: OrchestrationContext) -> Result<u16> {
    Ok(http::send(Request::new("GET", "http://127.0.0.1:9/"))?.status())
}

#[orchestrator(name = "UseClient")]
async fn use_client(ctx: OrchestrationContext) -> Result<u64> {
    let client = OrchestrationClient::new();
    Ok(client.get_status(&ctx.instance_id())?.token)
}

/// What an orchestrator sees of the process: nothing.
#[orchestrator(name = "ReadEnvironment")]
async fn read_environment(_ctx: OrchestrationContext) -> Value {
    let arguments: Vec<String> = std::env::args().collect();
    let variables: Vec<(String, String)> = std::env::vars().collect();
    json!({ "arguments": arguments, "variables": variables })
}
