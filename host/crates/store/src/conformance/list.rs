//! Listings.

use super::{Driver, at, execution, id, start_request, turn_write};
use crate::{ListPosition, ListQuery, SortBy, StartRequest, TaskHubStore, TimeRange};
use durance_durable::{HistoryEvent, Json, Parent, RuntimeStatus, StartDetails, TaskId};

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
        let last = page.instances.last().map(|(id, _)| id);
        assert_eq!(page.after.as_ref().map(|after| &after.instance), last);
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
    let after = |instance| Some(ListPosition { time: at(0), instance: id(instance) });
    check(ListQuery { id_prefix: Some("a2".to_owned()), after: after("a1"), ..query() }, &["a2"]);
    check(ListQuery { id_prefix: Some("a".to_owned()), after: after("b1"), ..query() }, &[]);
    check(ListQuery { created: from_to(2, 3), ..query() }, &["a2", "b1"]);
}

fn from_to(from: u64, to: u64) -> TimeRange {
    TimeRange { from: Some(at(from)), to: Some(at(to)) }
}

pub fn every_order_and_filter_gives_the_same_pages(store: &dyn TaskHubStore) {
    let driver = Driver::new(store);
    let tags = |value: &str| [("team".into(), value.into())].into();
    for (number, (instance, created, team)) in (1_u64..).zip([
        ("p", 50, "red"),
        ("a", 40, "red"),
        ("b", 40, "blue"),
        ("c", 30, "red"),
        ("ab", 20, "blue"),
    ]) {
        let details = StartDetails { tags: tags(team), ..StartDetails::default() };
        let execution = number.into();
        driver.start(StartRequest { now: at(created), details, ..start_request(instance, execution) });
    }
    // Turns are at 2000 and later, in the order of the numbers of their first events.
    let c = driver.go_on("c", &driver.record("c"), vec![HistoryEvent::ExecutionStarted]);
    let mut shows = turn_write("c", &c, vec![HistoryEvent::ExecutionResumed { reason: "".into() }]);
    shows.commit.custom_status = Some(Json::of("half done"));
    driver.write(shows);
    let a = driver.go_on("a", &driver.record("a"), vec![HistoryEvent::ExecutionStarted]);
    driver.finish("a", &a, RuntimeStatus::Completed);
    let (task, instance) = (TaskId(0), id("p"));
    let parent = Parent { name: "P".into(), instance, execution: execution(1), task };
    driver.start(StartRequest { now: at(60), parent: Some(parent), ..start_request("child", 9) });

    let query = ListQuery::default;
    let by = |sort, descending| ListQuery { sort, descending, ..query() };
    let table: [(ListQuery, &[&str]); 12] = [
        (by(SortBy::Id, true), &["p", "child", "c", "b", "ab", "a"]),
        (by(SortBy::Created, false), &["ab", "c", "a", "b", "p", "child"]),
        (by(SortBy::Created, true), &["child", "p", "b", "a", "c", "ab"]),
        (ListQuery { created: from_to(30, 40), ..by(SortBy::Created, false) }, &["c", "a", "b"]),
        (ListQuery { created: from_to(30, 40), ..by(SortBy::Created, true) }, &["b", "a", "c"]),
        (by(SortBy::Updated, false), &["ab", "b", "p", "child", "a", "c"]),
        (by(SortBy::Updated, true), &["c", "a", "child", "p", "b", "ab"]),
        (ListQuery { completed: from_to(0, 9_000), ..query() }, &["a"]),
        (ListQuery { updated: from_to(0, 50), ..query() }, &["ab", "b", "p"]),
        (ListQuery { tags: tags("red"), id_prefix: Some("c".to_owned()), ..query() }, &["c"]),
        (
            ListQuery {
                custom_status: Some("half".to_owned()),
                names: vec!["ORCHESTRATOR".to_owned()],
                ..query()
            },
            &["c"],
        ),
        (ListQuery { parent: Some(id("p")), ..by(SortBy::Updated, true) }, &["child"]),
    ];
    for (query, expected) in table {
        for page_size in [1, 2, 100] {
            let query = ListQuery { page_size, ..query.clone() };
            assert_eq!(all_pages(store, query.clone()).0, expected, "{query:?}");
        }
    }
}
