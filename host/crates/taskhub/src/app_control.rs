//! What a deployment does to a task hub: the app that its functions are of is another one from now on.

use crate::{TaskHubSettings, engine::Engine};
use durance_durable::{ModuleHash, RuntimeStatus};
use durance_store::{ListQuery, StoreError};
use parking_lot::Mutex;
use std::{
    collections::HashSet,
    sync::{Arc, Weak},
};

/// Instances that are read at one time.
const PAGE: usize = 1_000;

/// Tells a task hub that its executor serves another app, and answers what deployments need to know of its instances.
#[derive(Debug, Clone)]
pub struct AppControl {
    pub(crate) engine: Arc<Engine>,
}

/// What began before the app was exchanged, and may still start orchestrations on the components of the app before.
#[derive(Debug, Clone)]
pub struct EarlierCalls(Weak<()>);

impl EarlierCalls {
    /// Whether all of them have ended: no start that is not in the store yet is pinned to a component of an app before.
    #[must_use]
    pub fn are_over(&self) -> bool {
        self.0.strong_count() == 0
    }
}

/// The time between two exchanges of the app. Whatever looks up a component holds the present one until what it starts is
/// durable.
#[derive(Debug, Default)]
pub(crate) struct Eras(Mutex<Era>);

/// Held by what began in an era.
pub(crate) type Era = Arc<()>;

impl Eras {
    pub(crate) fn present(&self) -> Era {
        Arc::clone(&self.0.lock())
    }

    fn next(&self) -> EarlierCalls {
        let before = std::mem::take(&mut *self.0.lock());
        EarlierCalls(Arc::downgrade(&before))
    }
}

impl AppControl {
    pub(crate) fn new(engine: Arc<Engine>) -> Self {
        Self { engine }
    }

    /// To be called when the executor serves another app: the settings that belong to an app are taken over (retention,
    /// limits of activities, the longest value), and the schedules of timer-triggered functions follow the new ones.
    pub async fn app_changed(&self, settings: &TaskHubSettings) -> EarlierCalls {
        let earlier = self.engine.era.next();
        self.engine.set_app_settings(settings);
        self.engine.renew_schedules().await;
        earlier
    }

    /// The components that instances are pinned to which are live, have failed and may be rewound, or wait to be started. It
    /// blocks on the store.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn pinned_modules(&self) -> Result<HashSet<ModuleHash>, StoreError> {
        let may_go_on = |status: &RuntimeStatus| !status.is_finished() || *status == RuntimeStatus::Failed;
        let statuses = RuntimeStatus::ALL.into_iter().filter(may_go_on).collect();
        let mut query = ListQuery { statuses, page_size: PAGE, ..ListQuery::default() };
        // All at one moment: a start that waits for another run's end must not slip from one to the other meanwhile.
        let view = self.engine.store.view();
        let mut needed = view.queued_modules()?;
        loop {
            let page = view.list(&query)?;
            needed.extend(page.instances.iter().map(|(_, record)| record.module));
            if page.after.is_none() {
                return Ok(needed);
            }
            query.after = page.after;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn earlier_calls_are_over_when_all_that_began_before_has_ended() {
        let eras = Eras::default();
        let (first, second) = (eras.present(), eras.present());
        let earlier = eras.next();
        let later = eras.present();
        drop(first);
        assert!(!earlier.are_over());
        drop(second);
        assert!(earlier.are_over());
        assert!(!eras.next().are_over());
        drop(later);
    }
}
