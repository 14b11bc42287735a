//! Schedules: by the API, and of timer-triggered functions.

use durance_tests::{AppFolder, Client, Launch, MANAGEMENT, Reply, eventually, samples};
use http::Method;
use serde_json::{Value, json};

fn launch() -> Launch {
    Launch::of(&AppFolder::temporary("").sample("hello_sequence.wasm").guest("timers.wasm"))
}

async fn put(client: &Client, id: &str, body: &Value) -> Reply {
    client.send(Method::PUT, &format!("{MANAGEMENT}/schedules/{id}"), body.to_string()).await
}

async fn schedule(client: &Client, id: &str) -> Value {
    client.get(&format!("{MANAGEMENT}/schedules/{id}")).await.expect(200).json()
}

/// Waits until the schedule's newest run has an instance, and that is over.
async fn completed_run(client: &Client, id: &str) -> String {
    eventually(
        || "a run of the schedule is completed",
        async || {
            let shown = schedule(client, id).await;
            let run = shown["runs"].as_array()?.last()?["instanceId"].as_str()?.to_owned();
            let status = client.get(&format!("{MANAGEMENT}/instances/{run}")).await.json();
            (status["runtimeStatus"] == "Completed").then_some(run)
        },
    )
    .await
}

#[tokio::test]
async fn schedule_starts_orchestrations_until_it_is_paused_and_survives_a_crash() {
    let host = launch().start();
    let client = host.client();
    let path = format!("{MANAGEMENT}/schedules/beat");
    let body = json!({ "orchestrator": "HelloSequence", "intervalSeconds": 1 });
    let created = client.post(&path, body.to_string()).await.expect(201);
    assert!(created.header("location").is_some_and(|location| location.ends_with("/schedules/beat")));
    assert_eq!(created.json()["status"], "Active");
    let _conflict = client.post(&path, body.to_string()).await.expect_problem(409);
    let run = completed_run(&client, "beat").await;
    assert!(run.starts_with("beat-2"), "{run}");
    let paused = client.post(&format!("{path}/pause?reason=enough"), "").await.expect(200).json();
    assert_eq!((&paused["status"], &paused["pausedReason"]), (&json!("Paused"), &json!("enough")));

    let host = host.crash().start();
    let client = host.client();
    let shown = schedule(&client, "beat").await;
    assert_eq!((&shown["status"], &shown["nextTime"]), (&json!("Paused"), &Value::Null));
    assert_eq!(shown["runCount"], paused["runCount"], "a paused schedule does not run");
    let triggered = client.post(&format!("{path}/trigger"), "").await.expect(202).json();
    assert_eq!(triggered["outcome"], "Started");
    let _resumed = client.post(&format!("{path}/resume"), "").await.expect(200);
    eventually(
        || "the schedule goes on",
        async || {
            let runs = schedule(&client, "beat").await["runCount"].as_u64();
            (runs > shown["runCount"].as_u64().map(|count| count + 1)).then_some(())
        },
    )
    .await;
    let _deleted = client.delete(&path).await.expect(204);
    let _gone = client.get(&path).await.expect_problem(404);
}

#[tokio::test]
async fn put_makes_or_changes_and_the_list_has_pages() {
    let host = launch().start();
    let client = host.client();
    let body =
        |cron: &str| json!({ "orchestrator": "HelloSequence", "cron": cron, "timeZone": "Europe/Berlin" });
    for id in ["a", "b", "c"] {
        let _made = put(&client, id, &body("0 0 3 * * *")).await.expect(201);
    }
    let changed = put(&client, "b", &body("@hourly")).await.expect(200);
    assert_eq!(changed.json()["cron"], "@hourly");
    let ids = |page: &Value| -> Vec<String> {
        page.as_array().unwrap().iter().map(|shown| shown["id"].as_str().unwrap().to_owned()).collect()
    };
    let all = client.get(&format!("{MANAGEMENT}/schedules")).await.expect(200);
    assert!(["a", "b", "c"].iter().all(|id| ids(&all.json()).contains(&(*id).to_owned())));
    let first = client.get(&format!("{MANAGEMENT}/schedules?top=1")).await.expect(200);
    assert!(first.header("x-ms-continuation-token").is_some());
}

