//! Golden histories: what today's sample functions do must be what they did when these were recorded.
//!
//! `RECORD_HISTORIES=1 cargo test --release -p durance-tests --test histories` records them again, after a sample was
//! changed on purpose.

mod golden;
mod record;

use durance_durable::{ExecutionHistory, HistoryEvent, Json, Turn};
use durance_taskhub::{Divergence, FunctionExecutor as _, replay};
use durance_tests::components_in;
use durance_wasm::{FunctionApp, WasmSettings};
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

async fn replayed(app: &FunctionApp, history: &ExecutionHistory) -> Option<Divergence> {
    let module = app.resolve_orchestrator(&history.record.name).expect("the app has the orchestrator");
    replay(app, module, history).await.expect("the host can run the orchestrator")
}

#[tokio::test(flavor = "multi_thread")]
async fn golden_histories_replay_to_what_was_done_then() {
    recorded().await;
    let (app, _data) = load(&SAMPLES).await;
    let goldens = golden::all();
    assert!(goldens.len() >= 8, "only {} golden histories", goldens.len());
    for (file, mut golden) in goldens {
        // Ended after each of its turns: one that is not over replays too.
        while !golden.turns.is_empty() {
            assert_eq!(replayed(&app, &golden).await, None, "{file}, turn {}", golden.turns.len() - 1);
            golden.turns.pop();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn history_of_other_code_is_told_apart_with_both_sides() {
    recorded().await;
    let (app, _data) = load(&["hello_sequence"]).await;
    let mut golden = golden::read("hello-sequence.jsonl");
    let (place, time) = (2 + golden.turns[0].events.len() as u64 - 1, golden.turns[1].time);
    let asked = golden.turns[1].events.last_mut().expect("a turn is never empty");
    let HistoryEvent::TaskScheduled(call) = asked else { panic!("{asked:?}") };
    call.name = "SayGoodbye".into();
    let found = replayed(&app, &golden).await.expect("it has another name");
    assert_eq!((found.event_number, found.turn, found.turn_time), (place, 1, time));
    assert!(found.history.contains("activity 'SayGoodbye'"), "{found:?}");
    assert!(found.code.contains("activity 'SayHello'"), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_output_is_told_apart() {
    recorded().await;
    let (app, _data) = load(&["hello_sequence"]).await;
    let mut golden = golden::read("hello-sequence.jsonl");
    let last = golden.turns.last_mut().and_then(|turn| turn.events.last_mut());
    let Some(HistoryEvent::ExecutionCompleted { output, .. }) = last else { panic!("{last:?}") };
    *output = Some(Json::of("Goodbye"));
    let found = replayed(&app, &golden).await.expect("it has another output");
    assert_eq!(found.event_number, golden.event_count() - 1);
    assert!(found.history.ends_with("with output \"Goodbye\""), "{found:?}");
    assert!(found.code.contains("Hello Seattle!"), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn history_that_goes_on_after_the_end_is_told_apart() {
    recorded().await;
    let (app, _data) = load(&["hello_sequence"]).await;
    let mut golden = golden::read("hello-sequence.jsonl");
    let place = golden.event_count() - 1;
    let event = HistoryEvent::EventRaised { name: "late".into(), input: Json::null() };
    let time = golden.turns.last().expect("a history is never empty").time;
    golden.turns.push(Turn { time, events: vec![event] });
    let found = replayed(&app, &golden).await.expect("it goes on");
    assert_eq!((found.event_number, found.code.as_str()), (place, "the end of the orchestrator"));
}

#[tokio::test(flavor = "multi_thread")]
async fn terminated_history_replays_up_to_its_termination() {
    recorded().await;
    let (app, _data) = load(&["hello_sequence"]).await;
    let mut golden = golden::read("hello-sequence.jsonl");
    let last = golden.turns.last_mut().expect("a history is never empty");
    let reason = HistoryEvent::ExecutionTerminated { reason: "enough".into(), recursive: false };
    last.events = vec![reason];
    assert_eq!(replayed(&app, &golden).await, None);
    golden.turns[0].events.pop();
    assert!(replayed(&app, &golden).await.is_some());
}
