//! The functions that are run: each leaves a trace of what must hold.

use crate::{
    logs,
    support::{App, Context, Result, faulty_store::FaultyStore},
};
use durance_durable::{
    ActivityOptions, ExecutionId, HistoryEvent, Json, RetryPolicy, TaskFailureDetails, TaskId,
};
use durance_store::TaskHubView as _;
use durance_taskhub::{ActivityCall, Clock as _, SimulatedClock};
use parking_lot::Mutex;
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

pub(crate) const MINUTE: Duration = Duration::from_secs(60);

/// How many items an execution of `Collect` takes before it continues as new.
const ITEMS_OF_AN_EXECUTION: usize = 3;

/// The item that ends `Collect`.
pub(crate) const LAST_ITEM: i64 = -1;

pub(crate) const ORCHESTRATORS: [&str; 8] =
    ["Work", "Collect", "Parent", "Race", "Relay", "Section", "Fragile", "FragileParent"];

/// So often does `Break` fail: a run of `Fragile` completes when it is rewound as often.
const BREAKS: usize = 2;

/// What activities have done.
pub(crate) type Done = Arc<Mutex<Deeds>>;

#[derive(Debug, Default)]
pub(crate) struct Deeds {
    /// What has ended well.
    pub(crate) results: HashSet<(ExecutionId, TaskId)>,
    /// How often what is broken was tried.
    breaks: HashMap<(ExecutionId, TaskId), usize>,
}

/// What a finished run of each orchestrator has as output; none if it depends on what was sent.
pub(crate) fn expected_output(orchestrator: &str) -> Option<&'static str> {
    match orchestrator {
        "Work" => Some("[0,2,4,6]"),
        "Parent" => Some("[[0,2,4,6],[0,2,4,6]]"),
        "Relay" => Some("[1,2,3,4]"),
        "Fragile" => Some("[14,\"done\"]"),
        "FragileParent" => Some("[[14,\"done\"],0]"),
        _ => None,
    }
}

pub(crate) fn app(store: &Arc<FaultyStore>, clock: &Arc<SimulatedClock>, done: &Done) -> App {
    let (store, clock, done) = (Arc::clone(store), Arc::clone(clock), Arc::clone(done));
    let broken = Arc::clone(&done);
    App::default()
        .orchestrator("Work", work)
        .orchestrator("Collect", collect)
        .orchestrator("Parent", parent)
        .orchestrator("Race", race)
        .orchestrator("Relay", relay)
        .orchestrator("Gather", gather)
        .orchestrator("Section", logs::section)
        .orchestrator("Fragile", fragile)
        .orchestrator("FragileParent", fragile_parent)
        .entity(logs::LOG, logs::log)
        .activity("Break", move |call| {
            let result = fail_at_first(&broken, &call);
            async move { result }
        })
        .activity("Double", move |call| {
            check_is_durable(&store, &call);
            let (clock, done) = (Arc::clone(&clock), Arc::clone(&done));
            async move {
                clock.sleep_until(clock.now().saturating_add(MINUTE * (call.call.task.0 % 3))).await;
                if call.attempt == 1 && call.call.task.0.is_multiple_of(2) {
                    return Err(TaskFailureDetails::new("Flaky", "not at the first attempt"));
                }
                done.lock().results.insert((call.execution, call.call.task));
                let number: i64 = serde_json::from_str(call.call.input.as_str()).unwrap();
                Ok(Json::of(&(number * 2)))
            }
        })
}

/// Fails at first.
fn fail_at_first(done: &Done, call: &ActivityCall) -> Result<Json> {
    let mut done = done.lock();
    let breaks = done.breaks.entry((call.execution, call.call.task)).or_default();
    *breaks += 1;
    if *breaks <= BREAKS {
        return Err(TaskFailureDetails::new("Broken", "it is broken"));
    }
    done.results.insert((call.execution, call.call.task));
    Ok(Json::of(&"done"))
}

/// Nothing leaves a turn before its commit: an activity that runs is in the stored history.
fn check_is_durable(store: &FaultyStore, call: &ActivityCall) {
    let history = store.history(call.execution).unwrap();
    let scheduled = HistoryEvent::TaskScheduled(call.call.clone());
    // A run that was replaced and dropped has no history any more.
    assert!(
        history.is_empty() || history.iter().any(|turn| turn.events.contains(&scheduled)),
        "an activity runs that is not durable: {call:?}"
    );
}

