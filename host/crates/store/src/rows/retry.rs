//! [`Operation::Retry`](crate::Operation::Retry).

use super::{Transaction, keys, stored::OpenTask};
use crate::{RetryTask, StoreError};

pub(super) fn apply(transaction: &mut Transaction<'_>, retry: &RetryTask) -> Result<bool, StoreError> {
    let key =
        keys::task(transaction.partition(&retry.instance), &retry.instance, retry.execution, retry.task);
    let Some(OpenTask::Activity { history_row, .. }) = transaction.get(&key)? else { return Ok(false) };
    let RetryTask { attempt, due, ref heartbeat, .. } = *retry;
    let next = OpenTask::Activity { history_row, attempt, due: Some(due), heartbeat: heartbeat.clone() };
    transaction.put(key, &next);
    Ok(true)
}
