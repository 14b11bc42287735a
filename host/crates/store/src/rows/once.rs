//! [`Operation::Once`](crate::Operation::Once).

use super::{Transaction, hub, keys, stored::FirstOutcome};
use crate::{IdempotencyKey, OnceOutcome, OnceRequest, Outcome, StoreError};
use durance_durable::Timestamp;
use std::time::Duration;

/// How long an idempotency key is kept.
const IDEMPOTENCY_KEPT: Duration = Duration::from_hours(24);

pub(super) fn apply(
    transaction: &mut Transaction<'_>,
    request: OnceRequest,
) -> Result<OnceOutcome, StoreError> {
    let OnceRequest { idempotency, operations, now } = request;
    let key = keys::idempotency(&idempotency.key);
    let first: Option<FirstOutcome> = transaction.get(&key)?;
    if let Some(told) = first.as_ref().and_then(|first| first.tell(&idempotency, now)) {
        return Ok(told);
    }
    let outcomes: Vec<_> =
        operations.into_iter().map(|one| hub::apply(transaction, one)).collect::<Result<_, _>>()?;
    if outcomes.iter().any(Outcome::is_stale) {
        return Ok(OnceOutcome::First(outcomes));
    }
    if let Some(expired) = first {
        transaction.delete(keys::idempotency_expiry(expired.expires, &key));
    }
    let expires = now.saturating_add(IDEMPOTENCY_KEPT);
    transaction.put(keys::idempotency_expiry(expires, &key), &());
    let told = outcomes.iter().cloned().map(Outcome::retold).collect();
    let request_digest = idempotency.request_digest;
    transaction.put(key, &FirstOutcome { request_digest, expires, told });
    Ok(OnceOutcome::First(outcomes))
}

impl FirstOutcome {
    /// What a request under the same key is told; none if the key has expired.
    pub(super) fn tell(&self, request: &IdempotencyKey, now: Timestamp) -> Option<OnceOutcome> {
        let is_same = self.request_digest == request.request_digest;
        let told = if is_same { OnceOutcome::Repeated(self.told.clone()) } else { OnceOutcome::Mismatch };
        (self.expires > now).then_some(told)
    }
}
