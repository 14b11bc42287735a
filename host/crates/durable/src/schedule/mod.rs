//! Schedules: what is to be started again and again, and when.
//!
//! A [`ScheduleRecord`] is the whole state of a schedule. Each change of it is a function from the record and the present
//! to the record and the runs that are to begin: the store writes both in one commit, so that a crash neither loses a
//! tick nor doubles it.

mod definition;
mod id;
mod record;
mod timing;

pub use definition::{
    CATCH_UP_DEFAULT, InvalidSchedule, OverlapPolicy, ScheduleDefinition, ScheduleTarget,
    UnknownOverlapPolicy,
};
pub use id::{InvalidScheduleId, SCHEDULE_ID_CHARS_MAX, ScheduleId};
pub use record::{
    ON_TIME, QUEUED_TICKS_MAX, RunOutcome, RunningTick, ScheduleRecord, ScheduledRun, TICKS_AT_ONCE_MAX,
    TickDecision,
};
pub use timing::{INTERVAL_MIN, InvalidTiming, Timing};
