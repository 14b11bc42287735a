//! What can be asked of a listing.

use durance_durable::{InstanceId, InstanceRecord, RuntimeStatus, Timestamp};
use std::{collections::BTreeMap, fmt, str::FromStr, sync::Arc};

/// Which instances to list, and in which order.
///
/// Guarantee: an instance that does not change while its pages are read is on exactly one of them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ListQuery {
    /// Any of these; empty means all.
    pub statuses: Vec<RuntimeStatus>,
    /// Any of these orchestrators, in any letter case; empty means all.
    pub names: Vec<String>,
    /// The id starts with this.
    pub id_prefix: Option<String>,
    /// Sub-orchestrations of this instance.
    pub parent: Option<InstanceId>,
    /// Each of these tags has this value.
    pub tags: BTreeMap<Arc<str>, Arc<str>>,
    /// The custom status, as JSON text, has this in it.
    pub custom_status: Option<String>,
    /// When the run was started.
    pub created: TimeRange,
    /// When the last turn was.
    pub updated: TimeRange,
    /// When the run ended; one that has not ended is in no limited range.
    pub completed: TimeRange,
    /// The order.
    pub sort: SortBy,
    /// Whether the order is turned round.
    pub descending: bool,
    /// Only what comes after this in the order: the continuation.
    pub after: Option<ListPosition>,
    /// The longest page, at least 1.
    pub page_size: usize,
}

/// A span of time, both ends included; one that is not given is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TimeRange {
    /// Not earlier.
    pub from: Option<Timestamp>,
    /// Not later.
    pub to: Option<Timestamp>,
}

/// The order of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SortBy {
    /// By id, by bytes.
    #[default]
    Id,
    /// By the time of creation, then by id.
    Created,
    /// By the time of the last turn, then by id. Looks through all instances for each page.
    Updated,
}

/// A place in the order of a listing: that of an instance when its page was read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListPosition {
    /// What the listing is sorted by; 0 where that is the id alone.
    pub time: Timestamp,
    /// The instance.
    pub instance: InstanceId,
}

/// As continuation tokens hold it: the time in nanoseconds, a colon, the id.
impl fmt::Display for ListPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.time.as_nanos(), self.instance)
    }
}

impl FromStr for ListPosition {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (time, id) = text.split_once(':').ok_or(())?;
        let time = Timestamp::from_nanos(time.parse().map_err(drop)?);
        Ok(Self { time, instance: InstanceId::new(id).map_err(drop)? })
    }
}

/// A page of a listing.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ListPage {
    /// In the order that was asked for.
    pub instances: Vec<(InstanceId, InstanceRecord)>,
    /// Where the next page begins; none on the last one.
    pub after: Option<ListPosition>,
}

impl TimeRange {
    fn has(&self, time: Timestamp) -> bool {
        self.from.is_none_or(|from| time >= from) && self.to.is_none_or(|to| time <= to)
    }

    fn is_open(&self) -> bool {
        self.from.is_none() && self.to.is_none()
    }
}

impl ListQuery {
    /// Whether the instance is to be listed, on whatever page.
    pub(crate) fn matches(&self, id: &InstanceId, record: &InstanceRecord) -> bool {
        let is_any_of_names = || self.names.iter().any(|name| name.eq_ignore_ascii_case(&record.name));
        let has_tag = |(name, value)| record.details.tags.get(name) == Some(value);
        let has_ended = || record.status.is_finished() && self.completed.has(record.last_updated);
        let shows = |text: &String| {
            record.custom_status.as_ref().is_some_and(|status| status.as_str().contains(text))
        };
        (self.statuses.is_empty() || self.statuses.contains(&record.status))
            && (self.names.is_empty() || is_any_of_names())
            && self.id_prefix.as_deref().is_none_or(|prefix| id.as_str().starts_with(prefix))
            && self.created.has(record.created)
            && self.updated.has(record.last_updated)
            && (self.completed.is_open() || has_ended())
            && self.tags.iter().all(has_tag)
            && self.custom_status.as_ref().is_none_or(shows)
    }

    /// Where the instance is in the order.
    pub(crate) fn position(&self, id: &InstanceId, record: &InstanceRecord) -> ListPosition {
        let time = match self.sort {
            SortBy::Id => Timestamp::default(),
            SortBy::Created => record.created,
            SortBy::Updated => record.last_updated,
        };
        ListPosition { time, instance: id.clone() }
    }

    /// Whether the place is on a later page than the one that gave the continuation.
    pub(crate) fn is_ahead(&self, position: &ListPosition) -> bool {
        self.after
            .as_ref()
            .is_none_or(|after| if self.descending { position < after } else { position > after })
    }
}
