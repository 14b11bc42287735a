//! Finished runs are purged when their time is over.

use crate::support::{App, Hub, instance, json};
use durance_durable::{RetentionPolicy, Timestamp};
use durance_store::MemoryStore;
use durance_taskhub::{SimulatedClock, StartOptions, StatusOptions, TaskHubSettings};
use std::{sync::Arc, time::Duration};

const HOUR: Duration = Duration::from_hours(1);

fn exists(hub: &Hub, id: &str) -> bool {
    hub.client.get_status(&instance(id), StatusOptions::default()).unwrap().status.is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_are_purged_after_the_time_of_the_hub_or_of_their_start() {
    let app = App::default().orchestrator("Echo", |context| async move { Ok(context.input()) });
    let retention = RetentionPolicy { completed: Some(HOUR), ..RetentionPolicy::default() };
    let settings = TaskHubSettings { retention, ..TaskHubSettings::default() };
    let clock = Arc::new(SimulatedClock::new(Timestamp::from_nanos(1_000_000_000_000), 1));
    let store = Arc::new(MemoryStore::new(16));
    let hub = Hub::open_with(store, app, Arc::<SimulatedClock>::clone(&clock), &settings);
    for (id, own) in [("hub", None), ("short", Some(HOUR / 2)), ("long", Some(HOUR * 100))] {
        let options =
            StartOptions { instance: Some(instance(id)), retention: own, ..StartOptions::default() };
        hub.client.start_new("Echo", json("1"), options).await.unwrap();
        assert_eq!(hub.output(id).await, "1");
    }
    for (expected, time) in [(["hub", "long"].as_slice(), HOUR / 2), (&["long"], HOUR / 2)] {
        clock.advance(time);
        let purging = async {
            while ["hub", "short", "long"].iter().filter(|id| exists(&hub, id)).count() > expected.len() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), purging).await.expect("they are purged");
        assert!(expected.iter().all(|id| exists(&hub, id)), "{expected:?}");
    }
}
