//! The runner of an instance: turn after turn as long as something comes for it.

use crate::{
    Progress,
    effects::Committed,
    engine::{Engine, Pause},
    partition::{Delivery, Hot},
    timers::{Due, EarlyMail},
};
use durance_durable::{
    BeginTurn, ExecutionId, HistoryEvent, IfExists, InstanceId, InstanceRecord, Json, MessageTarget, Outcome,
    RuntimeState, StartDetails, TaskFailureDetails, Timestamp, TurnCommit,
};
use durance_store::{Operation, Outcome as StoreOutcome, StartRequest, StoreError, TurnOutcome, TurnWrite};
use futures_util::FutureExt;
use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

/// While an instance is stuck: how often to look whether something new has come for it.
const MAIL_LOOK: Duration = Duration::from_millis(500);

/// How a turn ended.
enum TurnEnd {
    /// It was committed, or there was nothing to do; the hot instance goes on if there still is one.
    Done(Option<Hot>),
    /// It could not be run, for this reason: to be tried again later.
    Postponed(String),
    /// The instance has moved in the store: to be tried again on what it is now.
    Stale,
    /// Nothing can be committed any more.
    Closed,
}

/// What an instance is when its turn comes.
enum Current {
    Hot(Box<Hot>),
    /// Gone or over.
    Over,
    /// It is not to begin before its time.
    Early {
        execution: ExecutionId,
        start: Timestamp,
    },
}

/// Runs an instance until nothing waits for it, then parks it.
pub(crate) async fn run_instance(engine: Arc<Engine>, instance: InstanceId, mut hot: Option<Hot>) {
    let mut is_stuck = false;
    let partition = engine.partition(&instance);
    loop {
        // Before the mail is taken: what comes during the wait belongs in the same turn.
        let Ok(place) = engine.turns.acquire().await else { return };
        let Some(mail) = partition.take_mail(&instance, &mut hot) else { return };
        let era = engine.era.present();
        let turn = AssertUnwindSafe(engine.turn(&instance, hot.take(), &mail)).catch_unwind().await;
        drop((place, era));
        match turn.unwrap_or_else(|_| TurnEnd::Postponed("the host has panicked".to_owned())) {
            TurnEnd::Done(still_hot) => {
                hot = still_hot;
                if std::mem::take(&mut is_stuck) {
                    engine.stuck.goes_on(&instance);
                }
            }
            TurnEnd::Stale => partition.return_mail(&instance, mail),
            TurnEnd::Postponed(why) => {
                partition.return_mail(&instance, mail);
                is_stuck = true;
                let backoff = engine.stuck.failed(&instance, why, engine.clock.now());
                if engine.pause_for_mail(&instance, backoff).await == Pause::Stopped {
                    // What has come is in the store, or happens again after the next start.
                    partition.give_up(&instance);
                    return;
                }
            }
            TurnEnd::Closed => return,
        }
    }
}

impl Engine {
    /// Waits before the next try, but no longer than until something new comes: it may be the end of the instance.
    async fn pause_for_mail(&self, instance: &InstanceId, time: Duration) -> Pause {
        let partition = self.partition(instance);
        let (mail, until) = (partition.mail_count(instance), self.clock.now().saturating_add(time));
        loop {
            let left = until.saturating_since(self.clock.now());
            if left.is_zero() || partition.mail_count(instance) > mail {
                return Pause::Over;
            }
            if self.pause(left.min(MAIL_LOOK)).await == Pause::Stopped {
                return Pause::Stopped;
            }
        }
    }

    async fn turn(self: &Arc<Self>, instance: &InstanceId, hot: Option<Hot>, mail: &[Delivery]) -> TurnEnd {
        let hot = match self.current(instance, hot, mail) {
            Ok(Current::Hot(hot)) => *hot,
            // What came for it is void.
            Ok(Current::Over) => return TurnEnd::Done(None),
            Ok(Current::Early { execution, start }) => {
                let (instance, mail) = (instance.clone(), mail.to_vec());
                self.timers.add(Due::Start(EarlyMail { instance, execution, start, mail }));
                return TurnEnd::Done(None);
            }
            Err(why) => return TurnEnd::Postponed(why),
        };
        let (events, taken) = sort_mail(&hot.state.lock(), mail);
        self.run_turn(hot, events, taken).await
    }

