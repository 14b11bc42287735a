//! The runner of a schedule, and what happens to schedules when the hub is opened.

use super::{Scheduled, TimerFunction};
use crate::{ClientError, engine::Engine};
use durance_durable::{InstanceId, ScheduleId, ScheduleRecord, ScheduleTarget, Timestamp};
use durance_store::{ScheduleChange, StoreError};
use std::sync::Arc;

/// What a schedule waits for.
struct Wait {
    /// The next tick.
    due: Option<Timestamp>,
    /// The end of this run, because a tick is queued behind it.
    end_of: Option<(InstanceId, u64)>,
}

impl Wait {
    fn of(record: &ScheduleRecord) -> Self {
        let is_queued = !record.queued.is_empty() && record.running.is_empty();
        Self { due: record.due(), end_of: record.latest.clone().filter(|_| is_queued) }
    }
}

impl Engine {
    /// Reads the schedules that there are.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(crate) fn load_schedules(&self) -> Result<(), StoreError> {
        for (id, record) in self.store.schedules()? {
            self.schedules.insert(id, record);
        }
        Ok(())
    }

    /// Sees that each timer-triggered function of the app has its schedule, and runs all schedules.
    pub(crate) async fn begin_schedules(self: Arc<Self>) {
        let gate = self.schedules.gate.lock().await;
        let functions = self.executor.timer_functions();
        if let Err(error) = self.match_schedules(&functions).await {
            tracing::error!(%error, "the schedules of timer-triggered functions could not be written");
            return;
        }
        for entry in self.schedules.all() {
            self.run_calls(&entry);
            self.run_schedule(entry);
        }
        drop(gate);
    }

    /// Sees that the schedules are those of the app that is served now.
    pub(crate) async fn renew_schedules(self: &Arc<Self>) {
        let _gate = self.schedules.gate.lock().await;
        if let Err(error) = self.match_schedules(&self.executor.timer_functions()).await {
            tracing::error!(%error, "the schedules of timer-triggered functions could not be written");
        }
    }

    /// A function's schedule follows its code: it is made, changed and deleted with it.
    async fn match_schedules(self: &Arc<Self>, functions: &[TimerFunction]) -> Result<(), ClientError> {
        for entry in self.schedules.all() {
            let is_gone = functions.iter().all(|function| function.schedule != entry.id);
            if is_gone && entry.record().definition.target == ScheduleTarget::Function {
                self.change_schedule(entry.id.clone(), ScheduleChange::Delete, None).await?;
            }
        }
        for function in functions {
            let present = self.schedules.find(&function.schedule).map(|entry| entry.record().definition);
            match present {
                Some(present) if present == function.definition => {}
                Some(present) if present.target != ScheduleTarget::Function => tracing::error!(
                    schedule_id = %function.schedule,
                    "the timer-triggered function does not run: a schedule has its name; delete that one"
                ),
                _ => {
                    let put = ScheduleChange::Put(function.definition.clone());
                    self.change_schedule(function.schedule.clone(), put, None).await?;
                }
            }
        }
        Ok(())
    }

    /// Runs a schedule until it is deleted or the hub is closed. Nothing if it has a runner already.
    pub(super) fn run_schedule(self: &Arc<Self>, entry: Arc<Scheduled>) {
        if std::mem::replace(&mut entry.state.lock().has_runner, true) {
            return;
        }
        let engine = Arc::clone(self);
        tokio::spawn(async move {
            while !engine.is_stopping() && engine.wait_for_tick(&entry).await.is_continue() {
                match engine.tick(&entry).await {
                    Ok(()) => {}
                    Err(ClientError::Stopping) => return,
                    Err(error) => {
                        tracing::error!(schedule_id = %entry.id, %error, "schedule stops until the next start");
                        return;
                    }
                }
            }
        });
    }

    /// Waits until something may have to be decided.
    async fn wait_for_tick(&self, entry: &Scheduled) -> std::ops::ControlFlow<()> {
        loop {
            let wait = Wait::of(&entry.state.lock().record);
            if entry.state.lock().is_deleted {
                return std::ops::ControlFlow::Break(());
            }
            let mut stopping = self.stopping();
            tokio::select! {
                () = entry.changed.notified() => {}
                () = self.sleep_until(wait.due) => return std::ops::ControlFlow::Continue(()),
                () = self.end_of_run(wait.end_of) => return std::ops::ControlFlow::Continue(()),
                _ = stopping.wait_for(|stopping| *stopping) => return std::ops::ControlFlow::Break(()),
            }
        }
    }

    async fn sleep_until(&self, due: Option<Timestamp>) {
        match due {
            Some(due) => self.clock.sleep_until(due).await,
            None => std::future::pending().await,
        }
    }

    /// Waits until a run is over; for ever if there is none.
    async fn end_of_run(&self, run: Option<(InstanceId, u64)>) {
        let Some((instance, generation)) = run else { return std::future::pending().await };
        let watch = self.watchers.watch(&instance);
        loop {
            // Armed before the look, so that an end between the two is not missed.
            let mut finished = std::pin::pin!(watch.signals.finished.notified());
            finished.as_mut().enable();
            let record = self.store.instance(&instance).ok().and_then(|snapshot| snapshot.record);
            if record.is_none_or(|record| record.generation != generation || record.status.is_finished()) {
                return;
            }
            finished.await;
        }
    }

    async fn tick(self: &Arc<Self>, entry: &Scheduled) -> Result<(), ClientError> {
        let _era = self.era.present();
        let record = entry.record();
        let id: ScheduleId = entry.id.clone();
        self.change_schedule(id, ScheduleChange::Tick(self.run_with(&record)), None).await.map(drop)
    }
}
