//! What the engine does when it cannot go on, has too much to do, or is being closed.

use crate::support::{
    App, Hub,
    faulty_store::{Disk, FaultyStore},
    instance, json,
};
use durance_durable::{HistoryEvent, Json};
use durance_store::StoreError;
use durance_taskhub::{ClientError, StartOptions, TaskHubSettings};
use std::{sync::Arc, time::Duration};

fn waits_and_echoes() -> App {
    App::default()
        .orchestrator("Waits", |context| async move { context.result(context.event("go")?).await })
        .orchestrator("Calls", |context| async move { context.result(context.schedule("Echo", "1")?).await })
        .activity("Echo", |call| async move { Ok(call.call.input) })
}

/// The error that makes the process end.
async fn failure(hub: &Hub) -> Arc<StoreError> {
    let mut failed = hub.hub.failed();
    let failure = tokio::time::timeout(Duration::from_secs(20), failed.wait_for(Option::is_some)).await;
    failure.expect("in time").expect("the hub is there").clone().expect("it has failed")
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_commit_acknowledges_nothing_and_says_why_and_nothing_is_lost() {
    let store = Arc::new(FaultyStore::new());
    let hub = Hub::open_on(store.clone(), waits_and_echoes(), &TaskHubSettings::default());
    hub.start("Waits", "before", "null").await;
    store.set(Disk::Fails);
    let raised = hub.client.raise_event(&instance("before"), "go", json("1")).await;
    assert!(matches!(raised, Err(ClientError::Stopping)), "{raised:?}");
    assert!(matches!(*failure(&hub).await, StoreError::Io { .. }));
    let started = hub.client.start_new("Waits", Json::null(), StartOptions::default()).await;
    assert!(matches!(started, Err(ClientError::Stopping)), "{started:?}");
    store.set(Disk::Works);
    let hub = hub.reopen(waits_and_echoes()).await;
    hub.raise("before", "go", "2").await;
    assert_eq!(hub.output("before").await, "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn commit_that_hangs_fails_the_hub() {
    let store = Arc::new(FaultyStore::new());
    let limit = Duration::from_millis(100);
    let settings = TaskHubSettings { commit_timeout: limit, ..TaskHubSettings::default() };
    let hub = Hub::open_on(store.clone(), waits_and_echoes(), &settings);
    hub.start("Waits", "before", "null").await;
    store.set(Disk::Hangs);
    let client = hub.client.clone();
    let raising = tokio::spawn(async move { client.raise_event(&instance("before"), "go", json("1")).await });
    assert!(matches!(*failure(&hub).await, StoreError::Stalled(time) if time == limit));
    assert!(!raising.is_finished(), "nobody knows whether the event is durable");
    store.set(Disk::Works);
    hub.hub.close(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn operation_beyond_the_limit_is_refused_as_busy_and_a_place_is_given_back() {
    let store = Arc::new(FaultyStore::new());
    let settings = TaskHubSettings { concurrent_operations: 1, ..TaskHubSettings::default() };
    let hub = Hub::open_on(store.clone(), waits_and_echoes(), &settings);
    hub.start("Waits", "one", "null").await;
    store.set(Disk::Hangs);
    let one = instance("one");
    let mut first = Box::pin(hub.client.suspend(&one, "hold"));
    assert!(futures_util::poll!(&mut first).is_pending());
    let second = hub.client.terminate(&one, "enough").await;
    assert!(matches!(second, Err(ClientError::Busy)), "{second:?}");
    store.set(Disk::Works);
    first.await.expect("the disk works again");
    hub.client.resume(&one, "go").await.expect("the place is free");
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_lets_what_is_under_way_end_and_refuses_what_is_new() {
    let (begun, mut beginning) = tokio::sync::mpsc::channel(1);
    let (finish, finished) = tokio::sync::watch::channel(false);
    let app = waits_and_echoes().activity("Echo", move |call| {
        let (begun, mut finished) = (begun.clone(), finished.clone());
        async move {
            begun.send(()).await.expect("the test listens");
            finished.wait_for(|finished| *finished).await.expect("the test is there");
            Ok(call.call.input)
        }
    });
    let hub = Hub::open(app);
    hub.start("Calls", "c", "null").await;
    beginning.recv().await.expect("the activity begins");
    let Hub { hub, client, store } = hub;
    let closing = tokio::spawn(hub.close(Duration::from_secs(20)));
    while !matches!(client.suspend(&instance("c"), "late").await, Err(ClientError::Stopping)) {
        tokio::task::yield_now().await;
    }
    finish.send(true).expect("the activity listens");
    closing.await.expect("it closes");
    let record = store.instance(&instance("c")).unwrap().record.expect("it is there");
    let history: Vec<HistoryEvent> =
        store.history(record.execution).unwrap().into_iter().flat_map(|turn| turn.events).collect();
    assert!(
        history.iter().any(|event| matches!(event, HistoryEvent::TaskCompleted { .. })),
        "what had begun was committed: {history:?}"
    );
}
