//! What can be read from a hub, over rows that are durable.

use super::{
    Direction, Key, Rows, Table, codec, keys,
    stored::{Counters, FirstOutcome, OpenTask, StoredMessage, Tombstone},
    transaction::{read, read_opening},
};
use crate::{
    IdempotencyKey, ListPage, ListQuery, OnceOutcome, OpenActivity, OpenTimer, Recovered, Snapshot,
    StatusCounts, StoreError, TaskHubView,
};
use durance_durable::{
    ExecutionId, ExecutionRecord, HistoryEvent, InstanceId, InstanceRecord, Message, PartitionId,
    ScheduleTask, TaskId, Timestamp, Turn,
};
use serde::de::DeserializeOwned;
use std::{collections::HashMap, ops::ControlFlow};

/// Reads from rows as they were at one moment.
pub(crate) struct Reader<'a>(pub(crate) Box<dyn Rows + 'a>);

impl TaskHubView for Reader<'_> {
    fn instance(&self, id: &InstanceId) -> Result<Snapshot, StoreError> {
        let record: Option<InstanceRecord> = read(&*self.0, &keys::instance(id))?;
        if let Some(record) = record {
            let next_generation = record.generation + 1;
            return Ok(Snapshot { token: record.token, record: Some(record), next_generation });
        }
        let tombstone: Option<Tombstone> = read(&*self.0, &keys::tombstone(id))?;
        let (token, last_generation) = match tombstone {
            Some(tombstone) => (tombstone.token, tombstone.generation),
            None => {
                let opening = read_opening(&*self.0)?;
                (opening.horizon, opening.generation_floor)
            }
        };
        Ok(Snapshot { token, record: None, next_generation: last_generation + 1 })
    }

    fn execution(&self, id: ExecutionId) -> Result<Option<ExecutionRecord>, StoreError> {
        read(&*self.0, &keys::execution(id))
    }

    fn history(&self, id: ExecutionId) -> Result<Vec<Turn>, StoreError> {
        self.rows_under(&keys::history(id))
    }

    fn previous_generations(&self, id: &InstanceId) -> Result<Vec<InstanceRecord>, StoreError> {
        let mut records = self.rows_under(&keys::generations(id))?;
        records.reverse();
        Ok(records)
    }

    fn children(&self, id: &InstanceId) -> Result<Vec<InstanceId>, StoreError> {
        let prefix = keys::children(id);
        let mut found = Vec::new();
        self.0.scan(&prefix, Direction::Up(&[]), &mut |key, _| {
            found.push(keys::read_child(&prefix, key)?);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }

    fn first_outcome(&self, key: &IdempotencyKey, now: Timestamp) -> Result<Option<OnceOutcome>, StoreError> {
        let first: Option<FirstOutcome> = read(&*self.0, &keys::idempotency(&key.key))?;
        Ok(first.and_then(|first| first.tell(key, now)))
    }

    fn counts(&self) -> Result<StatusCounts, StoreError> {
        let counters: Option<Counters> = read(&*self.0, &keys::counters())?;
        Ok(counters.unwrap_or_default().statuses)
    }

    fn list(&self, query: &ListQuery) -> Result<ListPage, StoreError> {
        self.page(query)
    }

    fn recover(&self, partition: PartitionId) -> Result<Vec<Recovered>, StoreError> {
        let mut found = Vec::new();
        let inbox = keys::in_partition(Table::Inbox, partition);
        self.0.scan(&inbox, Direction::Up(&[]), &mut |key, value| {
            let (instance, sequence) = keys::read_message(key)?;
            let StoredMessage { target, event } = codec::decode(Table::Inbox, value)?;
            found.push(Recovered::Message(Message { instance, sequence, target, event }));
            Ok(ControlFlow::Continue(()))
        })?;
        let tasks = keys::in_partition(Table::Tasks, partition);
        let mut calls = ScheduledCalls { rows: &*self.0, turn: None };
        self.0.scan(&tasks, Direction::Up(&[]), &mut |key, value| {
            let (instance, execution, task) = keys::read_task(key)?;
            found.push(match codec::decode(Table::Tasks, value)? {
                OpenTask::Timer { fire_at } => {
                    Recovered::Timer(OpenTimer { instance, execution, task, fire_at })
                }
                OpenTask::Activity { history_row, attempt, due } => {
                    let (call, scheduled) = calls.find(execution, history_row, task)?;
                    Recovered::Activity(OpenActivity { instance, execution, call, scheduled, attempt, due })
                }
            });
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }
}

impl Reader<'_> {
    fn rows_under<T: DeserializeOwned>(&self, prefix: &Key) -> Result<Vec<T>, StoreError> {
        let mut found = Vec::new();
        self.0.scan(prefix, Direction::Up(&[]), &mut |_, value| {
            found.push(codec::decode(prefix.table, value)?);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }
}

/// Finds in histories what open activities call. Keeps the last turn: a fan-out is one turn of many calls.
struct ScheduledCalls<'a> {
    rows: &'a dyn Rows,
    turn: Option<ScheduledTurn>,
}

struct ScheduledTurn {
    key: Key,
    time: Timestamp,
    calls: HashMap<TaskId, ScheduleTask>,
}

impl ScheduledCalls<'_> {
    fn find(
        &mut self,
        execution: ExecutionId,
        history_row: u64,
        task: TaskId,
    ) -> Result<(ScheduleTask, Timestamp), StoreError> {
        let key = keys::turn(execution, history_row);
        if self.turn.as_ref().is_none_or(|turn| turn.key != key) {
            let turn: Turn = read(self.rows, &key)?.ok_or_else(|| missing_call(task))?;
            self.turn = Some(ScheduledTurn { key, time: turn.time, calls: calls(turn) });
        }
        let turn = self.turn.as_mut().ok_or_else(|| missing_call(task))?;
        let call = turn.calls.remove(&task).ok_or_else(|| missing_call(task))?;
        Ok((call, turn.time))
    }
}

fn calls(turn: Turn) -> HashMap<TaskId, ScheduleTask> {
    let calls = turn.events.into_iter().filter_map(|event| match event {
        HistoryEvent::TaskScheduled(call) => Some((call.task, call)),
        _ => None,
    });
    calls.collect()
}

fn missing_call(task: TaskId) -> StoreError {
    let why = format!("open task {task} is not in the history of its execution");
    StoreError::Corrupt { table: Table::Tasks.name(), why }
}
