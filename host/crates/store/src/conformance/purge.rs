//! Purges: nothing is left but what keeps tokens and generations rising.

use super::{Driver, execution, id};
use crate::{PurgeOutcome, TaskHubStore};
use durance_durable::RuntimeStatus;

pub fn purge_deletes_everything_of_a_finished_instance(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    for number in 1..=3 {
        driver.finish("job", &driver.run("job", number), RuntimeStatus::Completed);
    }
    driver.finish("job-1", &driver.run("job-1", 9), RuntimeStatus::Completed);
    assert_eq!(driver.purge("job"), PurgeOutcome::Purged);
    assert_eq!(driver.find("job"), None);
    assert_eq!(store.previous_generations(&id("job")).expect("readable"), []);
    for number in 1..=3 {
        assert_eq!(driver.history(execution(number)), [], "{number}");
        assert_eq!(store.execution(execution(number)).expect("readable"), None, "{number}");
    }
    assert_eq!(driver.history(execution(9)).len(), 2, "another instance stays");
}

pub fn purge_of_a_live_or_missing_instance_does_nothing(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    assert_eq!(driver.purge("job"), PurgeOutcome::NotFound);
    driver.begin("job", 1);
    assert_eq!(driver.purge("job"), PurgeOutcome::NotFinished(RuntimeStatus::Pending));
    assert_eq!(driver.inbox("job").len(), 1);
    driver.finish("job", &driver.record("job"), RuntimeStatus::Completed);
    assert_eq!(driver.purge("job"), PurgeOutcome::Purged);
    assert_eq!(driver.purge("job"), PurgeOutcome::NotFound);
}

pub fn generation_goes_on_rising_after_a_purge(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    let next = |instance: &str| store.instance(&id(instance)).expect("readable").next_generation;
    assert_eq!(next("job"), 1);
    for number in 1..=2 {
        driver.finish("job", &driver.run("job", number), RuntimeStatus::Completed);
    }
    assert_eq!(next("job"), 3);
    driver.purge("job");
    assert_eq!(next("job"), 3);
    assert_eq!(driver.begin("job", 3).generation, 3);
    assert_eq!(driver.begin("other", 4).generation, 1);
}
