//! What orchestrations do to each other: retried children, events, starts.

use crate::support::{App, Hub, instance, json};
use durance_durable::{HistoryEvent, Json, RuntimeStatus, TaskFailureDetails};
use durance_taskhub::StatusOptions;
use parking_lot::Mutex;
use std::{sync::Arc, time::Duration};

fn collects(app: App) -> App {
    app.orchestrator("Collects", |context| async move {
        let count: usize = context.input().as_str().parse().unwrap();
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(context.result(context.event("item")?).await?);
        }
        Ok(Json::parse(format!("[{}]", items.iter().map(Json::as_str).collect::<Vec<_>>().join(",")))
            .unwrap())
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_fails_is_started_again_under_the_same_id() {
    let runs = Arc::new(Mutex::new(0));
    let count = Arc::clone(&runs);
    let app = App::default()
        .orchestrator("Child", move |_| {
            let mut runs = count.lock();
            *runs += 1;
            let run = *runs;
            async move {
                match run {
                    1 | 2 => Err(TaskFailureDetails::new("Busy", "later")),
                    _ => Ok(Json::of(&run)),
                }
            }
        })
        .orchestrator("Parent", |context| async move {
            let attempts = context.input().as_str().parse().unwrap();
            context.result(context.child_with_retries("Child", Some("the-child"), attempts)?).await
        });
    let hub = Hub::open(app);
    hub.start("Parent", "gives-up", "2").await;
    assert_eq!(hub.failure("gives-up").await.error_type, "Busy");
    *runs.lock() = 0;
    hub.start("Parent", "succeeds", "3").await;
    assert_eq!(hub.output("succeeds").await, "3");
    let child = hub.finished("the-child").await;
    assert_eq!((child.runtime_status, child.generation), (RuntimeStatus::Completed, 5));
}

#[tokio::test(flavor = "multi_thread")]
async fn events_between_orchestrations_arrive_once_and_in_their_order() {
    let app = collects(App::default()).orchestrator("Sends", |context| async move {
        for number in 0..10 {
            for part in 0..5 {
                context.send("receiver", "ITEM", &(number * 5 + part).to_string())?;
            }
            context.send("nobody", "item", "1")?;
            context.result(context.timer(Duration::from_millis(1))?).await?;
        }
        // The last ones leave with the end.
        context.send("receiver", "item", "50")?;
        Ok(Json::null())
    });
    let hub = Hub::open(app.clone());
    hub.start("Collects", "receiver", "51").await;
    hub.start("Sends", "sender", "null").await;
    let hub = hub.reopen(app).await;
    let expected: Vec<u32> = (0..=50).collect();
    assert_eq!(hub.output("receiver").await, serde_json::to_string(&expected).unwrap());
    assert_eq!(hub.output("sender").await, "null");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_is_made_once_goes_its_own_way_and_is_told_what_was_written_to_it() {
    let app = collects(App::default()).orchestrator("Starts", |context| async move {
        let own = context.start("Collects", None, "1")?;
        context.start("Collects", Some("chosen"), "1")?;
        context.start("Nobody", None, "1")?;
        for id in [own.as_str(), "chosen"] {
            context.send(id, "item", "\"hello\"")?;
        }
        Ok(Json::of(&own))
    });
    let hub = Hub::open(app);
    hub.start("Collects", "chosen", "2").await;
    hub.start("Starts", "s", "null").await;
    let own: String = serde_json::from_str(&hub.output("s").await).unwrap();
    let execution = hub.finished("s").await.execution;
    assert_eq!(own, format!("{execution}:0"));
    assert_eq!(hub.output(&own).await, "[\"hello\"]");
    // One that was there goes on, and gets the event too.
    hub.raise("chosen", "item", "2").await;
    assert_eq!(hub.output("chosen").await, "[\"hello\",2]");
    assert_eq!(hub.finished("chosen").await.generation, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timer_of_centuries_waits_and_is_found_again() {
    let app = App::default().orchestrator("Waits", |context| async move {
        let (timer, event) = (context.timer(Duration::from_secs(300 * 365 * 86_400))?, context.event("go")?);
        let first = context.first(&[timer, event]).await?;
        Ok(Json::of(&(first == event)))
    });
    let hub = Hub::open(app.clone());
    hub.start("Waits", "w", "null").await;
    let hub = hub.reopen(app).await;
    let status = hub.client.get_status(&instance("w"), StatusOptions::default()).unwrap().status.unwrap();
    assert_eq!(status.runtime_status, RuntimeStatus::Running);
    hub.raise("w", "go", "1").await;
    assert_eq!(hub.output("w").await, "true");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_of_an_eternal_orchestration_stays_as_short_as_one_round() {
    let app = App::default().activity("Works", |_| async { Ok(Json::null()) }).orchestrator(
        "Eternal",
        |context| async move {
            let round: u32 = context.input().as_str().parse().unwrap();
            context.result(context.schedule("Works", "1")?).await?;
            if round < 200 {
                context.continue_as_new(&(round + 1).to_string());
            }
            Ok(Json::of(&round))
        },
    );
    let hub = Hub::open(app);
    hub.start("Eternal", "e", "0").await;
    assert_eq!(hub.output("e").await, "200");
    let options = StatusOptions { show_history: true, ..StatusOptions::default() };
    let status = hub.client.get_status(&instance("e"), options).unwrap().status.unwrap();
    let events: Vec<_> = status.history.unwrap().into_iter().flat_map(|turn| turn.events).collect();
    assert_eq!(events.len(), 4, "{events:?}");
    assert_eq!(events[0], HistoryEvent::ExecutionStarted);
    assert_eq!(hub.store.previous_generations(&instance("e")).unwrap(), []);
    assert_eq!(json("1"), Json::of(&status.generation));
}
