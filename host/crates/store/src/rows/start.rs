//! [`Operation::Start`](crate::Operation::Start).

use super::{Transaction, keys, lifecycle::holder, transaction::Listed};
use crate::{StartOutcome, StartRequest, StoreError};
use durance_durable::{InstanceRecord, StartDecision, decide_start};

/// Why a run that was replaced while it was live says it ended.
const REPLACED: &str = "replaced by a new start";

pub(super) fn apply(
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
    let (holder, message) = transaction.begin_run(request, last + 1, None);
    Ok(StartOutcome::Started { holder, terminated: None, messages: vec![message] })
}

fn start_over(
    transaction: &mut Transaction<'_>,
    request: StartRequest,
    mut existing: InstanceRecord,
) -> Result<StartOutcome, StoreError> {
    let replaced = Some(Listed::of(&existing));
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
    let (holder, message) = transaction.begin_run(request, existing.generation + 1, replaced);
    messages.push(message);
    Ok(StartOutcome::Started { holder, terminated, messages })
}
