//! The runner of an entity: turn after turn as long as there is something that it may take.
//!
//! Nothing of an entity is kept in memory between turns: its messages and its state are read from the store. To be woken
//! is to look there once more.

use crate::{
    EntityAction, EntityAnswer, EntityCall,
    committer::NotCommitted,
    engine::{Engine, Pause},
    timers::Due,
};
use durance_durable::{
    EntityId, EntityMessage, EntityOperation, EntitySignal, Json, TaskFailureDetails, Timestamp,
};
use durance_store::{
    EntityReply, EntityTurn, EntityTurnOutcome, MailPlace, Operation, Outcome, StartRequest, StoreError,
};
use futures_util::FutureExt;
use parking_lot::Mutex;
use std::{collections::HashMap, panic::AssertUnwindSafe, sync::Arc, time::Duration};
use tokio::sync::{Semaphore, mpsc};

/// Between tries of a turn that the host could not run.
const BACKOFF_FIRST: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// The most operations in one turn: bounds what a turn holds in memory, and what runs again after a crash.
const BATCH_MAX: usize = 128;

/// A turn takes no further operation after this time: whoever called the first one waits for its commit.
const BATCH_TIME_MAX: Duration = Duration::from_millis(50);

/// The entities that have a runner.
#[derive(Debug)]
pub(crate) struct Entities {
    places: Semaphore,
    running: Mutex<HashMap<EntityId, Woken>>,
}

/// Whether a running entity is to look once more before its runner ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Woken {
    Again,
    No,
}

impl Entities {
    pub(crate) fn new(concurrent_max: usize) -> Self {
        Self { places: Semaphore::new(concurrent_max), running: Mutex::default() }
    }

    /// Makes the caller the runner of an entity; false if it has one, which will look once more.
    fn begin(&self, entity: &EntityId) -> bool {
        self.running.lock().insert(entity.clone(), Woken::Again).is_none()
    }

    /// From now on what wakes the entity is news.
    fn look(&self, entity: &EntityId) {
        self.running.lock().insert(entity.clone(), Woken::No);
    }

    /// Ends the runner, unless the entity was woken since its last look.
    fn end(&self, entity: &EntityId) -> bool {
        let mut running = self.running.lock();
        let ends = running.get(entity) != Some(&Woken::Again);
        if ends {
            running.remove(entity);
        }
        ends
    }

    fn give_up(&self, entity: &EntityId) {
        self.running.lock().remove(entity);
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.running.lock().is_empty()
    }
}

/// How a look at an entity ended.
enum Look {
    /// A turn was committed, or is to be tried again on what the entity is now.
    Again,
    /// There is nothing to take before this time.
    Idle(Option<Timestamp>),
    /// It could not be run, for this reason: to be tried again later.
    Postponed(String),
    /// Nothing can be committed any more.
    Closed,
}

/// Wakes the entities that commits have sent something to.
pub(crate) async fn wake_entities(engine: Arc<Engine>, mut woken: mpsc::UnboundedReceiver<EntityId>) {
    while let Some(entity) = woken.recv().await {
        engine.wake_entity(entity);
    }
}

async fn run_entity(engine: Arc<Engine>, entity: EntityId) {
    let mut backoff = BACKOFF_FIRST;
    while !engine.is_stopping() {
        let Ok(place) = engine.entities.places.acquire().await else { break };
        engine.entities.look(&entity);
        let era = engine.era.present();
        let look = AssertUnwindSafe(engine.entity_turn(&entity)).catch_unwind().await;
        drop((place, era));
        match look.unwrap_or_else(|_| Look::Postponed("the host has panicked".to_owned())) {
            Look::Again => backoff = BACKOFF_FIRST,
            Look::Idle(next_due) => {
                if let Some(due) = next_due {
                    engine.timers.add(Due::Signal(entity.clone(), due));
                }
                if engine.entities.end(&entity) {
                    return;
                }
            }
            Look::Postponed(why) => {
                tracing::warn!(%entity, error = %why, retry_after = ?backoff, "turn of an entity postponed");
                if engine.pause(backoff).await == Pause::Stopped {
                    break;
                }
                backoff = (backoff * 2).min(BACKOFF_MAX);
            }
            Look::Closed => break,
        }
    }
    // What it has not taken is in the store.
    engine.entities.give_up(&entity);
}

impl Engine {
    /// Sees that an entity takes what it may.
    pub(crate) fn wake_entity(self: &Arc<Self>, entity: EntityId) {
        if !self.is_stopping() && self.entities.begin(&entity) {
            tokio::spawn(run_entity(Arc::clone(self), entity));
        }
    }

