//! Entities that keep all that was done to them, in order, and those who use them.

use crate::{
    app::MINUTE,
    support::{Context, Result, entity, faulty_store::FaultyStore, instance, signal},
};
use durance_durable::{EntityId, InstanceId, Json, RuntimeStatus, Timestamp};
use durance_store::{ListQuery, TaskHubView as _};
use durance_taskhub::{EntityAction, EntityAnswer, EntityCall};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// The entity's name.
pub(crate) const LOG: &str = "log";

pub(crate) const KEYS: [&str; 3] = ["x", "y", "z"];

/// The key of the log that is told of every signal that the others got.
const ALL: &str = "all";

/// Signals of such numbers start an orchestration.
const STARTS_EVERY: i64 = 4;

const LISTED_MAX: usize = 10_000;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Entry {
    operation: String,
    /// An execution for `enter`, `leave` and `done`; a number for `note`; key and number for `all`.
    value: serde_json::Value,
    time: Timestamp,
}

/// Notes whatever operation it is. A `note` is passed on.
pub(crate) fn log(call: EntityCall) -> Result<EntityAnswer> {
    let mut entries = entries_of(call.state.as_ref());
    let value: serde_json::Value = serde_json::from_str(call.input.as_str()).unwrap();
    let mut actions = Vec::new();
    if let ("note", Some(number)) = (&*call.operation, value.as_i64()) {
        let passed = Json::of(&(call.entity.key(), number));
        actions.push(EntityAction::Signal(signal(entity(LOG, ALL), "pass", passed.as_str())));
        if number % STARTS_EVERY == 0 {
            let (name, instance) = ("Work".into(), started_by(number));
            actions.push(EntityAction::Start { name, instance, input: Json::null() });
        }
    }
    entries.push(Entry { operation: call.operation.to_string(), value, time: call.time });
    Ok(EntityAnswer { state: Some(Json::of(&entries)), result: Json::null(), actions })
}

fn started_by(number: i64) -> InstanceId {
    instance(&format!("started-by-{number}"))
}

/// Locks the logs of its input, enters and leaves them, and is done. The input is how often, and their keys.
pub(crate) async fn section(context: Context) -> Result<Json> {
    let (rounds, keys): (u32, Vec<String>) = serde_json::from_str(context.input().as_str()).unwrap();
    let me = Json::of(&context.0.lock().execution());
    let logs: Vec<_> = keys.iter().map(|key| entity(LOG, key)).collect();
    let lock = context.lock(&logs).await?;
    for log in &logs {
        context.call(log.clone(), "enter", me.as_str()).await?;
    }
    context.result(context.timer(5 * MINUTE)?).await?;
    for log in &logs {
        context.call(log.clone(), "leave", me.as_str()).await?;
    }
    if rounds > 1 {
        // The locks end with the execution.
        context.continue_as_new(Json::of(&(rounds - 1, &keys)).as_str());
        return Ok(Json::null());
    }
    context.release(lock)?;
    for log in &logs {
        context.signal(log.clone(), "done", me.as_str())?;
    }
    Ok(Json::of(&keys))
}

/// A signal that a client has sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sent {
    pub(crate) number: i64,
    pub(crate) due: Option<Timestamp>,
    /// Whether it was acknowledged.
    pub(crate) is_known: bool,
}

/// How far all has come that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Something may wait for a lock or for its time.
    UnderWay,
    Over,
}

/// Every log is as it must be.
pub(crate) fn check(store: &FaultyStore, sent: &HashMap<&'static str, Vec<Sent>>, progress: Progress) {
    let all = entries(store, ALL);
    for key in KEYS {
        let entries = entries(store, key);
        let sent = sent.get(key).map(Vec::as_slice).unwrap_or_default();
        check_signals(&entries, sent, progress);
        check_sections(&entries);
        check_lock(store, &entity(LOG, key), progress);
        let passed = all.iter().filter_map(|entry| numbers_of(entry, key)).collect::<Vec<_>>();
        assert_eq!(passed, numbers(&entries), "what {key} has passed on");
        for number in passed.into_iter().filter(|number| number % STARTS_EVERY == 0) {
            let id = started_by(number);
            assert!(store.instance(&id).unwrap().record.is_some(), "{id} was never started");
            assert!(store.previous_generations(&id).unwrap().is_empty(), "{id} was started twice");
        }
    }
    check_completed(store, progress);
}

fn entries(store: &FaultyStore, key: &str) -> Vec<Entry> {
    let record = store.entity(&entity(LOG, key)).unwrap();
    entries_of(record.and_then(|record| record.state).as_ref())
}

