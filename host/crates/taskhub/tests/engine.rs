//! The engine on the memory store, with functions in plain Rust.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "engine/activities.rs"]
mod activities;
#[path = "engine/client_operations.rs"]
mod client_operations;
#[path = "engine/entities.rs"]
mod entities;
#[path = "engine/faults.rs"]
mod faults;
#[path = "engine/limits.rs"]
mod limits;
#[path = "engine/others.rs"]
mod others;
#[path = "engine/retention.rs"]
mod retention;
#[path = "engine/schedules.rs"]
mod schedules;
mod support;
#[path = "engine/virtual_time.rs"]
mod virtual_time;

use durance_durable::{ActivityOptions, HistoryEvent, IfExists, Json, RuntimeStatus, TaskFailureDetails};
use durance_store::MemoryStore;
use durance_taskhub::{ClientError, Idempotency, StartAnswer, StartOptions, StatusOptions, TaskHubSettings};
use futures_util::future::join_all;
use std::{sync::Arc, time::Duration};
use support::{App, Context, Hub, Result, instance, json, retries};

/// Adds one, three times over.
async fn sequence(context: Context) -> Result<Json> {
    let mut value = context.input();
    for _ in 0..3 {
        value = context.result(context.schedule("AddOne", value.as_str())?).await?;
    }
    Ok(value)
}

fn add_one(text: &str) -> Json {
    Json::of(&(text.parse::<u32>().unwrap() + 1))
}

fn sequence_app() -> App {
    App::default()
        .orchestrator("Sequence", sequence)
        .activity("AddOne", |call| async move { Ok(add_one(call.call.input.as_str())) })
}

