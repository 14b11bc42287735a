//! Starting an orchestration. The store decides; the engine may run the first turn beforehand, so that start and turn
//! share one commit.

use crate::{
    ClientError, Idempotency, Progress, RaisedEvent, StartAnswer, StartOptions,
    effects::Committed,
    engine::{Engine, Place},
    operate::misfit,
    partition::Hot,
    turn::{outcome_of, run_instance},
};
use durance_durable::{
    ExecutionId, ExecutionRecord, HistoryEvent, IfExists, InstanceRecord, Json, RetentionPolicy,
    RuntimeStatus, StartDecision, StartDetails, Token, TurnCommit, decide_start,
};
use durance_store::{Operation, Outcome, SendEvent, Snapshot, StartOutcome, StartRequest, TurnOutcome};
use futures_util::FutureExt;
use std::{
    panic::{self, AssertUnwindSafe},
    sync::Arc,
};
use tokio::sync::oneshot;

impl Engine {
    /// Starts an orchestration, or says who holds its id.
    pub(crate) async fn start(
        self: &Arc<Self>,
        orchestrator: &str,
        input: Json,
        options: StartOptions,
        idempotency: Option<&Idempotency>,
    ) -> Result<StartAnswer, ClientError> {
        // What is looked up here is needed until it is in the store.
        let _era = self.era.present();
        let key = idempotency.map(|key| key.of(&options.parts(orchestrator, &input)));
        let request = self.request(orchestrator, input, options, idempotency)?;
        let place = self.admit()?;
        if key.is_none() && self.partition(&request.instance).claim(&request.instance) {
            return answer(self.start_with_first_turn(request, place).await?);
        }
        drop(place);
        answer(start_outcome(self.operate(vec![Operation::Start(request)], key).await?.pop())?)
    }

    /// Starts an orchestration unless a live one has the id, and sends whichever it is an event.
    pub(crate) async fn start_and_raise(
        self: &Arc<Self>,
        (orchestrator, input): (&str, Json),
        options: StartOptions,
        event: RaisedEvent<'_>,
        idempotency: Option<&Idempotency>,
    ) -> Result<StartAnswer, ClientError> {
        // What is looked up here is needed until it is in the store.
        let _era = self.era.present();
        let options = StartOptions { if_exists: IfExists::UseExistingIfLive, token: None, ..options };
        let key = idempotency.map(|key| {
            let mut parts = options.parts(orchestrator, &input);
            parts.extend(["raise", event.name, event.data.as_str()].map(str::to_owned));
            key.of(&parts)
        });
        let event = event.into_event()?;
        let start = self.request(orchestrator, input, options, idempotency)?;
        let send = SendEvent { instance: start.instance.clone(), event };
        let operations = vec![Operation::Start(start), Operation::Send(send)];
        answer(start_outcome(self.operate(operations, key).await?.into_iter().next())?)
    }

    fn request(
        &self,
        orchestrator: &str,
        input: Json,
        options: StartOptions,
        idempotency: Option<&Idempotency>,
    ) -> Result<StartRequest, ClientError> {
        let module = self.executor.resolve_orchestrator(orchestrator);
        let module = module.ok_or_else(|| self.unknown_orchestrator(orchestrator))?;
        Ok(StartRequest {
            instance: options.instance.unwrap_or_else(|| self.new_instance(idempotency)),
            name: orchestrator.into(),
            input,
            module,
            execution: ExecutionId(self.clock.new_id()),
            parent: None,
            if_exists: options.if_exists,
            token: options.token,
            retention: options.retention.map_or_else(|| self.retention(), RetentionPolicy::always),
            details: options.details,
            now: self.clock.now(),
        })
    }

    pub(crate) fn take_effect_of_start(self: &Arc<Self>, outcome: &StartOutcome) {
        let StartOutcome::Started { holder, terminated, messages } = outcome else { return };
        tracing::info!(instance_id = %holder.instance, execution_id = %holder.execution, "orchestration started");
        if let Some(execution) = terminated {
            self.forget(&holder.instance, *execution);
            self.stuck.over(&holder.instance);
            self.watchers.finished(&holder.instance);
        }
        self.deliver_all(messages.iter().cloned());
    }

    /// The first turn runs before the start is decided, on what the store says now, and is committed together with it.
    /// The caller has claimed the instance, so no other runner can be at it.
    async fn start_with_first_turn(
        self: &Arc<Self>,
        request: StartRequest,
        place: Place,
    ) -> Result<StartOutcome, ClientError> {
        let engine = Arc::clone(self);
        let (reply, outcome) = oneshot::channel();
        // The runner outlives the caller: it goes on with the instance after the start.
        tokio::spawn(async move {
            let instance = request.instance.clone();
            let mut hot = None;
            // A first turn that panics is tried again, after the start.
            let first_turn = panic::catch_unwind(AssertUnwindSafe(|| engine.first_turn(&request)));
            let outcome = match first_turn.ok().flatten() {
                Some(turn) => engine.commit_with_first_turn(request, turn, &mut hot).await,
                None => engine.commit_start(request).await,
            };
            // Whoever asked may be gone; what was committed stands.
            let _gone = reply.send(outcome);
            drop(place);
            run_instance(engine, instance, hot).await;
        });
        match outcome.await {
            Ok(outcome) => outcome,
            Err(_ended) => Err(ClientError::Stopping),
        }
    }

    async fn commit_start(self: &Arc<Self>, request: StartRequest) -> Result<StartOutcome, ClientError> {
        let outcome = start_outcome(Some(self.committer.commit_one(Operation::Start(request)).await?))?;
        self.take_effect_of_start(&outcome);
        Ok(outcome)
    }

