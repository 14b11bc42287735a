//! Deleting many instances, in batches that let other work through.

use crate::{ClientError, Idempotency, engine::Engine};
use durance_durable::{InstanceId, RuntimeStatus, Timestamp};
use durance_store::{ListQuery, Operation, Outcome, PurgeOutcome, SortBy, TimeRange};
use std::{collections::HashSet, sync::Arc};

/// How many instances are deleted in one commit.
const PURGE_BATCH: usize = 64;

/// Which instances to delete. Of those only the finished ones are deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PurgeSelection {
    /// These, as far as they exist.
    Instances(Vec<InstanceId>),
    /// All that match.
    Matching(PurgeFilter),
}

/// How to delete many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PurgeOptions {
    /// The finished sub-orchestrations below each too.
    pub recursive: bool,
    /// Only count them.
    pub dry_run: bool,
}

/// What finished instances have in common.
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

/// A purge of many instances under way.
struct Purge {
    options: PurgeOptions,
    /// What was counted: trees may overlap. Only when nothing is deleted.
    counted: HashSet<InstanceId>,
    /// How many were deleted.
    deleted: u64,
}

impl Engine {
    /// Deletes the finished instances of a selection, or only counts them.
    pub(crate) async fn purge_instances(
        self: &Arc<Self>,
        selection: PurgeSelection,
        options: PurgeOptions,
    ) -> Result<u64, ClientError> {
        let _place = self.admit()?;
        let mut purge = Purge { options, counted: HashSet::new(), deleted: 0 };
        match selection {
            PurgeSelection::Instances(ids) => {
                for some in ids.chunks(PURGE_BATCH) {
                    self.purge_some(&mut purge, some.to_vec()).await?;
                }
            }
            PurgeSelection::Matching(filter) => {
                if let Some(query) = filter.query() {
                    self.purge_matching(&mut purge, query).await?;
                }
            }
        }
        Ok(purge.deleted + purge.counted.len() as u64)
    }

    async fn purge_matching(
        self: &Arc<Self>,
        purge: &mut Purge,
        mut query: ListQuery,
    ) -> Result<(), ClientError> {
        loop {
            let next = query.clone();
            let page = self.scan(move |engine| Ok(engine.store.list(&next)?)).await?;
            let ids = page.instances.into_iter().map(|(id, _)| id).collect();
            self.purge_some(purge, ids).await?;
            if page.after.is_none() {
                return Ok(());
            }
            query.after = page.after;
        }
    }

    async fn purge_some(
        self: &Arc<Self>,
        purge: &mut Purge,
        instances: Vec<InstanceId>,
    ) -> Result<(), ClientError> {
        let options = purge.options;
        let finished = self.scan(move |engine| {
            let mut finished = Vec::new();
            for id in instances {
                finished.extend(engine.finished(id, options.recursive)?);
            }
            Ok(finished)
        });
        let finished = finished.await?;
        if options.dry_run {
            purge.counted.extend(finished);
        } else {
            purge.deleted += self.purge_finished(&finished).await?;
        }
        Ok(())
    }

    /// Deletes a finished instance and the finished sub-orchestrations below it, the lowest first. Live ones stay, with
    /// all that is below them.
    pub(crate) async fn purge_tree(
        self: &Arc<Self>,
        instance: &InstanceId,
        idempotency: Option<&Idempotency>,
    ) -> Result<u64, ClientError> {
        let mut below = self.finished(instance.clone(), true)?;
        below.pop();
        let count = self.purge_finished(&below).await?;
        // The top goes by itself: its outcome is the answer, and is kept for a repetition.
        self.purge(instance, idempotency).await?;
        Ok(count + 1)
    }

    /// The instance, if it is finished; before it, if they are wanted, the finished sub-orchestrations below it, each
    /// before its parent.
    fn finished(&self, instance: InstanceId, recursive: bool) -> Result<Vec<InstanceId>, ClientError> {
        let (mut open, mut finished) = (vec![instance], Vec::new());
        while let Some(id) = open.pop() {
            if self.store.instance(&id)?.record.is_some_and(|record| record.status.is_finished()) {
                if recursive {
                    open.extend(self.store.children(&id)?);
                }
                finished.push(id);
            }
        }
        finished.reverse();
        Ok(finished)
    }

    /// Those that are not finished any more stay.
    async fn purge_finished(&self, instances: &[InstanceId]) -> Result<u64, ClientError> {
        let mut count = 0;
        for batch in instances.chunks(PURGE_BATCH) {
            let operations = batch.iter().cloned().map(Operation::Purge).collect();
            let outcomes = self.committer.commit(operations).await?;
            let purged = |outcome: &&Outcome| matches!(outcome, Outcome::Purge(PurgeOutcome::Purged));
            count += outcomes.iter().filter(purged).count() as u64;
        }
        Ok(count)
    }
}
