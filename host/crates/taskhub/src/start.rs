//! Starting an orchestration. The store decides; the engine may run the first turn beforehand, so that start and turn
//! share one commit.

use crate::{
    ClientError, Progress, StartAnswer, StartOptions,
    effects::Committed,
    engine::{Engine, Place, run_to_end},
    partition::Hot,
    turn::{outcome_of, run_instance},
};
use durance_durable::{
    ExecutionId, ExecutionRecord, HistoryEvent, InstanceId, InstanceRecord, Json, RetentionPolicy,
    RuntimeStatus, StartDecision, Token, TurnCommit, decide_start,
};
use durance_store::{IdempotencyKey, Operation, Outcome, Snapshot, StartOutcome, StartRequest, TurnOutcome};
use futures_util::FutureExt;
use sha2::{Digest, Sha256};
use std::{
    panic::{self, AssertUnwindSafe},
    sync::Arc,
};
use tokio::sync::oneshot;
use uuid::Uuid;

/// Instance ids that follow from an idempotency key are UUIDs (version 5) in this namespace. It must never change.
const KEY_NAMESPACE: Uuid = Uuid::from_u128(0x6fa2_1a0e_7d5b_4d0c_9a55_1f0c_3b8e_42d7);

/// The longest idempotency key, in bytes.
const IDEMPOTENCY_KEY_BYTES_MAX: usize = 256;

impl Engine {
    /// Starts an orchestration, or says who holds its id.
    pub(crate) async fn start(
        self: &Arc<Self>,
        orchestrator: &str,
        input: Json,
        options: StartOptions,
    ) -> Result<StartAnswer, ClientError> {
        let place = self.admit()?;
        let request = self.request(orchestrator, input, options)?;
        let outcome =
            if request.idempotency.is_none() && self.partition(&request.instance).claim(&request.instance) {
                self.start_with_first_turn(request, place).await?
            } else {
                self.start_alone(request, place).await?
            };
        match outcome {
            StartOutcome::Started { holder, .. } | StartOutcome::Repeated(holder) => {
                Ok(StartAnswer::Started(holder))
            }
            StartOutcome::Existing(holder) => Ok(StartAnswer::Existing(holder)),
            StartOutcome::AlreadyExists(holder) => Ok(StartAnswer::AlreadyExists(holder)),
            StartOutcome::Changed(holder) => Ok(StartAnswer::Changed(holder)),
            StartOutcome::IdempotencyMismatch => Err(ClientError::IdempotencyMismatch),
        }
    }

    fn request(
        &self,
        orchestrator: &str,
        input: Json,
        options: StartOptions,
    ) -> Result<StartRequest, ClientError> {
        let module = self.executor.resolve_orchestrator(orchestrator);
        let module = module.ok_or_else(|| self.unknown_orchestrator(orchestrator))?;
        let key = options.idempotency_key.as_deref();
        if key.is_some_and(|key| key.is_empty() || key.len() > IDEMPOTENCY_KEY_BYTES_MAX) {
            let text = format!("an idempotency key has 1 to {IDEMPOTENCY_KEY_BYTES_MAX} bytes");
            return Err(ClientError::InvalidArgument(text));
        }
        let idempotency = key.map(|key| IdempotencyKey {
            key: key.into(),
            request_digest: digest(orchestrator, &input, &options),
        });
        let instance = options.instance.unwrap_or_else(|| {
            InstanceId::from_uuid(match key {
                Some(key) => Uuid::new_v5(&KEY_NAMESPACE, key.as_bytes()),
                None => self.clock.new_id(),
            })
        });
        let retention = options.retention.map_or_else(|| self.retention(), RetentionPolicy::always);
        Ok(StartRequest {
            instance,
            name: orchestrator.into(),
            input,
            module,
            execution: ExecutionId(self.clock.new_id()),
            parent: None,
            if_exists: options.if_exists,
            token: options.token,
            idempotency,
            retention,
            now: self.clock.now(),
        })
    }

    /// The start is committed; then the first turn runs.
    async fn start_alone(
        self: &Arc<Self>,
        request: StartRequest,
        place: Place,
    ) -> Result<StartOutcome, ClientError> {
        let engine = Arc::clone(self);
        run_to_end(async move {
            let _place = place;
            engine.commit_start(request).await
        })
        .await
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
        let _place = self.turns.try_acquire().ok()?;
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

fn start_outcome(outcome: Option<Outcome>) -> Result<StartOutcome, ClientError> {
    match outcome {
        Some(Outcome::Start(outcome)) => Ok(outcome),
        Some(Outcome::Unreadable(why)) => Err(ClientError::Unreadable(why)),
        _ => Err(ClientError::Stopping),
    }
}

/// Of all that a start asks for. Each part is preceded by its length, so that no two requests have the same bytes.
fn digest(orchestrator: &str, input: &Json, options: &StartOptions) -> [u8; 32] {
    let instance = options.instance.as_ref().map_or("", InstanceId::as_str);
    let token = options.token.map_or_else(String::new, |token| token.0.to_string());
    let mut hash = Sha256::new();
    let retention = options.retention.map(|time| time.as_nanos().to_string()).unwrap_or_default();
    for part in [orchestrator, input.as_str(), instance, options.if_exists.as_str(), &token, &retention] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}
