//! [`Operation::Start`](crate::Operation::Start).

use super::{
    Transaction, keys,
    lifecycle::holder,
    stored::{FirstOutcome, Told},
};
use crate::{IdempotencyKey, StartOutcome, StartRequest, StoreError};
use durance_durable::{InstanceRecord, StartDecision, Timestamp, decide_start};
use std::time::Duration;

/// How long an idempotency key is kept.
const IDEMPOTENCY_KEPT: Duration = Duration::from_hours(24);

/// Why a run that was replaced while it was live says it ended.
const REPLACED: &str = "replaced by a new start";

pub(super) fn apply(
    transaction: &mut Transaction<'_>,
    request: StartRequest,
) -> Result<StartOutcome, StoreError> {
    let Some(idempotency) = request.idempotency.clone() else { return start(transaction, request) };
    let now = request.now;
    let first: Option<FirstOutcome> = transaction.get(&keys::idempotency(&idempotency.key))?;
    match first {
        Some(first) if first.expires > now => Ok(if first.request_digest == idempotency.request_digest {
            first.told.into()
        } else {
            StartOutcome::IdempotencyMismatch
        }),
        expired => {
            let outcome = start(transaction, request)?;
            remember(transaction, &idempotency, &outcome, now, expired);
            Ok(outcome)
        }
    }
}

/// Decides a start without regard to its idempotency key.
pub(super) fn start(
    transaction: &mut Transaction<'_>,
    request: StartRequest,
) -> Result<StartOutcome, StoreError> {
    match transaction.record(&request.instance)? {
        Some(existing) => start_over(transaction, request, existing),
        None => start_unused(transaction, request),
    }
}

fn start_unused(
    transaction: &mut Transaction<'_>,
    request: StartRequest,
) -> Result<StartOutcome, StoreError> {
    let tombstone = transaction.tombstone(&request.instance)?;
    let token = transaction.unused_token(tombstone.as_ref());
    if decide_start(request.if_exists, request.token, token, None) == StartDecision::Changed {
        return Ok(StartOutcome::Changed(None));
    }
    if tombstone.is_some() {
        transaction.delete(keys::tombstone(&request.instance));
        transaction.count_tombstones(|count| count.saturating_sub(1));
    }
    let last = tombstone.map_or(transaction.opening().generation_floor, |tombstone| tombstone.generation);
    let (holder, message) = transaction.begin_run(request, last + 1);
    Ok(StartOutcome::Started { holder, terminated: None, messages: vec![message] })
}

fn start_over(
    transaction: &mut Transaction<'_>,
    request: StartRequest,
    mut existing: InstanceRecord,
) -> Result<StartOutcome, StoreError> {
    let present = holder(request.instance.clone(), &existing);
    let mut messages = Vec::new();
    let mut terminated = None;
    match decide_start(request.if_exists, request.token, existing.token, Some(existing.status)) {
        StartDecision::Changed => return Ok(StartOutcome::Changed(Some(present))),
        StartDecision::UseExisting => return Ok(StartOutcome::Existing(present)),
        StartDecision::AlreadyExists => return Ok(StartOutcome::AlreadyExists(present)),
        StartDecision::TerminateAndReplace => {
            messages.extend(transaction.terminate(
                &request.instance,
                &mut existing,
                REPLACED,
                request.now,
            )?);
            terminated = Some(existing.execution);
        }
        StartDecision::Start | StartDecision::Replace => {}
    }
    transaction.retire(&request.instance, &existing)?;
    let (holder, message) = transaction.begin_run(request, existing.generation + 1);
    messages.push(message);
    Ok(StartOutcome::Started { holder, terminated, messages })
}

fn remember(
    transaction: &mut Transaction<'_>,
    idempotency: &IdempotencyKey,
    outcome: &StartOutcome,
    now: Timestamp,
    expired: Option<FirstOutcome>,
) {
    let Some(told) = Told::of(outcome) else { return };
    let key = keys::idempotency(&idempotency.key);
    if let Some(expired) = expired {
        transaction.delete(keys::idempotency_expiry(expired.expires, &key));
    }
    let expires = now.saturating_add(IDEMPOTENCY_KEPT);
    transaction.put(keys::idempotency_expiry(expires, &key), &());
    transaction.put(key, &FirstOutcome { request_digest: idempotency.request_digest, expires, told });
}
