//! What can be read from a hub, over rows that are durable.

use super::{
    Direction, Key, Rows, Table, codec, keys,
    stored::{Counters, FirstOutcome, OpenTask, StoredMessage, Tombstone},
    transaction::{read, read_opening},
};
use crate::{
    EntityMail, EntityPage, EntityQuery, IdempotencyKey, ListPage, ListQuery, OnceOutcome, OpenActivity,
    OpenTimer, Recovered, Snapshot, StartRequest, StatusCounts, StoreError, TaskHubView,
};
use durance_durable::{
    EntityId, EntityRecord, ExecutionId, ExecutionRecord, HistoryEvent, InstanceId, InstanceRecord, Lane,
    Message, ModuleHash, PartitionId, ScheduleId, ScheduleRecord, ScheduleTask, TaskId, Timestamp, Turn,
};
use serde::de::DeserializeOwned;
use std::{
    collections::{HashMap, HashSet},
    ops::ControlFlow,
};

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

    fn queued_modules(&self) -> Result<HashSet<ModuleHash>, StoreError> {
        let mut found = HashSet::new();
        self.0.scan(&Key::all(Table::Queue), Direction::Up(&[]), &mut |_, value| {
            let waiting: StartRequest = codec::decode(Table::Queue, value)?;
            found.insert(waiting.module);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
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

    fn schedules(&self) -> Result<Vec<(ScheduleId, ScheduleRecord)>, StoreError> {
        let mut found = Vec::new();
        self.0.scan(&Key::all(Table::Schedules), Direction::Up(&[]), &mut |key, value| {
            let id = keys::read_schedule(key)?;
            match codec::decode(Table::Schedules, value) {
                Ok(record) => found.push((id, record)),
                Err(error) => tracing::error!(schedule_id = %id, %error, "schedule does not run"),
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }

    fn entity(&self, id: &EntityId) -> Result<Option<EntityRecord>, StoreError> {
        read(&*self.0, &keys::entity(id))
    }

    fn entity_mail(&self, id: &EntityId, now: Timestamp, limit: usize) -> Result<EntityMail, StoreError> {
        let record = self.entity(id)?;
        let mut taking = Taking { now, limit, mail: EntityMail::default() };
        for lane in Lane::ALL.into_iter().filter(|lane| lane.is_open(record.as_ref())) {
            self.read_lane(id, lane, &mut taking)?;
        }
        Ok(taking.mail)
    }

    fn list_entities(&self, query: &EntityQuery) -> Result<EntityPage, StoreError> {
        let prefix = query.name.as_ref().map(|name| format!("@{}@", name.to_lowercase()));
        let prefix = prefix.unwrap_or_default();
        let after = query.after.as_ref().map(|id| following(id.as_str())).unwrap_or_default();
        let mut page = EntityPage::default();
        let named = Key::new(Table::Entities, &[prefix.as_bytes()]);
        self.0.scan(&named, Direction::Up(&after), &mut |key, value| {
            let record: EntityRecord = codec::decode(Table::Entities, value)?;
            if !is_entity_listed(query, &record) {
                return Ok(ControlFlow::Continue(()));
            }
            if page.entities.len() >= query.page_size.max(1) {
                page.after = page.entities.last().map(|(id, _)| id.clone());
                return Ok(ControlFlow::Break(()));
            }
            page.entities.push((keys::read_entity(Table::Entities, key)?, record));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(page)
    }

    fn recover(&self, partition: PartitionId) -> Result<Vec<Recovered>, StoreError> {
        let mut found = Vec::new();
        let inbox = keys::in_partition(Table::Inbox, partition);
        self.0.scan(&inbox, Direction::Up(&[]), &mut |key, value| {
            let (instance, sequence) = keys::read_message(key)?;
            found.push(readable(instance, |instance| {
                let StoredMessage { target, event } = codec::decode(Table::Inbox, value)?;
                Ok(Recovered::Message(Message { instance, sequence, target, event }))
            })?);
            Ok(ControlFlow::Continue(()))
        })?;
        let tasks = keys::in_partition(Table::Tasks, partition);
        let mut calls = ScheduledCalls { rows: &*self.0, turn: None };
        self.0.scan(&tasks, Direction::Up(&[]), &mut |key, value| {
            let (instance, execution, task) = keys::read_task(key)?;
            found.push(readable(instance, |instance| match codec::decode(Table::Tasks, value)? {
                OpenTask::Timer { fire_at } => {
                    Ok(Recovered::Timer(OpenTimer { instance, execution, task, fire_at }))
                }
                OpenTask::Activity { history_row, attempt, due, heartbeat } => {
                    let (call, scheduled) = calls.find(execution, history_row, task)?;
                    Ok(Recovered::Activity(OpenActivity {
                        instance,
                        execution,
                        call,
                        scheduled,
                        attempt,
                        due,
                        heartbeat,
                    }))
                }
            })?);
            Ok(ControlFlow::Continue(()))
        })?;
        found.extend(self.entities_with_mail(partition)?.into_iter().map(Recovered::Entity));
        Ok(found)
    }
}

/// What waits for an instance, or that it cannot be read: then the instance cannot go on, but all others can.
fn readable(
    instance: InstanceId,
    read: impl FnOnce(InstanceId) -> Result<Recovered, StoreError>,
) -> Result<Recovered, StoreError> {
    match read(instance.clone()) {
        Err(error @ StoreError::Corrupt { .. }) => {
            Ok(Recovered::Unreadable { instance, why: error.to_string() })
        }
        read => read,
    }
}

impl Reader<'_> {
    /// Adds the messages of a lane that may be taken now, as long as there is room for them.
    fn read_lane(&self, id: &EntityId, lane: Lane, taking: &mut Taking) -> Result<(), StoreError> {
        let Taking { now, limit, mail } = taking;
        let key = keys::entity_lane(self.partition(id)?, id, lane);
        self.0.scan(&key, Direction::Up(&[]), &mut |message, value| {
            let place = keys::read_place(lane, &key, message)?;
            if place.due > *now {
                mail.next_due = Some(place.due);
                return Ok(ControlFlow::Break(()));
            }
            if mail.messages.len() >= *limit {
                return Ok(ControlFlow::Break(()));
            }
            mail.messages.push((place, codec::decode(Table::EntityInbox, value)?));
            Ok(ControlFlow::Continue(()))
        })
    }

    fn partition(&self, id: &EntityId) -> Result<PartitionId, StoreError> {
        Ok(id.partition(read_opening(&*self.0)?.partition_count))
    }

    fn entities_with_mail(&self, partition: PartitionId) -> Result<Vec<EntityId>, StoreError> {
        let mut found: Vec<EntityId> = Vec::new();
        let inbox = keys::in_partition(Table::EntityInbox, partition);
        self.0.scan(&inbox, Direction::Up(&[]), &mut |key, _| {
            let id = keys::read_receiver(key)?;
            if found.last() != Some(&id) {
                found.push(id);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }

    fn rows_under<T: DeserializeOwned>(&self, prefix: &Key) -> Result<Vec<T>, StoreError> {
        let mut found = Vec::new();
        self.0.scan(prefix, Direction::Up(&[]), &mut |_, value| {
            found.push(codec::decode(prefix.table, value)?);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }
}

/// What an entity may take, while it is being read.
struct Taking {
    now: Timestamp,
    limit: usize,
    mail: EntityMail,
}

/// The key that follows an id's: the id and a zero byte.
fn following(id: &str) -> Vec<u8> {
    [id.as_bytes(), &[0]].concat()
}

fn is_entity_listed(query: &EntityQuery, record: &EntityRecord) -> bool {
    record.state.is_some()
        && query.last_operation_from.is_none_or(|from| record.last_operation >= from)
        && query.last_operation_to.is_none_or(|to| record.last_operation <= to)
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
