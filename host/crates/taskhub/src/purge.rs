//! Deleting many instances, in batches that let other work through.

use crate::{ClientError, Idempotency, engine::Engine};
use durance_durable::{InstanceId, RuntimeStatus, Timestamp};
use durance_store::{ListQuery, Operation, Outcome, PurgeOutcome, SortBy, TimeRange};
use std::sync::Arc;

/// How many instances are deleted in one commit.
const PURGE_BATCH: usize = 64;

/// Which finished instances to delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurgeFilter {
    /// Created at or after.
    pub created_from: Timestamp,
    /// Created at or before; none: whenever.
    pub created_to: Option<Timestamp>,
    /// Any of these; empty means all. Those of live instances select nothing.
    pub statuses: Vec<RuntimeStatus>,
}

impl PurgeFilter {
    /// None: it selects nothing.
    fn query(&self) -> Option<ListQuery> {
        let is_wanted = |status: &RuntimeStatus| self.statuses.is_empty() || self.statuses.contains(status);
        let finished = RuntimeStatus::ALL.into_iter().filter(|status| status.is_finished());
        let statuses: Vec<_> = finished.filter(is_wanted).collect();
        let created = TimeRange { from: Some(self.created_from), to: self.created_to };
        let sort = SortBy::Created;
        (!statuses.is_empty()).then(|| ListQuery {
            statuses,
            created,
            sort,
            page_size: PURGE_BATCH,
            ..ListQuery::default()
        })
    }
}

impl Engine {
    /// Deletes the finished instances that the filter selects, or only counts them.
    pub(crate) async fn purge_instances(
        self: &Arc<Self>,
        filter: &PurgeFilter,
        dry_run: bool,
    ) -> Result<u64, ClientError> {
        let _place = self.admit()?;
        let Some(mut query) = filter.query() else { return Ok(0) };
        let mut count = 0;
        loop {
            let next = query.clone();
            let page = self.scan(move |engine| Ok(engine.store.list(&next)?)).await?;
            let ids: Vec<_> = page.instances.into_iter().map(|(id, _)| id).collect();
            count += if dry_run { ids.len() as u64 } else { self.purge_batch(&ids).await? };
            if page.after.is_none() {
                return Ok(count);
            }
            query.after = page.after;
        }
    }

    /// Deletes a finished instance and the finished sub-orchestrations below it, the lowest first. Live ones stay, with
    /// all that is below them.
    pub(crate) async fn purge_tree(
        self: &Arc<Self>,
        instance: &InstanceId,
        idempotency: Option<&Idempotency>,
    ) -> Result<u64, ClientError> {
        let is_finished = |id: &InstanceId| -> Result<bool, ClientError> {
            Ok(self.store.instance(id)?.record.is_some_and(|record| record.status.is_finished()))
        };
        let (mut tree, mut looked) = (Vec::new(), 0);
        if is_finished(instance)? {
            tree.extend(self.store.children(instance)?);
        }
        while let Some(id) = tree.get(looked).cloned() {
            if is_finished(&id)? {
                tree.extend(self.store.children(&id)?);
                looked += 1;
            } else {
                tree.remove(looked);
            }
        }
        tree.reverse();
        let mut count = 0;
        for batch in tree.chunks(PURGE_BATCH) {
            count += self.purge_batch(batch).await?;
        }
        self.purge(instance, idempotency).await?;
        Ok(count + 1)
    }

    /// Those that are not finished any more stay.
    async fn purge_batch(&self, instances: &[InstanceId]) -> Result<u64, ClientError> {
        if instances.is_empty() {
            return Ok(0);
        }
        let operations = instances.iter().cloned().map(Operation::Purge).collect();
        let outcomes = self.committer.commit(operations).await?;
        let purged = |outcome: &&Outcome| matches!(outcome, Outcome::Purge(PurgeOutcome::Purged));
        Ok(outcomes.iter().filter(purged).count() as u64)
    }
}
