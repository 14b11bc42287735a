//! Names of schedules.

use crate::{InstanceId, InvalidInstanceId, PartitionId, Timestamp};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr, sync::Arc};

/// The longest schedule id, in characters: it begins the instance ids of its runs.
pub const SCHEDULE_ID_CHARS_MAX: usize = 200;

/// Id of a schedule, unique within a task hub. A timer-triggered function's schedule has the function's name.
///
/// Shape: that of an [`InstanceId`], but at most [`SCHEDULE_ID_CHARS_MAX`] characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ScheduleId(Arc<str>);

/// The text cannot be a schedule id; says why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidScheduleId {
    /// More than [`SCHEDULE_ID_CHARS_MAX`] characters.
    #[error("a schedule id has at most {SCHEDULE_ID_CHARS_MAX} characters, this one has {0}")]
    TooLong(usize),
    /// It would not be good for an instance id either.
    #[error("a schedule id follows the rules of instance ids: {0}")]
    Shape(#[from] InvalidInstanceId),
}

impl ScheduleId {
    /// Checks the shape.
    ///
    /// # Errors
    /// The text breaks a rule of the shape.
    pub fn new(text: &str) -> Result<Self, InvalidScheduleId> {
        InstanceId::new(text)?;
        match text.chars().count() {
            0..=SCHEDULE_ID_CHARS_MAX => Ok(Self(text.into())),
            chars => Err(InvalidScheduleId::TooLong(chars)),
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The partition whose owner drives this schedule.
    ///
    /// # Panics
    /// `count` is 0.
    #[must_use]
    pub fn partition(&self, count: u16) -> PartitionId {
        PartitionId::of(&self.0, count)
    }

    /// The instance that a tick starts, from a template with the placeholders `{schedule}` and `{time}`.
    ///
    /// # Errors
    /// What comes out cannot be an instance id.
    pub fn instance_of(&self, template: &str, tick: Timestamp) -> Result<InstanceId, InvalidInstanceId> {
        InstanceId::new(&template.replace("{schedule}", &self.0).replace("{time}", &compact(tick)))
    }
}

/// `20260102T030405Z`, with as many digits of the second as there are.
fn compact(time: Timestamp) -> String {
    time.to_calendar().strftime("%Y%m%dT%H%M%S%.fZ").to_string()
}

impl fmt::Display for ScheduleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ScheduleId {
    type Err = InvalidScheduleId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_has_the_shape_of_an_instance_id_and_room_for_the_time() {
        assert!(ScheduleId::new("nightly cleanup").is_ok());
        assert!(ScheduleId::new(&"x".repeat(200)).is_ok());
        assert_eq!(ScheduleId::new(&"x".repeat(201)), Err(InvalidScheduleId::TooLong(201)));
        assert_eq!(ScheduleId::new(""), Err(InvalidScheduleId::Shape(InvalidInstanceId::Empty)));
        assert!(ScheduleId::new("a/b").is_err());
    }

    #[test]
    fn instance_id_follows_from_schedule_and_tick() {
        let id = ScheduleId::new("nightly").unwrap();
        let at = |nanos: u64| Timestamp::from_nanos(1_767_323_045_000_000_000 + nanos);
        let instance = |template, nanos| id.instance_of(template, at(nanos)).unwrap().to_string();
        assert_eq!(instance("{schedule}-{time}", 0), "nightly-20260102T030405Z");
        assert_eq!(instance("{schedule}-{time}", 500_000_000), "nightly-20260102T030405.5Z");
        assert_eq!(instance("always-the-same", 0), "always-the-same");
        assert!(id.instance_of("a/{time}", at(0)).is_err());
    }
}
