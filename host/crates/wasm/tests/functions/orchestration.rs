//! A task hub of one instance, without storage: turns are run one by one.

use durance_durable::{
    ExecutionId, ExecutionRecord, HistoryEvent, InstanceId, InstanceRecord, Json, ModuleHash, Outcome,
    RuntimeState, RuntimeStatus, ScheduleTask, StartDetails, TaskFailureDetails, TaskId, Timestamp, Token,
    Turn,
};
use durance_taskhub::{
    ActivityCall, ActivityControl, FunctionExecutor, OrchestratorRun, Progress, SharedState,
};
use durance_wasm::FunctionApp;
use std::sync::Arc;
use uuid::Uuid;

const SECOND: u64 = 1_000_000_000;

/// An instance of an orchestration, and the history that its turns made.
pub(crate) struct Orchestration<'a> {
    app: &'a FunctionApp,
    module: ModuleHash,
    name: String,
    input: Json,
    pub(crate) state: SharedState,
    pub(crate) run: Box<dyn OrchestratorRun>,
    pub(crate) history: Vec<Turn>,
}

impl<'a> Orchestration<'a> {
    pub(crate) fn new(app: &'a FunctionApp, name: &str, input: &str) -> Self {
        let module = app.resolve_orchestrator(name).unwrap_or_else(|| panic!("no orchestrator {name}"));
        Self::pinned(app, module, name, input)
    }

    pub(crate) fn pinned(app: &'a FunctionApp, module: ModuleHash, name: &str, input: &str) -> Self {
        let input = Json::parse(input).unwrap();
        let state = new_state(name, module, &input, Vec::new());
        let run = app.orchestrator(module, Arc::clone(&state)).unwrap();
        Self { app, module, name: name.to_owned(), input, state, run, history: Vec::new() }
    }

    /// Forgets all but the history, as a crash does.
    pub(crate) fn restart(&mut self) {
        self.state = new_state(&self.name, self.module, &self.input, self.history.clone());
        self.run = self.app.orchestrator(self.module, Arc::clone(&self.state)).unwrap();
    }

    /// Runs a turn, one second after the one before it.
    pub(crate) async fn turn(&mut self, event: HistoryEvent) -> Progress {
        let time = Timestamp::from_nanos((self.history.len() as u64 + 1) * SECOND);
        self.state.lock().begin_turn(time, vec![event]);
        let progress = self.run.resume().await.unwrap();
        let outcome = match progress.clone() {
            Progress::Waiting => Outcome::Waiting,
            Progress::Returned(result) => Outcome::Returned(result),
        };
        let ended = self.state.lock().end_turn(outcome, vec![0], || ExecutionId(Uuid::nil()));
        self.history.push(ended.expect("a turn that took a message is committed").turn);
        progress
    }

    pub(crate) async fn start(&mut self) -> Progress {
        self.turn(HistoryEvent::ExecutionStarted).await
    }

    pub(crate) async fn raise(&mut self, name: &str) -> Progress {
        self.turn(HistoryEvent::EventRaised { name: name.into(), input: Json::null() }).await
    }

    /// The activities that the last turn called.
    pub(crate) fn called(&self) -> Vec<ScheduleTask> {
        let events = self.history.last().map(|turn| turn.events.as_slice()).unwrap_or_default();
        let called = events.iter().filter_map(|event| match event {
            HistoryEvent::TaskScheduled(call) => Some(call.clone()),
            _ => None,
        });
        called.collect()
    }

    pub(crate) async fn run_activity(&mut self, call: ScheduleTask) -> Result<Json, TaskFailureDetails> {
        run_activity(self.app, self.module, call, 1).await
    }

    /// Starts it and runs the activities that it calls, until it waits for something else or ends.
    pub(crate) async fn go(&mut self) -> Progress {
        let mut progress = self.start().await;
        while progress == Progress::Waiting {
            let Some(call) = self.called().into_iter().next() else { break };
            progress = self.answer(call).await;
        }
        progress
    }

    /// Runs an activity and the turn that its end makes.
    pub(crate) async fn answer(&mut self, call: ScheduleTask) -> Progress {
        let task = call.task;
        let event = match self.run_activity(call).await {
            Ok(result) => HistoryEvent::TaskCompleted { task, result },
            Err(failure) => HistoryEvent::TaskFailed { task, failure },
        };
        self.turn(event).await
    }
}

pub(crate) async fn run_activity(
    app: &FunctionApp,
    module: ModuleHash,
    call: ScheduleTask,
    attempt: u32,
) -> Result<Json, TaskFailureDetails> {
    let instance = InstanceId::new("the-instance").unwrap();
    let execution = ExecutionId(Uuid::from_u128(7));
    let control = Arc::new(ActivityControl::new(None));
    app.activity(ActivityCall { instance, execution, generation: 3, module, call, attempt, control }).await
}

/// A call of an activity, as the first task of its orchestration.
pub(crate) fn schedule(name: &str, input: &str) -> ScheduleTask {
    ScheduleTask {
        task: TaskId(0),
        name: name.into(),
        input: Json::parse(input).unwrap(),
        options: durance_durable::ActivityOptions::default(),
    }
}

/// What an orchestration ended with.
pub(crate) fn output(progress: Progress) -> Json {
    match progress {
        Progress::Returned(Ok(output)) => output,
        other => panic!("it has no output: {other:?}"),
    }
}

/// Why an orchestration failed.
pub(crate) fn failure(progress: Progress) -> TaskFailureDetails {
    match progress {
        Progress::Returned(Err(failure)) => failure,
        other => panic!("it has not failed: {other:?}"),
    }
}

fn new_state(name: &str, module: ModuleHash, input: &Json, history: Vec<Turn>) -> SharedState {
    let event_count = history.iter().map(|turn| turn.events.len() as u64).sum();
    let instance = InstanceRecord {
        name: name.into(),
        execution: ExecutionId(Uuid::from_u128(7)),
        generation: 3,
        token: Token(1),
        module,
        status: RuntimeStatus::Running,
        created: Timestamp::from_nanos(SECOND),
        last_updated: Timestamp::from_nanos(SECOND),
        event_count,
        custom_status: None,
        output: None,
        failure: None,
        details: StartDetails::default(),
    };
    let record = ExecutionRecord {
        instance: InstanceId::new("the-instance").unwrap(),
        started: Timestamp::from_nanos(SECOND),
        input: input.clone(),
        parent: None,
        carryover: Vec::new(),
        retention: durance_durable::RetentionPolicy::default(),
    };
    Arc::new(parking_lot::Mutex::new(RuntimeState::new(&instance, record, history)))
}
