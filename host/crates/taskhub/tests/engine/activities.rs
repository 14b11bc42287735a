//! Activities that are cancelled, and activities that say that they are at work.

use crate::support::{App, Context, Hub, Result, instance, json, retries};
use durance_durable::{ActivityOptions, Json, RuntimeStatus, TaskFailureDetails, TaskId};
use durance_store::MemoryStore;
use durance_taskhub::{ActivityCall, TaskHubSettings};
use parking_lot::Mutex;
use std::{sync::Arc, time::Duration};
use tokio::sync::mpsc;

const SOON: Duration = Duration::from_millis(20);
const LONG: Duration = Duration::from_secs(3600);

async fn eventually(is_so: impl Fn() -> bool) {
    let looking = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), looking).await.unwrap();
}

/// What activities say of their ends.
type Ends = mpsc::UnboundedSender<&'static str>;

/// Says `stopped` when it is dropped, unless it said something else before.
struct Watched(Ends, Option<&'static str>);

impl Drop for Watched {
    fn drop(&mut self) {
        let _nobody_listens = self.0.send(self.1.unwrap_or("stopped"));
    }
}

/// Ends as soon as it is told that it was cancelled.
async fn obedient(call: ActivityCall, ends: Ends) -> Result<Json> {
    let mut watched = Watched(ends, None);
    while !call.control.is_cancelled() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    watched.1 = Some("told");
    Ok(Json::null())
}

async fn deaf(_call: ActivityCall, ends: Ends) -> Result<Json> {
    let _watched = Watched(ends, None);
    std::future::pending().await
}

/// Calls the activity that its input names, and gives up on it in the way that `give_up` says.
fn app(ends: &Ends) -> App {
    let calls = |context: &Context| -> Result<TaskId> {
        let name: String = serde_json::from_str(context.input().as_str()).unwrap();
        context.schedule(&name, "1")
    };
    let (first, second) = (ends.clone(), ends.clone());
    App::default()
        .activity("Obedient", move |call| obedient(call, first.clone()))
        .activity("Deaf", move |call| deaf(call, second.clone()))
        .orchestrator("Cancels", move |context| async move {
            let (task, timer) = (calls(&context)?, context.timer(SOON)?);
            context.first(&[task, timer]).await?;
            context.cancel(task)?;
            context.result(context.event("go")?).await
        })
        .orchestrator("Returns", move |context| async move {
            let (_task, timer) = (calls(&context)?, context.timer(SOON)?);
            context.result(timer).await
        })
        .orchestrator("Waits", move |context| async move { context.result(calls(&context)?).await })
}

fn settings(grace: Duration) -> TaskHubSettings {
    TaskHubSettings { activity_grace: grace, ..TaskHubSettings::default() }
}

/// Runs `orchestrator` with each kind of activity; gives how the activities ended.
async fn ends_of(orchestrator: &str, status: RuntimeStatus) {
    for (activity, grace, end) in [("Obedient", LONG, "told"), ("Deaf", SOON, "stopped")] {
        let (ends, mut ended) = mpsc::unbounded_channel();
        let store = Arc::new(MemoryStore::new(16));
        let hub = Hub::open_on(store, app(&ends), &settings(grace));
        hub.start(orchestrator, "i", &format!("{activity:?}")).await;
        if status == RuntimeStatus::Terminated {
            hub.client.terminate(&instance("i"), "enough").await.unwrap();
        }
        if status == RuntimeStatus::Completed {
            assert_eq!(hub.finished("i").await.runtime_status, status);
        }
        let said = tokio::time::timeout(Duration::from_secs(20), ended.recv()).await;
        assert_eq!(said, Ok(Some(end)), "{activity}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_activity_is_told_and_stopped_after_its_grace() {
    ends_of("Cancels", RuntimeStatus::Running).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orchestration_that_returns_does_not_wait_for_its_activities_and_they_are_told() {
    ends_of("Returns", RuntimeStatus::Completed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_activities_of_a_terminated_orchestration_are_told() {
    ends_of("Waits", RuntimeStatus::Terminated).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_activity_that_is_cancelled_between_its_attempts_is_not_tried_again() {
    let attempts = Arc::new(Mutex::new(0));
    let count = Arc::clone(&attempts);
    let app = App::default()
        .activity("Fails", move |_| {
            *count.lock() += 1;
            async { Err(TaskFailureDetails::new("Busy", "later")) }
        })
        .orchestrator("Cancels", |context| async move {
            let mut policy = retries(9);
            policy.first_retry_interval = SOON;
            let options = ActivityOptions { retry: Some(policy), ..ActivityOptions::default() };
            let task = context.schedule_with("Fails", "1", options)?;
            context.result(context.event("failed")?).await?;
            context.cancel(task)?;
            context.result(context.timer(5 * SOON)?).await
        });
    let hub = Hub::open(app);
    hub.start("Cancels", "c", "null").await;
    eventually(|| *attempts.lock() > 0).await;
    hub.raise("c", "failed", "1").await;
    assert_eq!(hub.output("c").await, "null");
    assert!(*attempts.lock() <= 2, "{attempts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_activity_that_is_silent_for_too_long_fails_and_the_next_attempt_knows_how_far_it_came() {
    let app = App::default()
        .activity("Counts", |call| async move {
            if call.attempt == 2 {
                return Ok(call.control.last_heartbeat().unwrap_or_else(Json::null));
            }
            for step in 1..=5 {
                call.control.heartbeat(Json::of(&step));
                // Each sign of life counts: together they take longer than the time-out.
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
            std::future::pending().await
        })
        .orchestrator("Calls", |context| async move {
            let attempts = context.input().as_str().parse().unwrap();
            let options = ActivityOptions {
                retry: Some(retries(attempts)),
                heartbeat_timeout: Some(Duration::from_millis(100)),
                ..ActivityOptions::default()
            };
            context.result(context.schedule_with("Counts", "1", options)?).await
        });
    let hub = Hub::open(app);
    hub.start("Calls", "twice", "2").await;
    assert_eq!(hub.output("twice").await, "5");
    hub.start("Calls", "once", "1").await;
    assert_eq!(hub.failure("once").await.error_type, "HeartbeatTimeout");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_heartbeat_outlives_the_host() {
    let (ends, mut ended) = mpsc::unbounded_channel();
    async fn count(call: ActivityCall, is_second: bool, ends: Ends) -> Result<Json> {
        if is_second {
            return Ok(call.control.last_heartbeat().unwrap_or_else(Json::null));
        }
        call.control.heartbeat(json("[1,2]"));
        let _watched = Watched(ends, Some("beat"));
        std::future::pending().await
    }
    let app = |is_second: bool, ends: Ends| {
        App::default().activity("Counts", move |call| count(call, is_second, ends.clone())).orchestrator(
            "Calls",
            |context| async move { context.result(context.schedule("Counts", "1")?).await },
        )
    };
    let hub = Hub::open(app(false, ends.clone()));
    hub.start("Calls", "c", "null").await;
    let heartbeat = || {
        let open = hub.store.recover(instance("c").partition(16)).unwrap();
        open.into_iter().find_map(|open| match open {
            durance_store::Recovered::Activity(open) => open.heartbeat,
            _ => None,
        })
    };
    eventually(|| heartbeat().is_some()).await;
    let hub = hub.reopen(app(true, ends)).await;
    assert_eq!(ended.recv().await, Some("beat"));
    assert_eq!(hub.output("c").await, "[1,2]");
}
