//! The host is killed again and again while it works: what it has acknowledged happens, and happens once.

mod plan;
mod transfers;

use durance_tests::{AppFolder, Client, Host, Launch, MANAGEMENT, NoAnswer, eventually_within};
use plan::{Action, Expected, MAX_ROUNDS, Plan, STEPS};
use serde_json::{Value, json};
use std::{collections::HashSet, env, ops::Range, time::Duration};

const CRASHES: usize = 20;
const CALLERS: usize = 4;
/// So many actions become possible in each life of the host: all of its lives see some.
const ACTIONS_PER_LIFE: usize = 16;
/// All lives together are shorter than one job: every job is at work at the last crash.
const LIFETIME_MS: Range<u64> = 50..500;
const PATIENCE: Duration = Duration::from_secs(90);

/// `SEED=number` repeats a run, as far as crashes can be repeated.
fn random_seed() -> u64 {
    let seed =
        env::var("SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().expect("SEED is a number"));
    println!("SEED={seed}");
    seed
}

#[tokio::test]
async fn acknowledged_work_survives_any_crash_and_no_step_is_recorded_twice() {
    let mut random = fastrand::Rng::with_seed(random_seed());
    let plan = Plan::new(&mut random);
    let mut launch = Launch::of(&AppFolder::samples());
    for crash in 0..CRASHES {
        if crash % 4 == 3 {
            launch.start_and_crash(Duration::from_millis(random.u64(1..200)));
        }
        let host = launch.start();
        plan.open(ACTIONS_PER_LIFE);
        launch = live_and_crash(host, &plan, Duration::from_millis(random.u64(LIFETIME_MS))).await;
    }

    let host = launch.start();
    let client = host.client();
    while !plan.is_done() {
        plan.open(usize::MAX);
        work(client.clone(), &plan).await.expect("this host is not killed");
    }
    assert_some_jobs_are_at_work(&client).await;
    wait_until_all_are_over(&client).await;
    for (id, expected) in plan.expected() {
        check(&client, &id, &expected).await;
    }
}

/// Lets callers work for so long, then kills the host under them.
async fn live_and_crash(host: Host, plan: &Plan, lifetime: Duration) -> Launch {
    let callers = (0..CALLERS).map(|_| {
        let (client, plan) = (host.client(), plan.clone());
        tokio::spawn(async move { work(client, &plan).await })
    });
    let callers: Vec<_> = callers.collect();
    tokio::time::sleep(lifetime).await;
    let launch = host.crash();
    for caller in callers {
        // An error is how a caller learns of the crash.
        let _crashed = caller.await.expect("a caller does not panic");
    }
    launch
}

/// Does what can be done until nothing is left or the host is gone.
async fn work(client: Client, plan: &Plan) -> Result<(), NoAnswer> {
    while let Some(action) = plan.take() {
        match perform(&client, &action).await {
            Ok(()) => plan.acknowledged(action),
            Err(gone) => {
                plan.put_back(action);
                return Err(gone);
            }
        }
    }
    Ok(())
}

/// Succeeds when the host has acknowledged, now or at an earlier attempt whose answer was lost.
async fn perform(client: &Client, action: &Action) -> Result<(), NoAnswer> {
    let (path, body, acknowledged) = match action {
        Action::Start { orchestrator, id, input, .. } => {
            (format!("/api/orchestrators/{orchestrator}/{id}"), input.to_string(), [202, 409])
        }
        Action::Approve { id } => {
            (format!("{MANAGEMENT}/instances/{id}/raiseEvent/Approval"), "true".to_owned(), [202, 410])
        }
        Action::Terminate { id } => {
            (format!("{MANAGEMENT}/instances/{id}/terminate?reason=by%20plan"), String::new(), [202, 410])
        }
    };
    let reply = client.try_send(http::Method::POST, &path, body).await?;
    assert!(acknowledged.contains(&reply.status), "{path}: {} {}", reply.status, reply.text());
    Ok(())
}

async fn live(client: &Client) -> Vec<Value> {
    let path = format!("{MANAGEMENT}/instances?runtimeStatus=Running,Pending&top=1000");
    match client.get(&path).await.expect(200).json() {
        Value::Array(statuses) => statuses,
        other => panic!("the list is {other}"),
    }
}

async fn assert_some_jobs_are_at_work(client: &Client) {
    let live = live(client).await;
    for orchestrator in ["BackgroundJob", "PeriodicCleanup"] {
        let at_work = live.iter().filter(|status| status["name"] == orchestrator).count();
        assert!(at_work >= plan::JOBS_OF_A_KIND / 2, "only {at_work} of {orchestrator} outlived the crashes");
    }
}

async fn wait_until_all_are_over(client: &Client) {
    let what = || "every instance is over";
    eventually_within(PATIENCE, what, async || live(client).await.is_empty().then_some(())).await;
}

async fn check(client: &Client, id: &str, expected: &Expected) {
    let status = client.status(id).await;
    assert_eq!(status["generation"], 1, "{status}");
    let history = client.history(id).await;
    let completed = match expected {
        Expected::Job => {
            assert_eq!((&status["output"], &status["customStatus"]["step"]), (&json!(STEPS), &json!(STEPS)));
            STEPS
        }
        Expected::Cleanup => {
            assert_eq!(
                (&status["output"], &status["input"]["counter"]),
                (&json!(MAX_ROUNDS), &json!(MAX_ROUNDS - 1))
            );
            1
        }
        Expected::Approved => {
            assert_eq!(status["output"], "approved", "{status}");
            0
        }
        Expected::Terminated => {
            assert_eq!(
                (&status["runtimeStatus"], &status["output"]),
                (&json!("Terminated"), &json!("by plan"))
            );
            0
        }
    };
    check_history(id, &history, completed);
}

/// Nothing is in it twice: no task, no beginning, no end.
fn check_history(id: &str, history: &[Value], completed: usize) {
    let mut finished_tasks = HashSet::new();
    for event in history.iter().filter(|event| event["EventType"] == "TaskCompleted") {
        assert!(finished_tasks.insert(event["TaskId"].as_u64()), "{id}: twice in its history: {event}");
    }
    assert_eq!(finished_tasks.len(), completed, "{id}: {history:?}");
    for once in ["ExecutionStarted", "ExecutionCompleted"] {
        let count = history.iter().filter(|event| event["EventType"] == once).count();
        assert_eq!(count, 1, "{id}: {once} in {history:?}");
    }
}
