//! Listings.

use super::{Driver, at, start_request};
use crate::{ListQuery, StartRequest, TaskHubStore};
use durance_durable::RuntimeStatus;

/// The ids of all pages, and how many pages there are.
fn all_pages(store: &dyn TaskHubStore, mut query: ListQuery) -> (Vec<String>, usize) {
    let mut ids = Vec::new();
    for pages in 1.. {
        let page = store.list(&query).expect("the store can be read");
        assert!(page.instances.len() <= query.page_size);
        ids.extend(page.instances.iter().map(|(id, _)| id.to_string()));
        if page.after.is_none() {
            return (ids, pages);
        }
        assert_eq!(page.after.as_ref(), page.instances.last().map(|(id, _)| id));
        query.after = page.after;
    }
    unreachable!("there are as many pages as it takes")
}

pub fn list_is_in_the_order_of_ids_page_by_page(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    let mut expected = ["b", "a", "a ", "ab", "a-b", "ä", "Z", "a!", "aa"].map(str::to_owned);
    for (number, instance) in (1..).zip(&expected) {
        driver.begin(instance, number);
    }
    expected.sort();
    for (page_size, pages) in [(1, 9), (2, 5), (3, 3), (9, 1), (100, 1)] {
        let query = ListQuery { page_size, ..ListQuery::default() };
        assert_eq!(all_pages(store, query), (expected.to_vec(), pages), "{page_size}");
    }
}

pub fn list_filters_by_status_time_and_prefix(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    for (number, instance) in (1_u64..).zip(["a1", "a2", "b1", "b2", "c"]) {
        driver.start(StartRequest { now: at(number), ..start_request(instance, number.into()) });
    }
    driver.finish("a2", &driver.record("a2"), RuntimeStatus::Failed);
    driver.finish("b1", &driver.record("b1"), RuntimeStatus::Completed);
    let check = |query: ListQuery, expected: &[&str]| {
        let query = ListQuery { page_size: 1, ..query };
        assert_eq!(
            all_pages(store, query.clone()),
            (expected.iter().map(ToString::to_string).collect(), expected.len().max(1)),
            "{query:?}"
        );
    };
    let query = ListQuery::default;
    check(ListQuery { statuses: vec![RuntimeStatus::Failed], ..query() }, &["a2"]);
    check(
        ListQuery { statuses: vec![RuntimeStatus::Pending, RuntimeStatus::Completed], ..query() },
        &["a1", "b1", "b2", "c"],
    );
    check(ListQuery { statuses: vec![RuntimeStatus::Canceled], ..query() }, &[]);
    check(ListQuery { id_prefix: Some("b".to_owned()), ..query() }, &["b1", "b2"]);
    check(ListQuery { id_prefix: Some("a2".to_owned()), after: Some(super::id("a1")), ..query() }, &["a2"]);
    check(ListQuery { id_prefix: Some("a".to_owned()), after: Some(super::id("b1")), ..query() }, &[]);
    check(ListQuery { created_from: Some(at(2)), created_to: Some(at(3)), ..query() }, &["a2", "b1"]);
}
