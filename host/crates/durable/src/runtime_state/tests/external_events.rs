//! No event is lost, doubled or reordered, whatever comes between.

use super::*;
use proptest::prelude::*;
use std::{
    cell::RefCell,
    future::{Future, poll_fn},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

/// Something that happens to an instance, or to its host.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// An event of one of the two names comes, in one case or the other.
    Raise {
        is_first_name: bool,
        is_upper_case: bool,
    },
    Suspend,
    Resume,
    /// What has come is taken in one turn.
    Turn,
    /// The host ends between turns.
    Crash,
    /// The host ends before a turn is durable.
    CrashInTurn,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (any::<bool>(), any::<bool>())
            .prop_map(|(is_first_name, is_upper_case)| Step::Raise { is_first_name, is_upper_case }),
        1 => Just(Step::Suspend),
        1 => Just(Step::Resume),
        4 => Just(Step::Turn),
        1 => Just(Step::Crash),
        1 => Just(Step::CrashInTurn),
    ]
}

type Shared = Rc<RefCell<RuntimeState>>;

async fn first_of(state: &Shared, tasks: &[TaskId]) -> TaskId {
    poll_fn(|_| match state.borrow_mut().wait_any(tasks).unwrap() {
        Some(task) => Poll::Ready(task),
        None => Poll::Pending,
    })
    .await
}

/// Takes some events of either name, whichever comes first, and goes on as new with all that it has seen. It gives up the
/// waiter that got nothing, or keeps it; one waiter too many is open all the time.
async fn collect(state: Shared, per_execution: usize, keeps_waiters: bool) -> Json {
    let mut seen: Vec<u32> = serde_json::from_str(state.borrow().input().as_str()).unwrap();
    let wait = |name| state.borrow_mut().wait_for_external_event(name).unwrap();
    let mut waiters = [wait("a"), wait("B")];
    for _ in 0..per_execution {
        let first = first_of(&state, &waiters).await;
        let event = state.borrow_mut().take_result(first).unwrap().unwrap();
        seen.push(serde_json::from_str(event.as_str()).unwrap());
        for (waiter, name) in waiters.iter_mut().zip(["A", "b"]) {
            if *waiter != first && !keeps_waiters {
                state.borrow_mut().cancel_task(*waiter).unwrap();
            }
            if *waiter == first || !keeps_waiters {
                *waiter = wait(name);
            }
        }
    }
    let input = Json::of(&seen);
    state.borrow_mut().continue_as_new(ContinueAsNew {
        input,
        preserve_unprocessed_events: true,
        keep_version: false,
    });
    Json::null()
}

/// An orchestrator at work.
type Guest = Pin<Box<dyn Future<Output = Json>>>;

/// An instance in a host that can crash.
struct Instance {
    per_execution: usize,
    keeps_waiters: bool,
    executions: u128,
    began_with: ExecutionRecord,
    history: Vec<Turn>,
    inbox: Vec<HistoryEvent>,
    time: u64,
    hot: Option<(Shared, Option<Guest>)>,
}

impl Instance {
    fn new(per_execution: usize, keeps_waiters: bool) -> Self {
        let mut began_with = state(Vec::new()).record;
        began_with.input = json("[]");
        let (history, inbox) = (Vec::new(), Vec::new());
        Self { per_execution, keeps_waiters, executions: 1, began_with, history, inbox, time: 10, hot: None }
    }

    fn load(&self) -> Shared {
        let mut loaded = state(self.history.clone());
        loaded.execution = ExecutionId(Uuid::from_u128(self.executions));
        loaded.record = self.began_with.clone();
        Rc::new(RefCell::new(loaded))
    }

    fn turn(&mut self, is_durable: bool) {
        let (state, mut guest) = self.hot.take().unwrap_or_else(|| (self.load(), None));
        let mut events = self.inbox.clone();
        if self.history.is_empty() {
            events.insert(0, HistoryEvent::ExecutionStarted);
        }
        self.time += 1;
        state.borrow_mut().begin_turn(Timestamp::from_nanos(self.time), events);
        if guest.is_none() && state.borrow_mut().poll_start().unwrap() {
            guest = Some(Box::pin(collect(Rc::clone(&state), self.per_execution, self.keeps_waiters)));
        }
        let polled = guest.as_mut().map(|guest| guest.as_mut().poll(&mut Context::from_waker(Waker::noop())));
        let outcome = match polled {
            Some(Poll::Ready(output)) => Outcome::Returned(Ok(output)),
            Some(Poll::Pending) | None => Outcome::Waiting,
        };
        let next = ExecutionId(Uuid::from_u128(self.executions + 1));
        let commit = state.borrow_mut().end_turn(outcome, Vec::new(), || next);
        if is_durable {
            self.hot = Some((state, guest));
            self.inbox.clear();
            self.commit(commit);
        }
    }

    fn commit(&mut self, commit: Option<TurnCommit>) {
        let Some(commit) = commit else { return };
        match commit.next {
            Some(next) => {
                self.hot = None;
                self.history.clear();
                self.executions += 1;
                self.began_with = next.record;
                // The next execution begins at once.
                self.turn(true);
            }
            None if commit.turn.events.is_empty() => {}
            None => self.history.push(commit.turn),
        }
    }

    fn seen(&self) -> Vec<u32> {
        serde_json::from_str(self.began_with.input.as_str()).unwrap()
    }
}

fn play(steps: &[Step], per_execution: usize, keeps_waiters: bool) -> (Vec<u32>, u32) {
    let mut instance = Instance::new(per_execution, keeps_waiters);
    let mut count = 0;
    let raise = |instance: &mut Instance, name: &str, count: &mut u32| {
        instance.inbox.push(raised(name, &count.to_string()));
        *count += 1;
    };
    for step in steps {
        match *step {
            Step::Raise { is_first_name, is_upper_case } => {
                let name = match (is_first_name, is_upper_case) {
                    (true, false) => "a",
                    (true, true) => "A",
                    (false, false) => "b",
                    (false, true) => "B",
                };
                raise(&mut instance, name, &mut count);
            }
            Step::Suspend => instance.inbox.push(suspended()),
            Step::Resume => instance.inbox.push(resumed()),
            Step::Turn => instance.turn(true),
            Step::Crash => instance.hot = None,
            Step::CrashInTurn => instance.turn(false),
        }
    }
    // Fill up the last execution, so that it hands on what it has seen.
    instance.inbox.push(resumed());
    while !(count as usize).is_multiple_of(per_execution) {
        raise(&mut instance, "a", &mut count);
    }
    instance.turn(true);
    (instance.seen(), count)
}

proptest! {
    #[test]
    fn every_event_is_taken_once_in_the_order_in_which_it_came(
        steps in proptest::collection::vec(step(), 0..80),
        per_execution in 1..6_usize,
        keeps_waiters in any::<bool>(),
    ) {
        let (seen, count) = play(&steps, per_execution, keeps_waiters);
        prop_assert_eq!(seen, (0..count).collect::<Vec<_>>());
    }
}
