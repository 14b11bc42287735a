//! Golden histories: what today's sample functions do must be what they did when these were recorded.
//!
//! `RECORD_HISTORIES=1 cargo test --release -p durance-tests --test histories` records them again, after a sample was
//! changed on purpose.

mod golden;
mod record;

use durance_durable::{HistoryEvent, Json, Turn, TurnCommit};
use durance_tests::components_in;
use durance_wasm::{FunctionApp, WasmSettings};
use golden::{Golden, replay};
use std::{env, path::PathBuf};
use tempfile::TempDir;
use tokio::sync::OnceCell;

const SAMPLES: [&str; 6] = [
    "background_job",
    "fan_out_fan_in",
    "hello_sequence",
    "parent_child",
    "periodic_cleanup",
    "wait_for_approval",
];

static RECORDED: OnceCell<()> = OnceCell::const_new();

/// Some sample functions, without a host around them.
async fn load(components: &[&str]) -> (FunctionApp, TempDir) {
    let built = components_in("functions");
    let files: Vec<PathBuf> = components.iter().map(|name| built.join(name).with_extension("wasm")).collect();
    let data = tempfile::tempdir().expect("a temporary folder can be made");
    let app = FunctionApp::load(&files, data.path(), WasmSettings::default()).await;
    (app.expect("the samples can be loaded"), data)
}

/// Records the histories if that was asked for; every test waits for it.
async fn recorded() {
    let record = || async {
        if env::var_os("RECORD_HISTORIES").is_some() {
            let (app, _data) = load(&SAMPLES).await;
            record::all(app).await;
        }
    };
    RECORDED.get_or_init(record).await;
}

fn last_event(commit: &TurnCommit) -> &HistoryEvent {
    commit.turn.events.last().expect("a turn is never empty")
}

#[tokio::test(flavor = "multi_thread")]
async fn golden_histories_replay_to_what_was_done_then() {
    recorded().await;
    let (app, _data) = load(&SAMPLES).await;
    let goldens = golden::all();
    assert!(goldens.len() >= 8, "only {} golden histories", goldens.len());
    for (file, golden) in goldens {
        for turn in 0..golden.turns.len() {
            let commit = replay(&app, &golden, turn).await;
            assert_eq!(commit.turn, golden.turns[turn], "{file}, turn {turn}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn history_of_another_orchestrator_is_told_apart_with_both_sides() {
    recorded().await;
    let (app, _data) = load(&["hello_sequence"]).await;
    let mut golden = Golden::read("hello-sequence.json");
    let asked = golden.turns[1].events.last_mut().expect("a turn is never empty");
    let HistoryEvent::TaskScheduled(call) = asked else { panic!("{asked:?}") };
    call.name = "SayGoodbye".into();
    let commit = replay(&app, &golden, golden.turns.len() - 1).await;
    let HistoryEvent::ExecutionCompleted { failure: Some(failure), .. } = last_event(&commit) else {
        panic!("{commit:?}")
    };
    assert_eq!(failure.error_type, "NonDeterministicOrchestration");
    for side in ["activity 'SayGoodbye'", "activity 'SayHello'"] {
        assert!(failure.message.contains(side), "{failure}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn history_that_goes_on_after_the_end_is_told_apart() {
    recorded().await;
    let (app, _data) = load(&["hello_sequence"]).await;
    let mut golden = Golden::read("hello-sequence.json");
    let event = HistoryEvent::EventRaised { name: "late".into(), input: Json::null() };
    let time = golden.turns.last().expect("a history is never empty").time;
    golden.turns.push(Turn { time, events: vec![event] });
    let commit = replay(&app, &golden, golden.turns.len() - 1).await;
    let HistoryEvent::ExecutionCompleted { failure: Some(failure), .. } = last_event(&commit) else {
        panic!("{commit:?}")
    };
    assert_eq!(failure.error_type, "NonDeterministicOrchestration");
}
