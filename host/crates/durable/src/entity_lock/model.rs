//! The lock protocol in every order in which things can happen: orchestrations that lock entities, call them, give up, end
//! or are terminated at any moment, and others who signal the entities meanwhile.
//!
//! What is checked in each state: whoever was granted its locks holds all of them, nobody else is served, no lock is held
//! by somebody who is over, and something can happen until all are over and every message is taken. Nothing happens for
//! ever, because each step uses something up: where nothing is stuck, everything ends.

use super::{CriticalSection, Lane, LockRequest, LockStep};
use crate::{Caller, EntityId, EntityRecord, ExecutionId, InstanceId, TaskId, Timestamp, Token};
use std::collections::HashSet;
use uuid::Uuid;

const COUNT: usize = 3;

/// The one that may give up its first request and ask again.
const FICKLE: usize = 0;

/// The entity that somebody else signals.
const SIGNALLED: Entity = 1;

/// Number of an orchestration.
type Who = usize;
/// Number of an entity; their order is that of their ids.
type Entity = usize;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Mail {
    Lock(Who, u32),
    Call(Who),
    Signal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Phase {
    Idle,
    Asked,
    /// It holds its locks. It calls the last entity.
    Inside(Call),
    Over,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Call {
    ToBeMade,
    UnderWay,
    Answered,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Step {
    Ask(Who),
    GiveUp(Who),
    Enter(Who),
    Call(Who),
    End(Who),
    Terminate(Who),
    Signal,
    Serve(Entity),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    phases: [Phase; COUNT],
    /// The task of the request that each makes.
    tasks: [u32; COUNT],
    /// The task of the critical section that is noted for each.
    sections: [Option<u32>; COUNT],
    /// Who has been told that it holds its locks, for which task.
    granted: [Option<u32>; COUNT],
    locks: [Option<Who>; COUNT],
    mail: [Vec<(Lane, Mail)>; COUNT],
    signalled: bool,
}

/// The rules under test, or broken ones.
#[derive(Clone, Copy)]
struct Rules {
    step: for<'a> fn(&'a LockRequest, &EntityId, Option<&CriticalSection>) -> LockStep<'a>,
    is_open: fn(Lane, Option<&EntityRecord>) -> bool,
}

const RULES: Rules = Rules { step: LockRequest::step, is_open: Lane::is_open };

/// What each orchestration locks.
struct Model {
    rules: Rules,
    wanted: [&'static [Entity]; COUNT],
    ids: [EntityId; COUNT],
    /// By who holds the lock: nobody first.
    records: [EntityRecord; COUNT + 1],
    /// By who asks and the task; only one asks twice.
    requests: [[LockRequest; 2]; COUNT],
}

fn slot(lock: Option<Who>) -> usize {
    lock.map_or(0, |who| who + 1)
}

fn execution(who: Who) -> ExecutionId {
    ExecutionId(Uuid::from_u128(who as u128))
}

fn holder(who: Who, task: u32) -> Caller {
    let instance = InstanceId::new(&who.to_string()).expect("valid");
    Caller { instance, execution: execution(who), task: TaskId(task) }
}

fn record(lock: Option<Who>) -> EntityRecord {
    let lock = lock.map(|who| holder(who, 0));
    EntityRecord { version: Token(0), state: None, last_operation: Timestamp::default(), lock }
}

impl Model {
    fn new(rules: Rules, wanted: [&'static [Entity]; COUNT]) -> Self {
        let id = |number: Entity| EntityId::new("e", &number.to_string()).expect("valid");
        let ids = [id(0), id(1), id(2)];
        let request = |who: Who, task| {
            let entities = wanted[who].iter().map(|entity| ids[*entity].clone()).collect();
            LockRequest { holder: holder(who, task), entities }
        };
        Self {
            records: [None, Some(0), Some(1), Some(2)].map(record),
            requests: [0, 1, 2].map(|who| [request(who, 0), request(who, 1)]),
            rules,
            wanted,
            ids,
        }
    }

    fn begin() -> State {
        State {
            phases: [Phase::Idle; COUNT],
            tasks: [0; COUNT],
            sections: [None; COUNT],
            granted: [None; COUNT],
            locks: [None; COUNT],
            mail: [const { Vec::new() }; COUNT],
            signalled: false,
        }
    }

    fn request(&self, who: Who, task: u32) -> &LockRequest {
        &self.requests[who][task as usize]
    }

    /// All that may happen next.
    fn steps(&self, state: &State) -> Vec<Step> {
        let mut steps = Vec::new();
        for who in 0..COUNT {
            match state.phases[who] {
                Phase::Over => continue,
                Phase::Idle => steps.push(Step::Ask(who)),
                Phase::Asked if state.granted[who] == Some(state.tasks[who]) => steps.push(Step::Enter(who)),
                Phase::Inside(Call::ToBeMade) => steps.push(Step::Call(who)),
                Phase::Inside(Call::Answered) => steps.push(Step::End(who)),
                Phase::Asked | Phase::Inside(Call::UnderWay) => {}
            }
            if who == FICKLE && state.phases[who] == Phase::Asked && state.tasks[who] == 0 {
                steps.push(Step::GiveUp(who));
            }
            steps.push(Step::Terminate(who));
        }
        if !state.signalled {
            steps.push(Step::Signal);
        }
        for entity in 0..COUNT {
            if self.next_mail(state, entity).is_some() {
                steps.push(Step::Serve(entity));
            }
        }
        steps
    }

    fn next_mail(&self, state: &State, entity: Entity) -> Option<usize> {
        let record = &self.records[slot(state.locks[entity])];
        let open = state.mail[entity].iter().enumerate();
        let open = open.filter(|(_, (lane, _))| (self.rules.is_open)(*lane, Some(record)));
        open.min_by_key(|(place, (lane, _))| (*lane, *place)).map(|(place, _)| place)
    }

    fn after(&self, mut state: State, step: Step) -> Result<State, String> {
        match step {
            Step::Ask(who) => {
                state.phases[who] = Phase::Asked;
                state.sections[who] = Some(state.tasks[who]);
                let first = self.wanted[who][0];
                state.mail[first].push((Lane::Queue, Mail::Lock(who, state.tasks[who])));
            }
            Step::GiveUp(who) => {
                release(&mut state, who);
                state.phases[who] = Phase::Idle;
                state.tasks[who] += 1;
                state.granted[who] = None;
            }
            Step::Enter(who) => state.phases[who] = Phase::Inside(Call::ToBeMade),
            Step::Call(who) => {
                let last = self.wanted[who][self.wanted[who].len() - 1];
                let lane = Lane::of_call(Some(&self.records[slot(state.locks[last])]), execution(who));
                state.mail[last].push((lane, Mail::Call(who)));
                state.phases[who] = Phase::Inside(Call::UnderWay);
            }
            Step::End(who) | Step::Terminate(who) => {
                release(&mut state, who);
                state.phases[who] = Phase::Over;
                state.granted[who] = None;
            }
            Step::Signal => {
                state.signalled = true;
                state.mail[SIGNALLED].push((Lane::Queue, Mail::Signal));
            }
            Step::Serve(entity) => self.serve(&mut state, entity)?,
        }
        Ok(state)
    }

    fn serve(&self, state: &mut State, entity: Entity) -> Result<(), String> {
        let Some(place) = self.next_mail(state, entity) else { return Ok(()) };
        let (_, mail) = state.mail[entity].remove(place);
        let lock = state.locks[entity];
        match mail {
            Mail::Lock(who, task) => self.lock(state, entity, who, task),
            Mail::Call(who) => {
                let is_inside = matches!(state.phases[who], Phase::Inside(..));
                if lock.is_some_and(|holder| holder != who) || is_inside && lock != Some(who) {
                    return Err(format!("entity {entity}, locked by {lock:?}, serves {who}"));
                }
                if is_inside {
                    state.phases[who] = Phase::Inside(Call::Answered);
                }
                Ok(())
            }
            Mail::Signal if lock.is_some() => {
                Err(format!("entity {entity}, locked by {lock:?}, takes a signal"))
            }
            Mail::Signal => Ok(()),
        }
    }

    fn lock(&self, state: &mut State, entity: Entity, who: Who, task: u32) -> Result<(), String> {
        if let Some(holder) = state.locks[entity] {
            return Err(format!("entity {entity}, locked by {holder}, takes the request of {who}"));
        }
        let section = state.sections[who].map(|task| self.request(who, task).section());
        let request = self.request(who, task);
        match (self.rules.step)(request, &self.ids[entity], section.as_ref()) {
            LockStep::Void => return Ok(()),
            LockStep::GoOn(next) => {
                let next = self.ids.iter().position(|id| id == next).expect("one of them");
                state.mail[next].push((Lane::Queue, Mail::Lock(who, task)));
            }
            LockStep::Granted => state.granted[who] = Some(task),
        }
        state.locks[entity] = Some(who);
        Ok(())
    }

    /// What must hold in every state.
    fn check(&self, state: &State) -> Result<(), String> {
        for who in 0..COUNT {
            let lacks = |entity: &Entity| state.locks[*entity] != Some(who);
            if matches!(state.phases[who], Phase::Inside(..)) && self.wanted[who].iter().any(lacks) {
                return Err(format!("{who} was granted locks that it does not hold"));
            }
        }
        let orphan = state.locks.iter().flatten().find(|who| state.sections[**who].is_none());
        orphan.map_or(Ok(()), |who| Err(format!("{who} is in no critical section and holds a lock")))
    }

    /// Every state that can be reached; how many there are.
    fn explore(&self) -> Result<usize, String> {
        let mut seen = HashSet::from([Self::begin()]);
        let mut new = vec![Self::begin()];
        while let Some(state) = new.pop() {
            let steps = self.steps(&state);
            // That somebody may be terminated, or gives up, is no way out.
            let goes_on = steps.iter().any(|step| !matches!(step, Step::Terminate(_) | Step::GiveUp(_)));
            let is_over = state.phases == [Phase::Over; COUNT] && state.mail.iter().all(Vec::is_empty);
            if !(goes_on || is_over && state.locks == [None; COUNT]) {
                return Err(format!("nothing can happen any more: {state:?}"));
            }
            for step in steps {
                let error = |error| format!("{error}, after {step:?} in {state:?}");
                let next = self.after(state.clone(), step).map_err(error)?;
                self.check(&next).map_err(error)?;
                if seen.insert(next.clone()) {
                    new.push(next);
                }
            }
        }
        Ok(seen.len())
    }
}

/// As the store does it when an execution releases its locks, or is over.
fn release(state: &mut State, who: Who) {
    if state.sections[who].take().is_some() {
        for lock in state.locks.iter_mut().filter(|lock| **lock == Some(who)) {
            *lock = None;
        }
    }
}

/// Each choice of what the orchestrations lock; in which order the others are does not matter. One entity alone stands for
/// all such choices.
fn choices() -> impl Iterator<Item = [&'static [Entity]; COUNT]> {
    const SETS: [&[Entity]; 5] = [&[1], &[0, 1], &[0, 2], &[1, 2], &[0, 1, 2]];
    let of_others = (0..SETS.len()).flat_map(|b| (b..SETS.len()).map(move |c| (SETS[b], SETS[c])));
    of_others.flat_map(|(b, c)| SETS.map(|a| [a, b, c]))
}

#[test]
fn locks_exclude_are_never_orphaned_and_never_deadlock_in_any_order_of_events() {
    for wanted in choices() {
        let states = Model::new(RULES, wanted).explore();
        assert!(states.as_ref().is_ok_and(|states| *states > 1_000), "{wanted:?}: {states:?}");
    }
}

#[test]
fn model_finds_what_broken_rules_lead_to() {
    let find = |rules, wanted| Model::new(rules, wanted).explore().expect_err("the rules are broken");
    let deaf = Rules { step: |request, entity, _| request.step(entity, Some(&request.section())), ..RULES };
    assert!(find(deaf, [&[0, 1], &[0], &[1]]).contains("is in no critical section"));
    let open = Rules { is_open: |_, _| true, ..RULES };
    assert!(find(open, [&[0, 1], &[1], &[2]]).contains("entity 1, locked by"));
    // Each takes its locks in the order in which it names them.
    let unordered = Rules {
        step: |request, entity, section| {
            let next = request.entities.iter().skip_while(|id| *id != entity).nth(1);
            match request.step(entity, section) {
                LockStep::Void => LockStep::Void,
                _ => next.map_or(LockStep::Granted, LockStep::GoOn),
            }
        },
        ..RULES
    };
    assert!(find(unordered, [&[0], &[1, 2], &[2, 1]]).contains("nothing can happen any more"));
}
