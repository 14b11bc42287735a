//! Long orchestrations on a clock that moves when nothing else does.

use crate::support::{App, Hub, Result, instance};
use durance_durable::{ActivityOptions, Json, RetryPolicy, RuntimeStatus, TaskFailureDetails, Timestamp};
use durance_store::MemoryStore;
use durance_taskhub::{SimulatedClock, StatusOptions};
use std::{sync::Arc, time::Duration};

const START: Timestamp = Timestamp::from_nanos(1_800_000_000_000_000_000);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

fn open(app: App) -> (Hub, Arc<SimulatedClock>) {
    let clock = Arc::new(SimulatedClock::new(START, 7));
    (Hub::open_at(Arc::new(MemoryStore::new(16)), app, Arc::<SimulatedClock>::clone(&clock)), clock)
}

/// When each turn of an instance was, from the start.
fn turn_times(hub: &Hub, id: &str) -> Vec<Duration> {
    let options = StatusOptions { show_history: true, ..StatusOptions::default() };
    let status = hub.client.get_status(&instance(id), options).unwrap().status.unwrap();
    let turns = status.history.unwrap();
    turns.iter().map(|turn| turn.time.saturating_since(START)).collect()
}

/// Starts an instance and lets time go on until it is over.
async fn run(hub: &Hub, clock: &SimulatedClock, orchestrator: &str, patience: Duration) -> Json {
    let work = async {
        hub.start(orchestrator, "i", "null").await;
        hub.client.wait_for_completion(&instance("i"), patience).await.unwrap()
    };
    let status = hub.hub.drive(clock, patience, work).await.expect("it ends in time");
    assert_eq!(status.runtime_status, RuntimeStatus::Completed, "{status:?}");
    status.output.unwrap()
}

#[tokio::test]
async fn orchestration_of_thirty_days_runs_at_once_with_every_turn_at_its_time() {
    let app = App::default()
        .orchestrator("Monthly", |context| async move {
            for _ in 0..30 {
                context.result(context.timer(DAY)?).await?;
                context.result(context.schedule("Check", "null")?).await?;
            }
            Ok(Json::of("a month"))
        })
        .activity("Check", |_| async { Ok(Json::null()) });
    let (hub, clock) = open(app);
    assert_eq!(run(&hub, &clock, "Monthly", 31 * DAY).await, Json::of("a month"));
    let times = turn_times(&hub, "i");
    // One turn for the start, then one for each timer and one for each activity.
    let expected = (0..=30).flat_map(|day| [DAY * day, DAY * day]).skip(1);
    assert_eq!(times, expected.collect::<Vec<_>>());
}

#[tokio::test]
async fn timers_fire_one_by_one_each_at_its_time() {
    let app = App::default().orchestrator("Timers", |context| async move {
        let timers: Result<Vec<_>> = [3, 1, 2].into_iter().map(|hours| context.timer(HOUR * hours)).collect();
        for timer in timers? {
            context.result(timer).await?;
        }
        Ok(Json::null())
    });
    let (hub, clock) = open(app);
    run(&hub, &clock, "Timers", DAY).await;
    assert_eq!(turn_times(&hub, "i"), [0, 1, 2, 3].map(|hours| HOUR * hours));
}

#[tokio::test]
async fn retries_back_off_in_the_time_of_the_clock() {
    let retry = RetryPolicy {
        first_retry_interval: HOUR,
        max_attempts: 4,
        backoff_coefficient: 2.0,
        max_retry_interval: Some(DAY),
        retry_timeout: None,
        jitter: 0.0,
        handle: Vec::new(),
    };
    let options = ActivityOptions { retry: Some(retry), ..ActivityOptions::default() };
    let app = App::default()
        .orchestrator("Retries", move |context| {
            let options = options.clone();
            async move { context.result(context.schedule_with("Flaky", "null", options)?).await }
        })
        .activity("Flaky", |call| async move {
            if call.attempt < 4 { Err(TaskFailureDetails::new("Flaky", "not yet")) } else { Ok(Json::null()) }
        });
    let (hub, clock) = open(app);
    run(&hub, &clock, "Retries", DAY).await;
    assert_eq!(turn_times(&hub, "i"), [0, 7].map(|hours| HOUR * hours));
}

#[tokio::test]
async fn driving_ends_without_an_answer_when_nothing_happens_in_time() {
    let app = App::default()
        .orchestrator("Waits", |context| async move { context.result(context.event("go")?).await });
    let (hub, clock) = open(app);
    let work = async {
        hub.start("Waits", "i", "null").await;
        hub.client.wait_for_completion(&instance("i"), 2 * DAY).await.unwrap();
    };
    assert_eq!(hub.hub.drive(&clock, DAY, work).await, None);
    assert_eq!(turn_times(&hub, "i"), [Duration::ZERO]);
}
