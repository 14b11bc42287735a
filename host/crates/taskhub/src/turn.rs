//! The runner of an instance: turn after turn as long as something comes for it.

use crate::{
    Progress,
    effects::Committed,
    engine::{Engine, Pause},
    partition::{Delivery, Hot},
};
use durance_durable::{
    BeginTurn, ExecutionId, HistoryEvent, IfExists, InstanceId, MessageTarget, Outcome, RuntimeState,
    TaskFailureDetails, TurnCommit,
};
use durance_store::{Operation, Outcome as StoreOutcome, StartRequest, TurnOutcome, TurnWrite};
use futures_util::FutureExt;
use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

/// Between tries of a turn that the host could not run.
const BACKOFF_FIRST: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(5);

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

/// Runs an instance until nothing waits for it, then parks it.
pub(crate) async fn run_instance(engine: Arc<Engine>, instance: InstanceId, mut hot: Option<Hot>) {
    let mut backoff = BACKOFF_FIRST;
    let partition = engine.partition(&instance);
    loop {
        // Before the mail is taken: what comes during the wait belongs in the same turn.
        let Ok(place) = engine.turns.acquire().await else { return };
        let Some(mail) = partition.take_mail(&instance, &mut hot) else { return };
        let turn = AssertUnwindSafe(engine.turn(&instance, hot.take(), &mail)).catch_unwind().await;
        drop(place);
        match turn.unwrap_or_else(|_| TurnEnd::Postponed("the host has panicked".to_owned())) {
            TurnEnd::Done(still_hot) => {
                hot = still_hot;
                backoff = BACKOFF_FIRST;
            }
            TurnEnd::Stale => partition.return_mail(&instance, mail),
            TurnEnd::Postponed(why) => {
                tracing::warn!(instance_id = %instance, error = %why, retry_after = ?backoff, "turn postponed");
                partition.return_mail(&instance, mail);
                if engine.pause(backoff).await == Pause::Stopped {
                    // What has come is in the store, or happens again after the next start.
                    partition.give_up(&instance);
                    return;
                }
                backoff = (backoff * 2).min(BACKOFF_MAX);
            }
            TurnEnd::Closed => return,
        }
    }
}

impl Engine {
    async fn turn(self: &Arc<Self>, instance: &InstanceId, hot: Option<Hot>, mail: &[Delivery]) -> TurnEnd {
        let hot = match self.current(instance, hot, mail) {
            Ok(Some(hot)) => hot,
            // Gone or over: what came for it is void.
            Ok(None) => return TurnEnd::Done(None),
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
            Ok(_) => TurnEnd::Stale,
            Err(_) => TurnEnd::Closed,
        }
    }

    /// The hot instance that the mail is for: the given one, unless the mail says that its life is over.
    fn current(
        &self,
        instance: &InstanceId,
        hot: Option<Hot>,
        mail: &[Delivery],
    ) -> Result<Option<Hot>, String> {
        if let Some(hot) = hot {
            if !mail.iter().any(|delivery| is_for_another_life(&hot, delivery)) {
                return Ok(Some(hot));
            }
            self.forget(hot.execution);
        }
        self.load(instance).map_err(|error| error.to_string())
    }

    fn load(&self, instance: &InstanceId) -> Result<Option<Hot>, Box<dyn std::error::Error + Send + Sync>> {
        let Some(record) =
            self.store.instance(instance)?.record.filter(|record| !record.status.is_finished())
        else {
            return Ok(None);
        };
        let Some(begun_with) = self.store.execution(record.execution)? else {
            return Err(format!("execution {} has no record", record.execution).into());
        };
        let history = self.store.history(record.execution)?;
        Ok(Some(self.hot(&record, begun_with, history)?))
    }

    /// The commit with the starts of the sub-orchestrations that it asks for.
    pub(crate) fn write_of(&self, hot: &Hot, commit: TurnCommit) -> TurnWrite {
        let (mut children, mut replies) = (Vec::new(), Vec::new());
        for event in &commit.turn.events {
            let HistoryEvent::SubOrchestrationInstanceCreated(child) = event else { continue };
            match self.executor.resolve_orchestrator(&child.name) {
                Some(module) => {
                    let (parent, details) = {
                        let state = hot.state.lock();
                        (state.as_parent(child.task), state.details_for_child())
                    };
                    children.push(StartRequest {
                        instance: child.instance.clone(),
                        name: Arc::clone(&child.name),
                        input: child.input.clone(),
                        module,
                        execution: ExecutionId(self.clock.new_id()),
                        parent: Some(parent),
                        if_exists: IfExists::ReplaceFinished,
                        token: None,
                        details,
                        now: commit.turn.time,
                    });
                }
                None => {
                    let text = self.unknown_orchestrator(&child.name).to_string();
                    let failure = TaskFailureDetails::non_retriable("UnknownOrchestrator", text);
                    replies.push(HistoryEvent::SubOrchestrationInstanceFailed { task: child.task, failure });
                }
            }
        }
        TurnWrite { commit, children, replies }
    }
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