    async fn run_turn(self: &Arc<Self>, mut hot: Hot, events: Vec<HistoryEvent>, taken: Vec<u64>) -> TurnEnd {
        let begun = hot.state.lock().begin_turn(self.clock.now(), events);
        let outcome = match begun {
            BeginTurn::Terminate(reason) => Outcome::Terminated(reason),
            BeginTurn::Run => match hot.run.resume().await {
                Ok(progress) => outcome_of(&hot, progress),
                Err(error) => return TurnEnd::Postponed(error.to_string()),
            },
        };
        let ended = hot.state.lock().end_turn(outcome, taken, || ExecutionId(self.clock.new_id()));
        let Some(commit) = ended else { return TurnEnd::Done(Some(hot)) };
        let committed = Committed::of(&hot, &commit);
        let write = self.write_of(&hot, commit);
        match self.committer.commit_one(Operation::Turn(write)).await {
            Ok(StoreOutcome::Turn(TurnOutcome::Committed { messages })) => {
                self.take_effect(&committed, messages);
                TurnEnd::Done((!committed.is_over()).then_some(hot))
            }
            Ok(StoreOutcome::Unreadable(why)) => TurnEnd::Postponed(why),
            Ok(_) => TurnEnd::Stale,
            Err(_) => TurnEnd::Closed,
        }
    }

    /// The hot instance that the mail is for: the given one, unless its life is over.
    fn current(&self, instance: &InstanceId, hot: Option<Hot>, mail: &[Delivery]) -> Result<Current, String> {
        if let Some(hot) = hot {
            // Mail for another life may come from an older one, late: only the store knows which one is alive.
            let is_for_another_life = mail.iter().any(|delivery| is_for_another_life(&hot, delivery));
            if !is_for_another_life || self.is_alive(instance, &hot).map_err(|error| error.to_string())? {
                return Ok(Current::Hot(Box::new(hot)));
            }
            self.forget(instance, hot.execution);
        }
        self.load(instance, mail).map_err(|error| error.to_string())
    }

    fn is_alive(&self, instance: &InstanceId, hot: &Hot) -> Result<bool, StoreError> {
        let record = self.store.instance(instance)?.record;
        Ok(record.is_some_and(|record| record.execution == hot.execution && !record.status.is_finished()))
    }

    fn load(
        &self,
        instance: &InstanceId,
        mail: &[Delivery],
    ) -> Result<Current, Box<dyn std::error::Error + Send + Sync>> {
        let Some(record) =
            self.store.instance(instance)?.record.filter(|record| !record.status.is_finished())
        else {
            return Ok(Current::Over);
        };
        if let Some(start) = early_start(&record, mail, self.clock.now()) {
            return Ok(Current::Early { execution: record.execution, start });
        }
        let Some(begun_with) = self.store.execution(record.execution)? else {
            return Err(format!("execution {} has no record", record.execution).into());
        };
        let history = self.store.history(record.execution)?;
        Ok(Current::Hot(Box::new(self.hot(&record, begun_with, history)?)))
    }

