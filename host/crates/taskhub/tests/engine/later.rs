//! Runs that begin later: at a time, or behind another run.

use crate::support::{App, Context, Hub, Result, instance, json};
use durance_durable::{IfExists, Json, RuntimeStatus, StartDetails, Timestamp};
use durance_store::MemoryStore;
use durance_taskhub::{Clock as _, SimulatedClock, StartAnswer, StartOptions, StatusOptions, SystemClock};
use std::{sync::Arc, time::Duration};

const START: Timestamp = Timestamp::from_nanos(1_800_000_000_000_000_000);
const HOUR: Duration = Duration::from_secs(3600);

/// Waits for the event `go`, and gives its data and the time.
async fn waits(context: Context) -> Result<Json> {
    let data = context.result(context.event("go")?).await?;
    Ok(Json::of(&(data.to_string(), context.now().saturating_since(START).as_secs())))
}

fn app() -> App {
    App::default().orchestrator("Waits", waits)
}

async fn start_at(hub: &Hub, id: &str, time: Timestamp) {
    let details = StartDetails { scheduled_start: Some(time), ..StartDetails::default() };
    let options = StartOptions { instance: Some(instance(id)), details, ..StartOptions::default() };
    let started = hub.client.start_new("Waits", Json::null(), options).await.unwrap();
    assert!(matches!(started, StartAnswer::Started(holder) if holder.status == RuntimeStatus::Pending));
}

fn status(hub: &Hub, id: &str) -> RuntimeStatus {
    let snapshot = hub.client.get_status(&instance(id), StatusOptions::default()).unwrap();
    snapshot.status.unwrap().runtime_status
}

#[tokio::test]
async fn scheduled_start_begins_at_its_time_with_what_came_before() {
    let clock = Arc::new(SimulatedClock::new(START, 7));
    let hub = Hub::open_at(Arc::new(MemoryStore::new(16)), app(), Arc::<SimulatedClock>::clone(&clock));
    let work = async {
        start_at(&hub, "late", START.saturating_add(HOUR)).await;
        hub.raise("late", "go", "1").await;
        start_at(&hub, "ended", START.saturating_add(HOUR)).await;
        hub.client.terminate(&instance("ended"), "not needed").await.unwrap();
        hub.finished("ended").await;
        assert_eq!(
            (status(&hub, "late"), status(&hub, "ended")),
            (RuntimeStatus::Pending, RuntimeStatus::Terminated)
        );
        hub.client.wait_for_completion(&instance("late"), 2 * HOUR).await.unwrap()
    };
    let late = hub.hub.drive(&clock, 3 * HOUR, work).await.expect("it ends in time");
    assert_eq!(late.output, Some(json(r#"["1",3600]"#)));
}

#[tokio::test(flavor = "multi_thread")]
async fn scheduled_start_survives_the_end_of_the_host() {
    let hub = Hub::open(app());
    let soon = SystemClock.now().saturating_add(Duration::from_millis(500));
    start_at(&hub, "late", soon).await;
    start_at(&hub, "later", soon.saturating_add(HOUR)).await;
    let hub = hub.reopen(app()).await;
    hub.raise("late", "go", "1").await;
    hub.raise("later", "go", "1").await;
    assert_eq!(hub.finished("late").await.runtime_status, RuntimeStatus::Completed);
    assert_eq!(status(&hub, "later"), RuntimeStatus::Pending);
}

#[tokio::test(flavor = "multi_thread")]
async fn queued_run_begins_when_the_one_before_is_over() {
    let hub = Hub::open(app());
    let start = || {
        let options = StartOptions {
            instance: Some(instance("q")),
            if_exists: IfExists::Queue,
            ..StartOptions::default()
        };
        hub.client.start_new("Waits", Json::null(), options)
    };
    assert!(matches!(start().await, Ok(StartAnswer::Started(_))));
    for place in 1..=2 {
        let StartAnswer::Queued(queued) = start().await.unwrap() else { panic!() };
        assert_eq!((queued.position, queued.holder.generation), (place, 1));
    }
    assert_eq!(
        hub.client.drop_queue(&instance("none")).await.unwrap_err().to_string(),
        "there is no instance with ID 'none'"
    );
    for generation in 1..=3 {
        let run = hub.client.get_status(&instance("q"), StatusOptions::default()).unwrap().status.unwrap();
        assert_eq!((run.generation, run.queued), (generation, 3 - u32::try_from(generation).unwrap()));
        hub.raise("q", "go", &generation.to_string()).await;
        // A run may first become `Running` and only then make way for the next one.
        let mut seen = run;
        while seen.generation == generation && seen.runtime_status != RuntimeStatus::Completed {
            let change =
                hub.client.wait_for_change(&instance("q"), &seen, Duration::from_secs(60)).await.unwrap();
            assert!(change.has_changed(&seen), "the run that was told to go on goes on");
            seen = change;
        }
    }
    assert_eq!(hub.finished("q").await.generation, 3);
}