fn retry() -> RetryPolicy {
    RetryPolicy {
        first_retry_interval: MINUTE,
        max_attempts: 3,
        backoff_coefficient: 2.0,
        max_retry_interval: None,
        retry_timeout: None,
        jitter: 0.0,
        handle: Vec::new(),
    }
}

async fn work(context: Context) -> Result<Json> {
    let retry = retry();
    let mut results = Vec::new();
    for number in 0..4 {
        if number % 2 == 1 {
            context.result(context.timer(20 * MINUTE)?).await?;
        }
        let options = ActivityOptions { retry: Some(retry.clone()), ..ActivityOptions::default() };
        let call = context.schedule_with("Double", &number.to_string(), options)?;
        results.push(context.result(call).await?);
    }
    Ok(array(&results))
}

async fn collect(context: Context) -> Result<Json> {
    let mut items: Vec<i64> = serde_json::from_str(context.input().as_str()).unwrap_or_default();
    for _ in 0..ITEMS_OF_AN_EXECUTION {
        let item = context.result(context.event("item")?).await?;
        let item: i64 = serde_json::from_str(item.as_str()).unwrap();
        if item == LAST_ITEM {
            return Ok(Json::of(&items));
        }
        items.push(item);
    }
    context.continue_as_new(Json::of(&items).as_str());
    Ok(Json::null())
}

async fn parent(context: Context) -> Result<Json> {
    let children = [context.child("Work", None, "null")?, context.child("Work", None, "null")?];
    let mut results = Vec::new();
    for child in children {
        results.push(context.result(child).await?);
    }
    Ok(array(&results))
}

async fn race(context: Context) -> Result<Json> {
    let (event, timer) = (context.event("item")?, context.timer(60 * MINUTE)?);
    let first = context.first(&[event, timer]).await?;
    context.cancel(if first == event { timer } else { event })?;
    context.result(first).await
}

/// Starts another orchestration, sends it numbers, and gets them back.
async fn relay(context: Context) -> Result<Json> {
    let me = identity(&context);
    let back = context.event(&format!("back {}", me.1))?;
    let other = context.start("Gather", None, Json::of(&me).as_str())?;
    for numbers in [1..=2, 3..=4] {
        for number in numbers {
            context.send(other.as_str(), "Number", &number.to_string())?;
        }
        context.result(context.timer(MINUTE)?).await?;
    }
    context.result(back).await
}

async fn gather(context: Context) -> Result<Json> {
    let (instance, execution): (String, String) = serde_json::from_str(context.input().as_str()).unwrap();
    let mut numbers = Vec::new();
    for _ in 1..=4 {
        numbers.push(context.result(context.event("number")?).await?);
    }
    context.send(&instance, &format!("BACK {execution}"), array(&numbers).as_str())?;
    Ok(array(&numbers))
}

/// Fails when one of its activities does.
async fn fragile(context: Context) -> Result<Json> {
    let retry = RetryPolicy { max_attempts: 2, ..retry() };
    let options = ActivityOptions { retry: Some(retry), ..ActivityOptions::default() };
    let doubled = context.result(context.schedule_with("Double", "7", options)?).await?;
    let done = context.result(context.schedule("Break", "null")?).await?;
    Ok(array(&[doubled, done]))
}

/// Fails when its child does.
async fn fragile_parent(context: Context) -> Result<Json> {
    let (child, timer) = (context.child("Fragile", None, "null")?, context.timer(MINUTE)?);
    let of_child = context.result(child).await?;
    context.result(timer).await?;
    Ok(array(&[of_child, Json::of(&0)]))
}

fn identity(context: &Context) -> (String, String) {
    let state = context.0.lock();
    (state.instance().to_string(), state.execution().to_string())
}

fn array(values: &[Json]) -> Json {
    let texts: Vec<_> = values.iter().map(Json::as_str).collect();
    Json::parse(format!("[{}]", texts.join(","))).unwrap()
}