    /// The commit with the starts of the orchestrations that it asks for, and the component of the next execution: that of
    /// the active app, if it still has the orchestrator.
    pub(crate) fn write_of(&self, hot: &Hot, commit: TurnCommit) -> TurnWrite {
        let (mut children, mut replies) = (Vec::new(), Vec::new());
        let next_module = commit.next.as_ref().filter(|next| !next.keep_version);
        let next_module =
            next_module.and_then(|_| self.executor.resolve_orchestrator(hot.state.lock().name()));
        for event in &commit.turn.events {
            match event {
                HistoryEvent::SubOrchestrationInstanceCreated(child) => {
                    let start = self.start_of(&child.name, &child.instance, &child.input, commit.turn.time);
                    match start {
                        Ok(start) => {
                            let state = hot.state.lock();
                            let (parent, details) = (state.as_parent(child.task), state.details_for_child());
                            children.push(StartRequest { parent: Some(parent), details, ..start });
                        }
                        Err(failure) => replies
                            .push(HistoryEvent::SubOrchestrationInstanceFailed { task: child.task, failure }),
                    }
                }
                HistoryEvent::OrchestrationStarted(start) => {
                    match self.start_of(&start.name, &start.instance, &start.input, commit.turn.time) {
                        Ok(start) => children.push(start),
                        // Nobody waits for it.
                        Err(failure) => {
                            tracing::warn!(instance_id = %commit.instance, error = %failure, "nothing was started");
                        }
                    }
                }
                _ => {}
            }
        }
        TurnWrite { commit, children, replies, module: hot.module, next_module }
    }

    /// A start that an orchestrator or an entity asks for, without a parent.
    pub(crate) fn start_of(
        &self,
        name: &Arc<str>,
        instance: &InstanceId,
        input: &Json,
        now: Timestamp,
    ) -> Result<StartRequest, TaskFailureDetails> {
        let module = self.executor.resolve_orchestrator(name).ok_or_else(|| {
            let text = self.unknown_orchestrator(name).to_string();
            TaskFailureDetails::non_retriable("UnknownOrchestrator", text)
        })?;
        Ok(StartRequest {
            instance: instance.clone(),
            name: Arc::clone(name),
            input: input.clone(),
            module,
            execution: ExecutionId(self.clock.new_id()),
            parent: None,
            if_exists: IfExists::ReplaceFinished,
            token: None,
            retention: self.retention(),
            details: StartDetails::default(),
            now,
        })
    }
}

/// The time before which a run does not begin, if that is still to come and nothing in its mail ends it.
fn early_start(record: &InstanceRecord, mail: &[Delivery], now: Timestamp) -> Option<Timestamp> {
    let start = record.details.scheduled_start.filter(|start| record.event_count == 0 && *start > now)?;
    let ends = |delivery: &Delivery| {
        matches!(delivery.event, HistoryEvent::ExecutionTerminated { .. })
            && delivery.target == MessageTarget::Generation(record.generation)
    };
    (!mail.iter().any(ends)).then_some(start)
}

/// What the run's progress means for the turn. A fault of the rules is the reason for whatever the guest did then.
pub(crate) fn outcome_of(hot: &Hot, progress: Progress) -> Outcome {
    match (hot.state.lock().take_fault(), progress) {
        (Some(fault), _) => Outcome::Returned(Err(fault.failure())),
        (None, Progress::Waiting) => Outcome::Waiting,
        (None, Progress::Returned(result)) => Outcome::Returned(result),
    }
}

fn is_for_another_life(hot: &Hot, delivery: &Delivery) -> bool {
    match delivery.target {
        MessageTarget::Execution(execution) => {
            delivery.event == HistoryEvent::ExecutionStarted && execution != hot.execution
        }
        MessageTarget::Generation(generation) => generation != hot.state.lock().generation(),
    }
}

/// The events that are for this execution, its start first, and the sequence numbers of all mail that was stored.
fn sort_mail(state: &RuntimeState, mail: &[Delivery]) -> (Vec<HistoryEvent>, Vec<u64>) {
    let mut taken: Vec<u64> = mail.iter().filter_map(|delivery| delivery.sequence).collect();
    let mut events = Vec::with_capacity(mail.len());
    if state.awaits_start() {
        // Stored in the inbox by the start itself; its delivery may be late.
        events.push(HistoryEvent::ExecutionStarted);
        taken.push(0);
    }
    for delivery in mail {
        let is_ours = match delivery.target {
            MessageTarget::Execution(execution) => execution == state.execution(),
            MessageTarget::Generation(generation) => generation == state.generation(),
        };
        if is_ours && delivery.event != HistoryEvent::ExecutionStarted {
            events.push(delivery.event.clone());
        }
    }
    (events, taken)
}
