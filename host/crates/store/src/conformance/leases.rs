//! Leases: who may write.

use super::{Driver, id, start_request};
use crate::{Lease, Operation, StoreError, TaskHubStore};
use durance_durable::PartitionId;

pub fn owner_gets_every_partition(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    let partitions: Vec<_> = driver.leases.iter().map(|lease| lease.partition).collect();
    assert_eq!(partitions, (0..store.partition_count()).map(PartitionId).collect::<Vec<_>>());
    assert!(store.renew(&driver.leases).is_ok());
}

pub fn commit_with_another_epoch_writes_nothing(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    for change in [u64::wrapping_add, u64::wrapping_sub] {
        let other = |lease: &Lease| Lease { epoch: change(lease.epoch, 1), ..*lease };
        let leases: Vec<_> = driver.leases.iter().map(other).collect();
        let result = store.commit(&leases, vec![Operation::Start(start_request("job", 1))]);
        assert!(matches!(result, Err(StoreError::LeaseLost(_))), "{result:?}");
        assert_eq!(driver.find("job"), None);
    }
    driver.begin("job", 1);
}

pub fn commit_without_the_lease_of_a_partition_writes_nothing(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    let lost = id("job").partition(store.partition_count());
    let driven = (0..).map(|number| format!("other-{number}"));
    let driven = driven.into_iter().find(|text| id(text).partition(store.partition_count()) != lost);
    let driven = driven.expect("ids are spread over partitions");
    let leases: Vec<_> = driver.leases.iter().copied().filter(|lease| lease.partition != lost).collect();
    let starts = [&*driven, "job"].map(|instance| Operation::Start(start_request(instance, 1)));
    let result = store.commit(&leases, starts.to_vec());
    assert!(matches!(result, Err(StoreError::LeaseLost(partition)) if partition == lost), "{result:?}");
    assert_eq!((driver.find(&driven), driver.find("job")), (None, None));
}

pub fn lease_of_another_epoch_is_not_renewed(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    let mut leases = driver.leases;
    if let Some(lease) = leases.last_mut() {
        lease.epoch += 1;
    }
    assert!(matches!(store.renew(&leases), Err(StoreError::LeaseLost(_))));
}