#[tokio::test]
async fn wrong_schedules_are_refused_and_say_why() {
    let host = launch().start();
    let client = host.client();
    let table = [
        (json!({ "orchestrator": "HelloSequence", "cron": "* *" }), "six fields"),
        (json!({ "orchestrator": "HelloSequence", "cron": "@daily", "timeZone": "Mars" }), "IANA"),
        (json!({ "orchestrator": "HelloSequence", "cron": "0 0 0 30 2 *" }), "never be due"),
        (json!({ "orchestrator": "HelloSequence", "intervalSeconds": 0.5 }), "at least 1 s"),
        (json!({ "orchestrator": "Nobody", "cron": "@daily" }), "no orchestrator 'Nobody'"),
        (json!({ "orchestrator": "HelloSequence", "cron": "@daily", "instanceId": "a/b" }), "'/'"),
        (json!({ "orchestrator": "HelloSequence" }), "either cron"),
    ];
    for (body, expected) in table {
        let refused = client.post(&format!("{MANAGEMENT}/schedules/s"), body.to_string()).await;
        let detail = refused.expect_problem(400);
        assert!(detail.contains(expected), "{detail}");
    }
    for action in ["pause", "resume", "trigger"] {
        let missing = client.post(&format!("{MANAGEMENT}/schedules/s/{action}"), "").await;
        assert!(missing.expect_problem(404).contains("no schedule with ID 's'"));
    }
}

#[tokio::test]
async fn function_is_called_by_its_timer_and_uses_the_client() {
    let host = launch().start();
    let client = host.client();
    eventually(
        || format!("the function and its times are listed: {}", host.said()),
        async || host.said().contains("EverySecond: timerTrigger [* * * * * *]").then_some(()),
    )
    .await;
    eventually(
        || "the timer-triggered function has started an orchestration",
        async || {
            let reply = client.get(&format!("{MANAGEMENT}/instances/started-by-timer")).await;
            (reply.status == 200 && reply.json()["runtimeStatus"] == "Completed").then_some(())
        },
    )
    .await;
    let shown = schedule(&client, "EverySecond").await;
    assert_eq!((&shown["function"], &shown["cron"]), (&json!("EverySecond"), &json!("* * * * * *")));
    let path = format!("{MANAGEMENT}/schedules/EverySecond");
    let refused = client.delete(&path).await.expect_problem(409);
    assert!(refused.contains("timer-triggered function"), "{refused}");
    let paused = client.post(&format!("{path}/pause"), "").await.expect(200).json();
    assert_eq!(paused["status"], "Paused");
}

#[tokio::test]
async fn heartbeat_counts() {
    let host = samples();
    let client = host.client();
    eventually(
        || "the Heartbeat has signalled the counter",
        async || {
            let reply = client.get(&format!("{MANAGEMENT}/entities/Counter/heartbeat")).await;
            (reply.status == 200 && reply.json().as_i64() >= Some(2)).then_some(())
        },
    )
    .await;
}

#[tokio::test]
async fn repeated_requests_about_schedules_change_nothing_more() {
    let host = launch().start();
    let client = host.client();
    let path = format!("{MANAGEMENT}/schedules/once");
    let body = json!({ "orchestrator": "HelloSequence", "cron": "0 0 0 1 1 *" }).to_string();
    let keyed = |key: &str| client.with_header("idempotency-key", key);
    let made = keyed("make").post(&path, body.clone()).await.expect(201).json();
    assert_eq!(keyed("make").post(&path, body.clone()).await.expect(201).json(), made);
    let _conflict = keyed("other").post(&path, body.clone()).await.expect_problem(409);
    let _mismatch = keyed("make").post(&path, body.replace("1 1", "2 2")).await.expect_problem(422);
    let trigger = format!("{path}/trigger");
    let first = keyed("now").post(&trigger, "").await.expect(202).json();
    assert_eq!(keyed("now").post(&trigger, "").await.expect(202).json(), first);
    assert_eq!(schedule(&client, "once").await["runCount"], 1);
    let _deleted = keyed("end").delete(&path).await.expect(204);
    let _deleted = keyed("end").delete(&path).await.expect(204);
    let _gone = client.delete(&path).await.expect_problem(404);
}

/// `SetReminder`, `GetReminder` and `DeleteReminder` manage a schedule that starts `Remind`, which calls `ShowReminder`.
#[tokio::test]
async fn reminders_are_set_changed_and_deleted() {
    let host = samples();
    let client = host.client();
    let set = async |body: &Value| client.send(Method::PUT, "/api/reminders/tea", body.to_string()).await;
    let daily = set(&json!({ "text": "Tea!", "cron": "0 0 16 * * *", "timeZone": "Europe/London" })).await;
    assert!(daily.expect(200).json()["nextTime"].as_u64().is_some());
    assert!(set(&json!({ "text": "Tea!" })).await.expect_problem(400).contains("everySeconds"));
    let _refused = set(&json!({ "text": "Tea!", "cron": "at four" })).await.expect_problem(400);
    let _changed = set(&json!({ "text": "Tea!", "everySeconds": 1 })).await.expect(200);
    let instance = eventually(
        || "the reminder is due",
        async || {
            let shown = client.get("/api/reminders/tea").await.expect(200).json();
            shown["started"].as_array()?.first()?.as_str().map(str::to_owned)
        },
    )
    .await;
    assert_eq!(client.output(&instance).await, "Tea!");
    let _deleted = client.delete("/api/reminders/tea").await.expect(204);
    let _gone = client.get("/api/reminders/tea").await.expect_problem(404);
}
