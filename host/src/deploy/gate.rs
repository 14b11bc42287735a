//! The replay gate: do the histories of the instances that there are replay on a new version?

use durance_durable::{InstanceId, InstanceRecord, ModuleHash, RuntimeStatus};
use durance_ingress::{GateDifference, GateReport, OrchestratorGate};
use durance_taskhub::{
    AppControl, ClientError, FunctionExecutor as _, GateError, ListQuery, ReplayedInstance, SortBy,
    StoreError,
};
use durance_wasm::FunctionApp;
use std::{collections::BTreeMap, collections::HashMap, time::Instant};

/// Instances that are read at one time.
const PAGE: usize = 1_000;

/// The newest finished instances, so many, are replayed too.
const FINISHED_SAMPLE: usize = 100;

/// An instance that goes on between its replay and its move is replayed again, so often.
const MOVES_MAX: usize = 5;

/// The gate could not be passed, nor closed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GateFailure {
    #[error("the instances cannot be read: {0}")]
    Store(#[from] StoreError),
    #[error("a history could not be replayed: {0}")]
    Replay(#[from] GateError),
    #[error("an instance could not be moved: {0}")]
    Move(#[from] ClientError),
}

/// Replays histories on one version of the app.
#[derive(Debug)]
pub(crate) struct ReplayGate<'a> {
    control: &'a AppControl,
    app: &'a FunctionApp,
    began: Instant,
    orchestrators: BTreeMap<String, OrchestratorGate>,
    events: u64,
    /// Live instances that can go on with the version, as they were when that was seen.
    compatible: HashMap<InstanceId, InstanceRecord>,
}

impl<'a> ReplayGate<'a> {
    pub(crate) fn new(control: &'a AppControl, app: &'a FunctionApp) -> Self {
        Self {
            control,
            app,
            began: Instant::now(),
            orchestrators: BTreeMap::new(),
            events: 0,
            compatible: HashMap::new(),
        }
    }

    /// Replays all live instances and a sample of the finished ones.
    pub(crate) async fn check(&mut self) -> Result<(), GateFailure> {
        let mut query = live();
        loop {
            let page = self.control.list(&query)?;
            for (instance, record) in &page.instances {
                if let Some(seen) = self.replay(instance, record).await? {
                    self.compatible.insert(instance.clone(), seen);
                }
            }
            if page.after.is_none() {
                break;
            }
            query.after = page.after;
        }
        for (instance, record) in self.control.list(&finished())?.instances {
            self.replay(&instance, &record).await?;
        }
        Ok(())
    }

    /// Moves those live instances to the version that can go on with it. To be called when it is the active one.
    pub(crate) async fn migrate(&mut self) -> Result<(), GateFailure> {
        let mut query = live();
        loop {
            let page = self.control.list(&query)?;
            for (instance, record) in &page.instances {
                self.move_one(instance, record).await?;
            }
            if page.after.is_none() {
                return Ok(());
            }
            query.after = page.after;
        }
    }

    async fn move_one(&mut self, instance: &InstanceId, record: &InstanceRecord) -> Result<(), GateFailure> {
        let Some(module) = self.app.resolve_orchestrator(&record.name) else { return Ok(()) };
        if record.module == module {
            return Ok(());
        }
        let mut seen = self.compatible.remove(instance);
        for _ in 0..MOVES_MAX {
            if let Some(seen) = seen
                && self.control.repin(instance, &seen, module).await?
            {
                self.entry(&record.name).migrated += 1;
                return Ok(());
            }
            let Some(replayed) = self.control.replay(instance, module).await? else { return Ok(()) };
            self.events += replayed.events;
            if replayed.divergence.is_some() || replayed.record.status.is_finished() {
                return Ok(());
            }
            seen = Some(replayed.record);
        }
        Ok(())
    }

    /// Whether all live instances that were seen can go on with the version.
    pub(crate) fn is_compatible(&self) -> bool {
        self.orchestrators.values().all(|entry| entry.diverged == 0)
    }

    /// What was seen.
    pub(crate) fn report(&self) -> GateReport {
        GateReport {
            orchestrators: self.orchestrators.values().cloned().collect(),
            events: self.events,
            elapsed_seconds: self.began.elapsed().as_secs_f64(),
            incomplete: None,
        }
    }

    /// Replays an instance; answers what was seen if it is live and can go on with the version.
    async fn replay(
        &mut self,
        instance: &InstanceId,
        record: &InstanceRecord,
    ) -> Result<Option<InstanceRecord>, GateFailure> {
        let Some(module) = self.app.resolve_orchestrator(&record.name) else {
            self.missing(instance, record);
            return Ok(None);
        };
        let Some(replayed) = self.control.replay(instance, module).await? else { return Ok(None) };
        Ok(self.count(instance, module, replayed))
    }

    fn count(
        &mut self,
        instance: &InstanceId,
        module: ModuleHash,
        replayed: ReplayedInstance,
    ) -> Option<InstanceRecord> {
        let ReplayedInstance { record, events, divergence } = replayed;
        self.events += events;
        let entry = self.entry(&record.name);
        let is_live = !record.status.is_finished();
        // One that runs on this very component goes on with it whatever a replay says.
        let divergence = divergence.filter(|_| record.module != module);
        let count = match (is_live, divergence.is_none()) {
            (true, true) => &mut entry.compatible,
            (true, false) => &mut entry.diverged,
            (false, true) => &mut entry.finished_compatible,
            (false, false) => &mut entry.finished_diverged,
        };
        *count += 1;
        if let Some(found) = divergence {
            entry.difference.get_or_insert(GateDifference {
                instance_id: instance.clone(),
                execution_id: record.execution,
                event_number: found.event_number,
                history: found.history,
                code: found.code,
            });
            return None;
        }
        is_live.then_some(record)
    }

    /// The version does not have the orchestrator any more. Only a live instance misses it.
    fn missing(&mut self, instance: &InstanceId, record: &InstanceRecord) {
        if record.status.is_finished() {
            return;
        }
        let entry = self.entry(&record.name);
        entry.diverged += 1;
        entry.difference.get_or_insert_with(|| GateDifference {
            instance_id: instance.clone(),
            execution_id: record.execution,
            event_number: 0,
            history: format!("orchestrator '{}'", record.name),
            code: "this version does not have it".to_owned(),
        });
    }

    fn entry(&mut self, name: &str) -> &mut OrchestratorGate {
        let empty = || OrchestratorGate { name: name.to_owned(), ..OrchestratorGate::default() };
        self.orchestrators.entry(name.to_owned()).or_insert_with(empty)
    }
}

fn live() -> ListQuery {
    let statuses = RuntimeStatus::ALL.into_iter().filter(|status| !status.is_finished()).collect();
    ListQuery { statuses, page_size: PAGE, ..ListQuery::default() }
}

fn finished() -> ListQuery {
    let statuses = RuntimeStatus::ALL.into_iter().filter(|status| status.is_finished()).collect();
    let sort = SortBy::Created;
    ListQuery { statuses, sort, descending: true, page_size: FINISHED_SAMPLE, ..ListQuery::default() }
}
