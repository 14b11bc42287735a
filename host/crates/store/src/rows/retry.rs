//! [`Operation::Retry`](crate::Operation::Retry).

use super::{Transaction, keys, stored::OpenTask};
use crate::{RetryTask, StoreError};

pub(super) fn apply(transaction: &mut Transaction<'_>, retry: &RetryTask) -> Result<bool, StoreError> {
    let key =
        keys::task(transaction.partition(&retry.instance), &retry.instance, retry.execution, retry.task);
    let Some(OpenTask::Activity { history_row, .. }) = transaction.get(&key)? else { return Ok(false) };
    transaction.put(key, &OpenTask::Activity { history_row, attempt: retry.attempt, due: Some(retry.due) });
    Ok(true)
}
