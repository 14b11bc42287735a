//! How many activities run at one time, and in which order.

use crate::support::{App, Hub, instance};
use durance_durable::{ActivityOptions, Json};
use durance_store::MemoryStore;
use durance_taskhub::{ActivityLimits, StartAnswer, TaskHubSettings};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::{Barrier, Semaphore};

const FAN: usize = 10_000;

/// `Fan` calls `Work` so often as its input says, all at once; each call notes its instance and waits for a permit.
fn app(order: &Arc<Mutex<Vec<String>>>, permits: &Arc<Semaphore>) -> App {
    let (order, permits) = (Arc::clone(order), Arc::clone(permits));
    App::default()
        .orchestrator("Fan", |context| async move {
            let count: usize = context.input().as_str().parse().unwrap();
            let tasks = (0..count).map(|_| context.schedule("Work", "1")).collect::<Result<Vec<_>, _>>()?;
            for task in tasks {
                context.result(task).await?;
            }
            Ok(Json::of(&count))
        })
        .activity("Work", move |call| {
            let (order, permits) = (Arc::clone(&order), Arc::clone(&permits));
            async move {
                order.lock().push(call.instance.to_string());
                permits.acquire().await.unwrap().forget();
                Ok(call.call.input)
            }
        })
}

async fn until(mut is_so: impl FnMut() -> bool) {
    let looking = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), looking).await.expect("it happens");
}

#[tokio::test(flavor = "multi_thread")]
async fn fan_out_of_one_instance_does_not_hold_up_another() {
    let (order, permits) = (Arc::default(), Arc::new(Semaphore::new(0)));
    let settings = TaskHubSettings { concurrent_activities: 1, ..TaskHubSettings::default() };
    let hub = Hub::open_on(Arc::new(MemoryStore::new(16)), app(&order, &permits), &settings);
    assert!(matches!(hub.start("Fan", "fan", &FAN.to_string()).await, StartAnswer::Started(_)));
    until(|| order.lock().len() == 1).await;
    hub.start("Fan", "single", "1").await;
    // Its activity is in the queue when its turn is durable; the answer to the start says so.
    permits.add_permits(10);
    assert_eq!(hub.output("single").await, "1");
    let place = order.lock().iter().position(|name| name == "single").unwrap();
    assert!(place <= 10, "{place}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_of_a_function_or_a_key_run_than_its_limit_says() {
    let limit = |name: &str| HashMap::from([(Arc::from(name), 2)]);
    let activity_limits = ActivityLimits { functions: limit("limited"), keys: limit("db") };
    let settings = TaskHubSettings { activity_limits, ..TaskHubSettings::default() };
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    // Each waits for another one: two do run at one time.
    let pair = Arc::new(Barrier::new(2));
    let counted = {
        let (running, most) = (Arc::clone(&running), Arc::clone(&most));
        move |call: durance_taskhub::ActivityCall| {
            let (running, most, pair) = (Arc::clone(&running), Arc::clone(&most), Arc::clone(&pair));
            async move {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                pair.wait().await;
                running.fetch_sub(1, Ordering::SeqCst);
                Ok(call.call.input)
            }
        }
    };
    let app = App::default()
        .orchestrator("Calls", |context| async move {
            let options = || ActivityOptions {
                concurrency_key: (context.input().as_str() == "1").then(|| "db".into()),
                ..ActivityOptions::default()
            };
            let name = if context.input().as_str() == "1" { "Keyed" } else { "Limited" };
            let tasks = (0..50)
                .map(|_| context.schedule_with(name, "1", options()))
                .collect::<Result<Vec<_>, _>>()?;
            for task in tasks {
                context.result(task).await?;
            }
            Ok(Json::null())
        })
        .activity("Keyed", counted.clone())
        .activity("Limited", counted);
    let hub = Hub::open_on(Arc::new(MemoryStore::new(16)), app, &settings);
    for input in ["0", "1"] {
        most.store(0, Ordering::SeqCst);
        hub.start("Calls", input, input).await;
        hub.output(input).await;
        assert_eq!(most.load(Ordering::SeqCst), 2, "{input}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn activities_that_wait_go_with_their_instance() {
    let (order, permits) = (Arc::default(), Arc::new(Semaphore::new(0)));
    let settings = TaskHubSettings { concurrent_activities: 1, ..TaskHubSettings::default() };
    let hub = Hub::open_on(Arc::new(MemoryStore::new(16)), app(&order, &permits), &settings);
    hub.start("Fan", "gone", "100").await;
    until(|| order.lock().len() == 1).await;
    hub.client.terminate(&instance("gone"), "enough").await.unwrap();
    hub.finished("gone").await;
    // One for the activity that runs: it was told, and may end by itself. Its place is free then.
    permits.add_permits(2);
    hub.start("Fan", "next", "1").await;
    assert_eq!(hub.output("next").await, "1");
    assert_eq!(*order.lock(), ["gone", "next"]);
}
