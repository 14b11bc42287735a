//! Listings: in the order of a table where there is one, otherwise the best of all rows.

use super::{Direction, Key, Reader, Table, codec, keys, transaction::read};
use crate::{ListPage, ListPosition, ListQuery, SortBy, StoreError, TaskHubView};
use durance_durable::{InstanceId, InstanceRecord, Timestamp};
use std::{collections::BTreeMap, ops::ControlFlow};

/// An instance and its place.
type Listed = (ListPosition, InstanceRecord);

impl Reader<'_> {
    pub(super) fn page(&self, query: &ListQuery) -> Result<ListPage, StoreError> {
        let size = query.page_size.max(1);
        // One more than the page: whether there is a next one.
        let mut found = match (query.sort, &query.parent) {
            (SortBy::Id, None) => self.by_id(query, size + 1)?,
            (SortBy::Created, None) => self.by_creation(query, size + 1)?,
            (_, Some(parent)) => {
                let children = self.children(parent)?;
                let mut best = Best::new(query, size + 1);
                for id in children {
                    if let Some(record) = read(&*self.0, &keys::instance(&id))? {
                        best.offer(&id, record);
                    }
                }
                best.into_sorted()
            }
            (SortBy::Updated, None) => self.by_update(query, size + 1)?,
        };
        let has_more = found.len() > size;
        found.truncate(size);
        let after = found.last().filter(|_| has_more).map(|(position, _)| position.clone());
        let instances = found.into_iter().map(|(position, record)| (position.instance, record)).collect();
        Ok(ListPage { instances, after })
    }

    fn by_id(&self, query: &ListQuery, limit: usize) -> Result<Vec<Listed>, StoreError> {
        let prefix = Key::new(Table::Instances, &[query.id_prefix.as_deref().unwrap_or_default().as_bytes()]);
        let after = query.after.as_ref().map(|after| after.instance.as_str().as_bytes());
        let mut found = Vec::new();
        self.0.scan(&prefix, start(after, query.descending), &mut |key, value| {
            let id = keys::read_instance(Table::Instances, key)?;
            let record = codec::decode(Table::Instances, value)?;
            Ok(take(query, &id, record, &mut found, limit))
        })?;
        Ok(found)
    }

    fn by_creation(&self, query: &ListQuery, limit: usize) -> Result<Vec<Listed>, StoreError> {
        let after = query.after.as_ref().map(|after| keys::created(after.time, &after.instance).bytes);
        // The end of the range that comes first in the order.
        let edge = if query.descending {
            query.created.to.map(|to| Timestamp::from_nanos(to.as_nanos().saturating_add(1)))
        } else {
            query.created.from
        };
        let edge = edge.map(|time| time.as_nanos().to_be_bytes().to_vec());
        let first = match (after, edge) {
            (Some(after), Some(edge)) if query.descending => Some(after.min(edge)),
            (after, edge) => after.max(edge),
        };
        let mut found = Vec::new();
        let all = Key::all(Table::Created);
        self.0.scan(&all, start(first.as_deref(), query.descending), &mut |key, _| {
            let (time, id) = keys::read_created(key)?;
            let is_behind = if query.descending {
                query.created.from.is_some_and(|from| time < from)
            } else {
                query.created.to.is_some_and(|to| time > to)
            };
            if is_behind {
                return Ok(ControlFlow::Break(()));
            }
            let record = read(&*self.0, &keys::instance(&id))?;
            Ok(record.map_or(ControlFlow::Continue(()), |record| take(query, &id, record, &mut found, limit)))
        })?;
        Ok(found)
    }

    fn by_update(&self, query: &ListQuery, limit: usize) -> Result<Vec<Listed>, StoreError> {
        let mut best = Best::new(query, limit);
        let prefix = Key::new(Table::Instances, &[query.id_prefix.as_deref().unwrap_or_default().as_bytes()]);
        self.0.scan(&prefix, Direction::Up(&[]), &mut |key, value| {
            let id = keys::read_instance(Table::Instances, key)?;
            best.offer(&id, codec::decode(Table::Instances, value)?);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(best.into_sorted())
    }
}

/// Where a scan begins that goes on behind a key.
fn start(after: Option<&[u8]>, descending: bool) -> Direction<'_> {
    match (after, descending) {
        (Some(key), true) => Direction::Down(Some(key)),
        (None, true) => Direction::Down(None),
        (after, false) => Direction::Up(after.unwrap_or_default()),
    }
}

/// Takes an instance that is to be listed; breaks when there are enough.
fn take(
    query: &ListQuery,
    id: &InstanceId,
    record: InstanceRecord,
    found: &mut Vec<Listed>,
    limit: usize,
) -> ControlFlow<()> {
    let position = query.position(id, &record);
    if query.matches(id, &record) && query.is_ahead(&position) {
        found.push((position, record));
    }
    if found.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
}

/// The first instances in the order of a query, of all that are offered in any order. Holds no more than it needs.
struct Best<'q> {
    query: &'q ListQuery,
    limit: usize,
    found: BTreeMap<ListPosition, InstanceRecord>,
}

impl<'q> Best<'q> {
    fn new(query: &'q ListQuery, limit: usize) -> Self {
        Self { query, limit, found: BTreeMap::new() }
    }

    fn offer(&mut self, id: &InstanceId, record: InstanceRecord) {
        let position = self.query.position(id, &record);
        if !self.query.matches(id, &record) || !self.query.is_ahead(&position) {
            return;
        }
        self.found.insert(position, record);
        if self.found.len() > self.limit {
            if self.query.descending {
                self.found.pop_first()
            } else {
                self.found.pop_last()
            };
        }
    }

    fn into_sorted(self) -> Vec<Listed> {
        if self.query.descending {
            self.found.into_iter().rev().collect()
        } else {
            self.found.into_iter().collect()
        }
    }
}
