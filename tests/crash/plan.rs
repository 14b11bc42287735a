//! What callers ask of the host, and what is to come of it.

use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError};

/// So many `BackgroundJob`s, and so many `PeriodicCleanup`s.
pub const JOBS_OF_A_KIND: usize = 100;
/// Steps of a job.
pub const STEPS: usize = 55;
/// Clean-ups of a periodic one.
pub const MAX_ROUNDS: usize = 55;
/// So many are approved, and so many terminated.
const WAITERS_OF_A_KIND: usize = 20;
/// Of a step, and between clean-ups.
const STEP_MS: u64 = 200;

/// Something that a caller asks of the host.
#[derive(Debug, Clone)]
pub enum Action {
    /// A singleton start; what is to come of it, and what is asked after it was acknowledged.
    Start {
        orchestrator: &'static str,
        id: String,
        input: Value,
        expected: Expected,
        next: Option<Box<Self>>,
    },
    /// The event that a waiter waits for.
    Approve { id: String },
    /// The end of a waiter.
    Terminate { id: String },
}

/// How an instance is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    Job,
    Cleanup,
    Approved,
    Terminated,
}

/// Shared by all callers.
#[derive(Debug, Clone)]
pub struct Plan(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// Not to be done yet.
    closed: Vec<Action>,
    /// To be done now.
    open: Vec<Action>,
    acknowledged: Vec<(String, Expected)>,
}

impl Plan {
    /// All that is to happen, in random order.
    pub fn new(random: &mut fastrand::Rng) -> Self {
        let mut closed = Vec::new();
        for number in 0..JOBS_OF_A_KIND {
            let input = json!({ "steps": STEPS, "stepMs": STEP_MS });
            closed.push(start("BackgroundJob", format!("job-{number}"), input, Expected::Job, None));
            let input = json!({ "everyMs": STEP_MS, "max": MAX_ROUNDS });
            closed.push(start(
                "PeriodicCleanup",
                format!("cleanup-{number}"),
                input,
                Expected::Cleanup,
                None,
            ));
        }
        for number in 0..WAITERS_OF_A_KIND {
            let input = json!({ "timeoutSeconds": 3600 });
            let id = format!("approved-{number}");
            let next = Action::Approve { id: id.clone() };
            closed.push(start("WaitForApproval", id, input.clone(), Expected::Approved, Some(next)));
            let id = format!("terminated-{number}");
            let next = Action::Terminate { id: id.clone() };
            closed.push(start("WaitForApproval", id, input, Expected::Terminated, Some(next)));
        }
        random.shuffle(&mut closed);
        Self(Arc::new(Mutex::new(State { closed, ..State::default() })))
    }

    /// Lets so many more actions be done.
    pub fn open(&self, count: usize) {
        let mut state = self.lock();
        let rest = state.closed.len().saturating_sub(count);
        let opened = state.closed.split_off(rest);
        state.open.extend(opened);
    }

    /// An action that is to be done now.
    pub fn take(&self) -> Option<Action> {
        self.lock().open.pop()
    }

    /// It could not be done, or nobody knows whether it was.
    pub fn put_back(&self, action: Action) {
        self.lock().open.push(action);
    }

    /// It was done: what comes after it may be done.
    pub fn acknowledged(&self, action: Action) {
        let Action::Start { id, expected, next, .. } = action else { return };
        let mut state = self.lock();
        state.acknowledged.push((id, expected));
        // In a later life of the host as well as in this one.
        let is_for_now = state.acknowledged.len().is_multiple_of(2);
        let place = if is_for_now { &mut state.open } else { &mut state.closed };
        place.extend(next.map(|next| *next));
    }

    /// Whether nothing is left.
    pub fn is_done(&self) -> bool {
        let state = self.lock();
        state.closed.is_empty() && state.open.is_empty()
    }

    /// Every acknowledged instance and how it is to end.
    pub fn expected(&self) -> Vec<(String, Expected)> {
        self.lock().acknowledged.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn start(
    orchestrator: &'static str,
    id: String,
    input: Value,
    expected: Expected,
    next: Option<Action>,
) -> Action {
    Action::Start { orchestrator, id, input, expected, next: next.map(Box::new) }
}