    async fn entity_turn(self: &Arc<Self>, entity: &EntityId) -> Look {
        let (turn, mail) = match self.begin_entity_turn(entity) {
            Ok(Begun::Turn(turn, mail)) => (*turn, mail),
            Ok(Begun::Nothing(next_due)) => return Look::Idle(next_due),
            Err(error) => return Look::Postponed(error.to_string()),
        };
        let turn = self.run_operations(turn, mail).await;
        match self.committer.commit_one(Operation::EntityTurn(turn)).await {
            Ok(Outcome::EntityTurn(EntityTurnOutcome::Committed { messages })) => {
                self.deliver_all(messages);
                Look::Again
            }
            Ok(Outcome::Unreadable(why)) => Look::Postponed(why),
            Ok(_) => Look::Again,
            Err(NotCommitted) => Look::Closed,
        }
    }

    /// An entity as it is now, and what it may take.
    fn begin_entity_turn(&self, entity: &EntityId) -> Result<Begun, StoreError> {
        let view = self.store.view();
        let mail = view.entity_mail(entity, self.clock.now(), BATCH_MAX)?;
        if mail.messages.is_empty() {
            return Ok(Begun::Nothing(mail.next_due));
        }
        let record = view.entity(entity)?;
        let turn = EntityTurn {
            entity: entity.clone(),
            base: record.as_ref().map(|record| record.version),
            taken: Vec::new(),
            state: record.and_then(|record| record.state),
            last_operation: None,
            replies: Vec::new(),
            signals: Vec::new(),
            starts: Vec::new(),
            lock: None,
        };
        Ok(Begun::Turn(Box::new(turn), mail.messages))
    }

    /// Runs operations in their order, up to a request for the entity's lock: what comes after that is for its holder to
    /// let in.
    async fn run_operations(
        &self,
        mut turn: EntityTurn,
        mail: Vec<(MailPlace, EntityMessage)>,
    ) -> EntityTurn {
        let began = self.clock.now();
        for (place, message) in mail {
            turn.taken.push(place);
            match message {
                EntityMessage::Operation(operation) => self.run_operation(&mut turn, operation).await,
                EntityMessage::Lock(request) => {
                    turn.lock = Some(request);
                    break;
                }
            }
            if self.clock.now().saturating_since(began) > BATCH_TIME_MAX {
                break;
            }
        }
        turn
    }

    /// Runs one operation. One that fails leaves nothing but its failure.
    async fn run_operation(&self, turn: &mut EntityTurn, operation: EntityOperation) {
        let EntityOperation { name, input, caller } = operation;
        let time = self.clock.now();
        let call = EntityCall {
            entity: turn.entity.clone(),
            operation: Arc::clone(&name),
            operation_id: self.clock.new_id(),
            input,
            state: turn.state.clone(),
            time,
        };
        turn.last_operation = Some(time);
        let answer = self.executor.entity(call).await;
        let answer = answer.and_then(|answer| self.resolve_actions(answer, time));
        let result = match answer {
            Ok(OperationEffects { state, result, signals, starts }) => {
                turn.state = state;
                turn.signals.extend(signals);
                turn.starts.extend(starts);
                Ok(result)
            }
            Err(failure) => {
                tracing::warn!(entity = %turn.entity, operation = %name, error = %failure, "operation failed");
                Err(failure)
            }
        };
        if let Some(caller) = caller {
            turn.replies.push(EntityReply { caller, result });
        }
    }

    /// Finds the orchestrators that an operation wants to start.
    fn resolve_actions(
        &self,
        answer: EntityAnswer,
        now: Timestamp,
    ) -> Result<OperationEffects, TaskFailureDetails> {
        let EntityAnswer { state, result, actions } = answer;
        let mut effects = OperationEffects { state, result, signals: Vec::new(), starts: Vec::new() };
        for action in actions {
            match action {
                EntityAction::Signal(signal) => effects.signals.push(signal),
                EntityAction::Start { name, instance, input } => {
                    effects.starts.push(self.start_of(&name, &instance, &input, now)?);
                }
            }
        }
        Ok(effects)
    }
}

enum Begun {
    Turn(Box<EntityTurn>, Vec<(MailPlace, EntityMessage)>),
    /// Nothing may be taken before this time.
    Nothing(Option<Timestamp>),
}

/// What an operation that ended well changes.
struct OperationEffects {
    state: Option<Json>,
    result: Json,
    signals: Vec<EntitySignal>,
    starts: Vec<StartRequest>,
}