    async fn commit_with_first_turn(
        self: &Arc<Self>,
        request: StartRequest,
        turn: FirstTurn,
        hot: &mut Option<Hot>,
    ) -> Result<StartOutcome, ClientError> {
        let status = turn.commit.status;
        let committed = Committed::of(&turn.hot, &turn.commit);
        let write = self.write_of(&turn.hot, turn.commit);
        let compare_and_start = StartRequest { token: Some(turn.token), ..request.clone() };
        let operations = vec![Operation::Start(compare_and_start), Operation::Turn(write)];
        let mut outcomes = self.committer.commit(operations).await?.into_iter();
        let start = start_outcome(outcomes.next())?;
        match (&start, outcomes.next()) {
            // The turn has taken the start's own message; what else there is goes out.
            (StartOutcome::Started { .. }, Some(Outcome::Turn(TurnOutcome::Committed { messages }))) => {
                self.take_effect_of_start(&start.without_start_message());
                self.take_effect(&committed, messages);
                *hot = (!committed.is_over()).then_some(turn.hot);
                Ok(start.with_status(status))
            }
            // Something came between the look and the commit: the caller's own conditions decide.
            (StartOutcome::Changed(_), _) => self.commit_start(request).await,
            _ => {
                self.take_effect_of_start(&start);
                Ok(start)
            }
        }
    }

    /// Runs the first turn of a start that would be decided well now. None: the start is to be committed alone.
    fn first_turn(&self, request: &StartRequest) -> Option<FirstTurn> {
        let is_due = request.details.scheduled_start.is_none_or(|due| due <= request.now);
        let _place = self.turns.try_acquire().ok().filter(|_| is_due)?;
        let snapshot = self.store.instance(&request.instance).ok()?;
        let existing = snapshot.record.as_ref().map(|record| record.status);
        let decision = decide_start(request.if_exists, request.token, snapshot.token, existing);
        if !matches!(decision, StartDecision::Start | StartDecision::Replace) {
            return None;
        }
        let mut hot = self.fresh(request, &snapshot)?;
        hot.state.lock().begin_turn(request.now, vec![HistoryEvent::ExecutionStarted]);
        // Polled once: a guest that yields takes too long for the caller to wait for its turn.
        let progress: Progress = hot.run.resume().now_or_never()?.ok()?;
        let outcome = outcome_of(&hot, progress);
        let ended = hot.state.lock().end_turn(outcome, vec![0], || ExecutionId(self.clock.new_id()));
        Some(FirstTurn { hot, commit: ended?, token: snapshot.token })
    }

    fn fresh(&self, request: &StartRequest, snapshot: &Snapshot) -> Option<Hot> {
        let record = InstanceRecord {
            name: Arc::clone(&request.name),
            execution: request.execution,
            generation: snapshot.next_generation,
            token: snapshot.token,
            module: request.module,
            status: RuntimeStatus::Pending,
            created: request.now,
            last_updated: request.now,
            event_count: 0,
            custom_status: None,
            output: None,
            failure: None,
            details: request.details.clone(),
            queued: 0,
        };
        let begun_with = ExecutionRecord {
            instance: request.instance.clone(),
            started: request.now,
            input: request.input.clone(),
            parent: None,
            carryover: Vec::new(),
            retention: request.retention,
        };
        self.hot(&record, begun_with, Vec::new()).ok()
    }
}

/// A first turn that was run before its start was decided.
struct FirstTurn {
    hot: Hot,
    commit: TurnCommit,
    /// What the id's token was then.
    token: Token,
}

impl StartOptions {
    /// All that a start asks for.
    pub(crate) fn parts(&self, orchestrator: &str, input: &Json) -> Vec<String> {
        let Self { instance, if_exists, token, retention, details } = self;
        let StartDetails { tags, version, scheduled_start } = details;
        let mut parts = vec!["start".to_owned(), orchestrator.to_owned(), input.as_str().to_owned()];
        parts.push(instance.as_ref().map(ToString::to_string).unwrap_or_default());
        parts.push(if_exists.as_str().to_owned());
        parts.push(token.map(|token| token.0.to_string()).unwrap_or_default());
        parts.push(retention.map(|time| time.as_nanos().to_string()).unwrap_or_default());
        parts.push(scheduled_start.map(|time| time.as_nanos().to_string()).unwrap_or_default());
        parts.push(version.as_deref().unwrap_or_default().to_owned());
        parts.extend(tags.iter().flat_map(|(name, value)| [name.to_string(), value.to_string()]));
        parts
    }
}

fn start_outcome(outcome: Option<Outcome>) -> Result<StartOutcome, ClientError> {
    match outcome {
        Some(Outcome::Start(outcome)) => Ok(outcome),
        Some(other) => Err(misfit(&other)),
        None => Err(ClientError::Stopping),
    }
}

/// What the store decided, for the caller.
pub(crate) fn answer(outcome: StartOutcome) -> Result<StartAnswer, ClientError> {
    Ok(match outcome {
        StartOutcome::Started { holder, .. } => StartAnswer::Started(holder),
        StartOutcome::Queued(queued) => StartAnswer::Queued(queued),
        StartOutcome::QueueFull(instance) => return Err(ClientError::QueueFull(instance)),
        StartOutcome::Existing(holder) => StartAnswer::Existing(holder),
        StartOutcome::AlreadyExists(holder) => StartAnswer::AlreadyExists(holder),
        StartOutcome::Changed(holder) => StartAnswer::Changed(holder),
    })
}
