//! Histories in files, and their replay.

use durance_durable::{
    ExecutionId, ExecutionRecord, InstanceRecord, Outcome, RuntimeState, RuntimeStatus, StartDetails, Token,
    Turn, TurnCommit,
};
use durance_taskhub::{FunctionExecutor as _, Progress};
use durance_tests::repository;
use durance_wasm::FunctionApp;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::{fs, path::PathBuf, sync::Arc};

/// One execution of an orchestration from its beginning to its end.
#[derive(Debug, Serialize, Deserialize)]
pub struct Golden {
    pub orchestrator: String,
    pub execution: ExecutionId,
    pub begun_with: ExecutionRecord,
    pub turns: Vec<Turn>,
}

impl Golden {
    pub fn read(file: &str) -> Self {
        let text = fs::read_to_string(folder().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"))
    }

    pub fn write(&self, file: &str) {
        let text = serde_json::to_string_pretty(self).expect("it can be written as JSON");
        fs::write(folder().join(file), text + "\n").expect("the repository can be written to");
    }
}

fn folder() -> PathBuf {
    repository().join("tests/histories")
}

/// Every golden history with the name of its file.
pub fn all() -> Vec<(String, Golden)> {
    let entries = fs::read_dir(folder()).expect("it is a folder").flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut files: Vec<_> = names.filter(|name| name.ends_with(".json")).collect();
    files.sort();
    files.into_iter().map(|file| (file.clone(), Golden::read(&file))).collect()
}

/// Replays the turns before `turn`, then gives the orchestrator what came to it in that turn; what it does is answered.
pub async fn replay(app: &FunctionApp, golden: &Golden, turn: usize) -> TurnCommit {
    let module = app.resolve_orchestrator(&golden.orchestrator).expect("the app has the orchestrator");
    let past = golden.turns[..turn].to_vec();
    let record = InstanceRecord {
        name: golden.orchestrator.as_str().into(),
        execution: golden.execution,
        generation: 1,
        token: Token(1),
        module,
        status: RuntimeStatus::Running,
        created: golden.begun_with.started,
        last_updated: golden.begun_with.started,
        event_count: past.iter().map(|turn| turn.events.len() as u64).sum(),
        custom_status: None,
        output: None,
        failure: None,
        details: StartDetails::default(),
    };
    let state = Arc::new(Mutex::new(RuntimeState::new(&record, golden.begun_with.clone(), past)));
    let mut run = app.orchestrator(module, Arc::clone(&state)).expect("the orchestrator can be run");

    let present = &golden.turns[turn];
    let received = present.events.iter().filter(|event| event.is_received()).cloned().collect();
    state.lock().begin_turn(present.time, received);
    let progress = run.resume().await.expect("the host can run the orchestrator");
    let mut state = state.lock();
    let outcome = match (state.take_fault(), progress) {
        (Some(fault), _) => Outcome::Returned(Err(fault.failure())),
        (None, Progress::Waiting) => Outcome::Waiting,
        (None, Progress::Returned(result)) => Outcome::Returned(result),
    };
    state.end_turn(outcome, vec![0], || golden.execution).expect("a turn in which something came is written")
}
