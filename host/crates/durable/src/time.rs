//! Points in time.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A point in time, UTC.
///
/// Unit: nanoseconds since the Unix epoch; good until the year 2554.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The point this many nanoseconds after the Unix epoch.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the Unix epoch.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// This point and `duration` more; the end of time if that is later.
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }

    /// How long after `earlier` this is; zero if it is not.
    #[must_use]
    pub fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The same point in the calendar.
    ///
    /// # Panics
    /// Never: the calendar goes on beyond the end of this type.
    #[must_use]
    pub fn to_calendar(self) -> jiff::Timestamp {
        jiff::Timestamp::from_nanosecond(i128::from(self.0)).expect("the year 2554 is in the calendar")
    }

    /// The same point; none if it is before 1970 or after the year 2554.
    #[must_use]
    pub fn from_calendar(time: jiff::Timestamp) -> Option<Self> {
        u64::try_from(time.as_nanosecond()).ok().map(Self)
    }
}