fn waits_app() -> App {
    App::default().orchestrator("Waits", |context| async move {
        let event = context.event("go")?;
        context.result(event).await
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sequence_takes_one_turn_for_each_result() {
    let hub = Hub::open(sequence_app());
    assert!(matches!(hub.start("Sequence", "s", "1").await, StartAnswer::Started(_)));
    assert_eq!(hub.output("s").await, "4");
    let options = StatusOptions { show_history: true, ..StatusOptions::default() };
    let status = hub.client.get_status(&instance("s"), options).unwrap().status.unwrap();
    let history = status.history.unwrap();
    assert_eq!(history.len(), 4);
    assert_eq!(history[0].events[0], HistoryEvent::ExecutionStarted);
    assert!(matches!(history[3].events.last(), Some(HistoryEvent::ExecutionCompleted { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_starts_of_one_id_exactly_one_wins() {
    let hub = Arc::new(Hub::open(waits_app()));
    for round in 0..20 {
        let id = format!("singleton-{round}");
        let starts = (0..64).map(|_| {
            let (hub, id) = (Arc::clone(&hub), id.clone());
            tokio::spawn(async move { hub.start("Waits", &id, "null").await })
        });
        let outcomes: Vec<_> = join_all(starts).await.into_iter().map(|joined| joined.unwrap()).collect();
        let started: Vec<_> = outcomes
            .iter()
            .filter_map(|o| if let StartAnswer::Started(h) = o { Some(h) } else { None })
            .collect();
        assert_eq!(started.len(), 1);
        for outcome in &outcomes {
            let (StartAnswer::Started(holder) | StartAnswer::AlreadyExists(holder)) = outcome else {
                panic!("{outcome:?}")
            };
            assert_eq!(holder.execution, started[0].execution);
        }
        hub.raise(&id, "go", "1").await;
        assert_eq!(hub.output(&id).await, "1");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fan_out_of_hundreds_is_gathered() {
    let app = sequence_app().orchestrator("FanOut", |context| async move {
        let tasks = (0..300).map(|n| context.schedule("AddOne", &n.to_string()));
        let tasks = tasks.collect::<Result<Vec<_>>>()?;
        let mut sum = 0;
        for task in tasks {
            sum += context.result(task).await?.as_str().parse::<u32>().unwrap();
        }
        Ok(Json::of(&sum))
    });
    let hub = Hub::open(app);
    hub.start("FanOut", "f", "null").await;
    assert_eq!(hub.output("f").await, (1..=300).sum::<u32>().to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timer_fires_and_a_race_with_an_event_has_one_winner() {
    let app = App::default().orchestrator("Approval", |context| async move {
        let (event, timer) = (context.event("Approval")?, context.timer(Duration::from_millis(30))?);
        let winner = context.first(&[event, timer]).await?;
        context.cancel(if winner == event { timer } else { event })?;
        Ok(Json::of(if winner == event { "approved" } else { "timed out" }))
    });
    let hub = Hub::open(app);
    hub.start("Approval", "late", "null").await;
    assert_eq!(hub.output("late").await, "\"timed out\"");
    let status = hub.finished("late").await;
    assert!(status.last_updated.saturating_since(status.created) >= Duration::from_millis(30));
    hub.start("Approval", "soon", "null").await;
    hub.raise("soon", "APPROVAL", "true").await;
    assert_eq!(hub.output("soon").await, "\"approved\"");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_activity_is_tried_again_with_the_same_task_and_the_next_attempt() {
    let seen = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let record = Arc::clone(&seen);
    let app = App::default()
        .orchestrator("Flaky", |context| async move {
            let options = ActivityOptions { retry: Some(retries(3)), ..ActivityOptions::default() };
            context.result(context.schedule_with("Fails", context.input().as_str(), options)?).await
        })
        .activity("Fails", move |call| {
            record.lock().push((call.call.task, call.attempt));
            async move {
                let failures: u32 = call.call.input.as_str().parse().unwrap();
                match call.attempt > failures {
                    true => Ok(Json::of(&call.attempt)),
                    false => Err(TaskFailureDetails::new("Flaky", "not yet")),
                }
            }
        });
    let hub = Hub::open(app);
    hub.start("Flaky", "ok", "2").await;
    assert_eq!(hub.output("ok").await, "3");
    let attempts: Vec<_> = std::mem::take(&mut *seen.lock());
    assert_eq!(attempts.iter().map(|(_, attempt)| *attempt).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(attempts.iter().all(|(task, _)| *task == attempts[0].0));
    hub.start("Flaky", "gives-up", "9").await;
    assert_eq!(hub.failure("gives-up").await.error_type, "Flaky");
    assert_eq!(seen.lock().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parent_gets_its_childs_result_failure_or_refusal() {
    let app = waits_app()
        .orchestrator("Parent", |context| async move {
            let input: Vec<Option<String>> = serde_json::from_str(context.input().as_str()).unwrap();
            let (name, id) = (input[0].clone().unwrap(), input[1].clone());
            context.result(context.child(&name, id.as_deref(), "5")?).await
        })
        .orchestrator("Child", |context| async move { Ok(context.input()) })
        .orchestrator("Fails", |_| async move { Err(TaskFailureDetails::new("Oops", "no")) });
    let hub = Hub::open(app);
    hub.start("Parent", "p1", r#"["Child",null]"#).await;
    assert_eq!(hub.output("p1").await, "5");
    hub.start("Parent", "p2", r#"["Fails","c2"]"#).await;
    assert_eq!(hub.failure("p2").await.error_type, "Oops");
    hub.start("Parent", "p3", r#"["Nobody",null]"#).await;
    assert_eq!(hub.failure("p3").await.error_type, "UnknownOrchestrator");
    hub.start("Waits", "taken", "null").await;
    hub.start("Parent", "p4", r#"["Child","taken"]"#).await;
    assert_eq!(hub.failure("p4").await.error_type, "AlreadyExists");
    hub.start("Parent", "p5", r#"["Waits","c5"]"#).await;
    hub.client.terminate(&instance("c5"), "enough").await.unwrap();
    assert_eq!(hub.failure("p5").await.error_type, "Terminated");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_survive_continuing_as_new_in_their_order() {
    // Takes one event in each execution.
    let app = App::default().orchestrator("Collects", |context| async move {
        let mut seen: Vec<u32> = serde_json::from_str(context.input().as_str()).unwrap();
        let event = context.event("item")?;
        seen.push(serde_json::from_str(context.result(event).await?.as_str()).unwrap());
        if seen.len() < 40 {
            context.continue_as_new(&serde_json::to_string(&seen).unwrap());
        }
        Ok(Json::of(&seen))
    });
    let hub = Hub::open(app);
    hub.start("Collects", "c", "[]").await;
    for n in 0..40 {
        hub.raise("c", "item", &n.to_string()).await;
    }
    let expected: Vec<u32> = (0..40).collect();
    assert_eq!(hub.output("c").await, serde_json::to_string(&expected).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn terminate_ends_suspend_holds_and_resume_lets_go() {
    let hub = Hub::open(waits_app());
    hub.start("Waits", "t", "null").await;
    hub.client.terminate(&instance("t"), "enough").await.unwrap();
    let status = hub.finished("t").await;
    assert_eq!((status.runtime_status, status.output), (RuntimeStatus::Terminated, Some(json("\"enough\""))));
    let again = hub.client.terminate(&instance("t"), "again").await;
    assert!(matches!(again, Err(ClientError::Finished { status: RuntimeStatus::Terminated, .. })));
    let missing = hub.client.raise_event(&instance("nobody"), "e", json("1")).await;
    assert!(matches!(missing, Err(ClientError::NotFound(_))));

    hub.start("Waits", "s", "null").await;
    hub.client.suspend(&instance("s"), "hold").await.unwrap();
    hub.raise("s", "go", "1").await;
    let status = hub.client.wait_for_completion(&instance("s"), Duration::from_millis(50)).await.unwrap();
    assert_eq!(status.runtime_status, RuntimeStatus::Suspended);
    hub.client.resume(&instance("s"), "go").await.unwrap();
    assert_eq!(hub.output("s").await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn terminate_and_replace_leaves_one_live_run() {
    let hub = Hub::open(waits_app());
    hub.start("Waits", "r", "1").await;
    let options = StartOptions {
        instance: Some(instance("r")),
        if_exists: IfExists::TerminateAndReplace,
        ..StartOptions::default()
    };
    let started = hub.client.start_new("Waits", json("2"), options).await.unwrap();
    let StartAnswer::Started(holder) = started else { panic!("{started:?}") };
    assert_eq!(holder.generation, 2);
    hub.raise("r", "go", "3").await;
    assert_eq!(hub.output("r").await, "3");
    assert_eq!(hub.store.previous_generations(&instance("r")).unwrap()[0].status, RuntimeStatus::Terminated);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_goes_on_after_a_restart() {
    let app = |activity_ends: bool| {
        waits_app()
            .orchestrator("Long", |context| async move {
                let timer = context.timer(Duration::from_millis(40))?;
                let call = context.schedule("MayEnd", "1")?;
                context.result(timer).await?;
                context.result(call).await
            })
            .activity("MayEnd", move |call| async move {
                match activity_ends {
                    true => Ok(Json::of(&call.attempt)),
                    false => std::future::pending().await,
                }
            })
    };
    let hub = Hub::open(app(false));
    hub.start("Long", "l", "null").await;
    hub.start("Waits", "w", "null").await;
    let hub = hub.reopen(app(true)).await;
    assert_eq!(hub.output("l").await, "1");
    hub.raise("w", "go", "7").await;
    assert_eq!(hub.output("w").await, "7");
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_that_were_dropped_from_memory_come_back_by_replay() {
    let settings = TaskHubSettings { hot_instances: 16, ..TaskHubSettings::default() };
    let app = sequence_app().orchestrator("Waits", |context| async move {
        let first = context.result(context.schedule("AddOne", "1")?).await?;
        let replayed = context.is_replaying();
        let event = context.event("go")?;
        let data = context.result(event).await?;
        Ok(json(&format!("[{first},{data},{replayed}]")))
    });
    let hub = Hub::open_on(Arc::new(MemoryStore::new(16)), app, &settings);
    for n in 0..200 {
        hub.start("Waits", &format!("w{n}"), "null").await;
    }
    let mut replayed = 0;
    for n in 0..200 {
        hub.raise(&format!("w{n}"), "go", &n.to_string()).await;
        let output = hub.output(&format!("w{n}")).await;
        assert!(output.starts_with(&format!("[2,{n},")), "{output}");
        replayed += u32::from(output.contains("true"));
    }
    assert!(replayed > 100, "only {replayed} of 200 were replayed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orchestrator_that_takes_another_way_at_replay_fails_with_both_sides() {
    let diverges = |context: Context| async move {
        let name = if context.is_replaying() { "Other" } else { "AddOne" };
        let call = context.schedule(name, "1")?;
        context.result(call).await?;
        context.result(context.event("go")?).await
    };
    let app = || sequence_app().orchestrator("Diverges", diverges);
    let hub = Hub::open(app());
    hub.start("Diverges", "d", "null").await;
    let hub = hub.reopen(app()).await;
    // Whatever comes next replays it: the activity's result, run again, or this.
    let _raised = hub.client.raise_event(&instance("d"), "go", json("1")).await;
    let failure = hub.failure("d").await;
    assert_eq!(failure.error_type, "NonDeterministicOrchestration");
    assert!(failure.message.contains("'AddOne'") && failure.message.contains("'Other'"), "{failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_start_with_one_idempotency_key_gives_the_first_run() {
    let hub = Hub::open(waits_app());
    let start = |input: &'static str| {
        let client = hub.client.once(Idempotency::new("k1").unwrap());
        async move { client.start_new("Waits", json(input), StartOptions::default()).await }
    };
    let StartAnswer::Started(first) = start("1").await.unwrap() else { panic!() };
    assert_eq!(first.instance.as_str().len(), 32);
    let StartAnswer::Started(second) = start("1").await.unwrap() else { panic!() };
    assert_eq!((first.instance, first.execution), (second.instance, second.execution));
    assert!(matches!(start("2").await, Err(ClientError::IdempotencyMismatch)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_for_a_run_is_told_of_that_run_whatever_has_its_id_now() {
    let hub = Hub::open(waits_app().orchestrator("Echo", |context| async move { Ok(context.input()) }));
    let StartAnswer::Started(first) = hub.start("Echo", "e", "1").await else { panic!() };
    hub.output("e").await;
    hub.start("Echo", "e", "2").await;
    assert_eq!(hub.output("e").await, "2");
    let status = hub.client.wait_for_run(&first, Duration::ZERO).await.unwrap();
    assert_eq!(status.output, Some(json("1")));
    for n in 3..7 {
        hub.start("Echo", "e", &n.to_string()).await;
        hub.output("e").await;
    }
    let gone = hub.client.wait_for_run(&first, Duration::ZERO).await;
    assert!(matches!(gone, Err(ClientError::NotFound(_))), "{gone:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_with_another_token_is_another_request() {
    let hub = Hub::open(waits_app());
    let token = hub.client.get_status(&instance("t"), StatusOptions::default()).unwrap().token;
    let start = |token| {
        let options = StartOptions { instance: Some(instance("t")), token, ..StartOptions::default() };
        let client = hub.client.once(Idempotency::new("k").unwrap());
        async move { client.start_new("Waits", json("1"), options).await }
    };
    assert!(matches!(start(Some(token)).await, Ok(StartAnswer::Started(_))));
    assert!(matches!(start(None).await, Err(ClientError::IdempotencyMismatch)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_from_outside_that_is_too_long_is_refused() {
    let settings = TaskHubSettings { value_bytes_max: 8, ..TaskHubSettings::default() };
    let hub = Hub::open_on(Arc::new(MemoryStore::new(16)), waits_app(), &settings);
    hub.start("Waits", "w", "1234567").await;
    let long = json("123456789");
    let started = hub.client.start_new("Waits", long.clone(), StartOptions::default()).await;
    assert!(matches!(started, Err(ClientError::TooLarge { bytes: 9, bytes_max: 8, .. })), "{started:?}");
    let raised = hub.client.raise_event(&instance("w"), "go", long).await;
    assert!(matches!(raised, Err(ClientError::TooLarge { .. })), "{raised:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_with_an_old_token_is_refused() {
    let hub = Hub::open(waits_app());
    let token = |id: &str| hub.client.get_status(&instance(id), StatusOptions::default()).unwrap().token;
    let start = |token| {
        let options =
            StartOptions { instance: Some(instance("x")), token: Some(token), ..StartOptions::default() };
        hub.client.start_new("Waits", json("1"), options)
    };
    let before = token("x");
    assert_eq!(token("x"), before);
    assert!(matches!(start(before).await.unwrap(), StartAnswer::Started(_)));
    assert!(matches!(start(before).await.unwrap(), StartAnswer::Changed(Some(_))));
    hub.client.terminate(&instance("x"), "").await.unwrap();
    hub.finished("x").await;
    hub.client.purge(&instance("x")).await.unwrap();
    assert!(matches!(start(before).await.unwrap(), StartAnswer::Changed(None)));
    assert!(matches!(start(token("x")).await.unwrap(), StartAnswer::Started(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn work_of_many_partitions_goes_on_once_after_a_restart() {
    let runs = Arc::new(parking_lot::Mutex::new(std::collections::HashMap::<String, u32>::new()));
    let app = |first_life: bool| {
        let runs = Arc::clone(&runs);
        App::default()
            .orchestrator("Parent", |context| async move {
                let child = context.child("Child", None, "1")?;
                context.result(child).await?;
                context.result(context.schedule("Count", "1")?).await
            })
            .orchestrator(
                "Child",
                |context| async move { context.result(context.schedule("MayEnd", "1")?).await },
            )
            .activity("MayEnd", move |_| async move {
                match first_life {
                    true => std::future::pending().await,
                    false => Ok(Json::null()),
                }
            })
            .activity("Count", move |call| {
                *runs.lock().entry(call.instance.to_string()).or_default() += 1;
                async { Ok(Json::null()) }
            })
    };
    let hub = Hub::open(app(true));
    for n in 0..50 {
        hub.start("Parent", &format!("p{n}"), "null").await;
    }
    let hub = hub.reopen(app(false)).await;
    for n in 0..50 {
        hub.output(&format!("p{n}")).await;
    }
    let runs = runs.lock();
    assert_eq!((runs.len(), runs.values().max()), (50, Some(&1)), "{runs:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_activity_that_panics_fails_and_an_orchestrator_that_panics_can_be_terminated() {
    let app = App::default()
        .orchestrator(
            "Calls",
            |context| async move { context.result(context.schedule("Panics", "1")?).await },
        )
        .orchestrator("Panics", |_| async move { panic!("an orchestrator of a test") })
        .activity("Panics", |_| async move { panic!("an activity of a test") });
    let hub = Hub::open(app);
    hub.start("Calls", "c", "null").await;
    assert_eq!(hub.failure("c").await.error_type, "HostPanic");
    hub.start("Panics", "p", "null").await;
    hub.client.terminate(&instance("p"), "enough").await.unwrap();
    assert_eq!(hub.finished("p").await.runtime_status, RuntimeStatus::Terminated);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_suspend_leaves_no_turn_in_the_history() {
    let hub = Hub::open(waits_app());
    hub.start("Waits", "s", "null").await;
    for _ in 0..3 {
        hub.client.suspend(&instance("s"), "hold").await.unwrap();
    }
    hub.client.resume(&instance("s"), "go").await.unwrap();
    hub.raise("s", "go", "1").await;
    assert_eq!(hub.output("s").await, "1");
    let execution = hub.finished("s").await.execution;
    let history = hub.store.history(execution).unwrap();
    assert!(history.iter().all(|turn| !turn.events.is_empty()), "{history:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiter_is_told_of_the_run_it_waited_for_even_if_another_one_has_the_id_now() {
    let hub = Hub::open(waits_app());
    hub.start("Waits", "w", "1").await;
    let (client, id) = (hub.client.clone(), instance("w"));
    let waiting = tokio::spawn(async move { client.wait_for_completion(&id, Duration::from_secs(20)).await });
    tokio::task::yield_now().await;
    let options = StartOptions {
        instance: Some(instance("w")),
        if_exists: IfExists::TerminateAndReplace,
        ..StartOptions::default()
    };
    while !waiting.is_finished() {
        // The waiter may look for the first time only after a replacement: then it waits for that run.
        hub.client.start_new("Waits", json("2"), options.clone()).await.unwrap();
    }
    let status = waiting.await.unwrap().unwrap();
    assert_eq!(status.runtime_status, RuntimeStatus::Terminated);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_replacing_starts_the_last_run_keeps_its_activities_and_completes() {
    let app = App::default()
        .orchestrator("Calls", |context| async move { context.result(context.schedule("Slow", "1")?).await })
        .activity("Slow", |call| async move {
            tokio::task::yield_now().await;
            Ok(call.call.input)
        });
    let hub = Hub::open(app);
    let options = |n: usize| StartOptions {
        instance: Some(instance(&format!("r{n}"))),
        if_exists: IfExists::TerminateAndReplace,
        ..StartOptions::default()
    };
    let starts = (0..300).map(|n| {
        let (client, options) = (hub.client.clone(), options(n / 6));
        tokio::spawn(async move { client.start_new("Calls", json("1"), options).await })
    });
    for start in starts.collect::<Vec<_>>() {
        start.await.unwrap().unwrap();
    }
    for n in 0..50 {
        assert_eq!(hub.output(&format!("r{n}")).await, "1");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_answers_the_status_that_its_first_turn_led_to() {
    let app = waits_app().orchestrator("Echo", |context| async move { Ok(context.input()) });
    let hub = Hub::open(app);
    for (orchestrator, expected) in [("Echo", RuntimeStatus::Completed), ("Waits", RuntimeStatus::Running)] {
        let StartAnswer::Started(holder) = hub.start(orchestrator, orchestrator, "1").await else { panic!() };
        assert_eq!(holder.status, expected);
    }
}