fn entries_of(state: Option<&Json>) -> Vec<Entry> {
    state.map(|state| serde_json::from_str(state.as_str()).unwrap()).unwrap_or_default()
}

fn numbers(entries: &[Entry]) -> Vec<i64> {
    let notes = entries.iter().filter(|entry| entry.operation == "note");
    notes.map(|entry| entry.value.as_i64().unwrap()).collect()
}

fn numbers_of(passed: &Entry, key: &str) -> Option<i64> {
    let (of, number): (String, i64) = serde_json::from_value(passed.value.clone()).unwrap();
    (of == key).then_some(number)
}

/// What was acknowledged came once, in order; what was not, at most once; nothing before its time.
fn check_signals(entries: &[Entry], sent: &[Sent], progress: Progress) {
    let came = numbers(entries);
    let (scheduled, at_once): (Vec<Sent>, Vec<Sent>) = sent.iter().partition(|sent| sent.due.is_some());
    let is_scheduled = |number: &i64| scheduled.iter().any(|sent| sent.number == *number);
    let (late, prompt): (Vec<i64>, Vec<i64>) = came.iter().partition(|number| is_scheduled(number));
    let expected = at_once.iter().filter(|sent| sent.is_known || prompt.contains(&sent.number));
    let expected: Vec<_> = expected.map(|sent| sent.number).collect();
    assert!(expected.starts_with(&prompt), "{prompt:?} came of {sent:?}");
    for sent in &scheduled {
        let times = late.iter().filter(|number| **number == sent.number).count();
        assert!(times <= 1, "{sent:?} came {times} times");
        assert!(progress == Progress::UnderWay || times == 1 || !sent.is_known, "{sent:?} never came");
        let note = entries.iter().find(|entry| entry.operation == "note" && entry.value == sent.number);
        assert!(note.is_none_or(|note| Some(note.time) >= sent.due), "{note:?} is too early: {sent:?}");
    }
    if progress == Progress::Over {
        assert_eq!(prompt, expected, "{sent:?}");
    }
}

/// Nothing came between somebody's entering and leaving.
fn check_sections(entries: &[Entry]) {
    let places = |operation: &str, by: &Entry| -> Vec<usize> {
        let is_it = |(_, entry): &(usize, &Entry)| entry.operation == operation && entry.value == by.value;
        entries.iter().enumerate().filter(is_it).map(|(place, _)| place).collect()
    };
    for entry in entries.iter().filter(|entry| matches!(&*entry.operation, "enter" | "leave")) {
        match (&*places("enter", entry), &*places("leave", entry)) {
            // It is inside, or was ended there.
            ([_], []) => {}
            ([enter], [leave]) if *leave == enter + 1 => {}
            wrong => panic!("{entry:?} is at {wrong:?} of {entries:?}"),
        }
    }
}

/// Who holds a lock is at work.
fn check_lock(store: &FaultyStore, log: &EntityId, progress: Progress) {
    if let Some(holder) = store.entity(log).unwrap().and_then(|record| record.lock) {
        let record = store.instance(&holder.instance).unwrap().record;
        let is_live = record
            .as_ref()
            .is_some_and(|record| record.execution == holder.execution && !record.status.is_finished());
        assert!(is_live && progress == Progress::UnderWay, "{log} is locked by {holder:?}: {record:?}");
    }
    if progress == Progress::Over {
        let mail = store.entity_mail(log, Timestamp::from_nanos(u64::MAX), 1).unwrap();
        assert!(mail.messages.is_empty(), "{log} has not taken {mail:?}");
    }
}

/// A completed critical section has done all of its work.
fn check_completed(store: &FaultyStore, progress: Progress) {
    let query =
        ListQuery { page_size: LISTED_MAX, statuses: vec![RuntimeStatus::Completed], ..ListQuery::default() };
    let sections = store.list(&query).unwrap().instances.into_iter();
    for (_, record) in sections.filter(|(_, record)| *record.name == *"Section") {
        let me = serde_json::to_value(record.execution).unwrap();
        let keys: Vec<String> = serde_json::from_str(record.output.unwrap().as_str()).unwrap();
        for key in keys {
            let mine: Vec<_> = entries(store, &key).into_iter().filter(|entry| entry.value == me).collect();
            let mine: Vec<_> = mine.iter().map(|entry| &*entry.operation).collect();
            let is_right = mine == ["enter", "leave", "done"]
                || progress == Progress::UnderWay && mine == ["enter", "leave"];
            assert!(is_right, "{me} of {key} is completed, and has done {mine:?}");
        }
    }
}
