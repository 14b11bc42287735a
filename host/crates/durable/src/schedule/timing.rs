//! When a schedule is due.

use crate::Timestamp;
use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde::{Deserialize, Serialize};
use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

/// The shortest interval. Cron expressions have the same.
pub const INTERVAL_MIN: Duration = Duration::from_secs(1);

/// When a schedule is due.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Timing {
    /// By the calendar of a time zone.
    ///
    /// Shape: six fields (second, minute, hour, day of month, month, day of week), or five without the second, as in
    /// Vixie cron with names, `L`, `W`, `#` and `@daily`.
    ///
    /// Guarantee: a fixed time that a change of the clocks leaves out is due when the clocks have changed, one that comes
    /// twice is due the first time; a time with `*` or steps in it is due in each real hour.
    Cron {
        /// As the user wrote it.
        expression: Arc<str>,
        /// Name in the IANA database.
        time_zone: Arc<str>,
    },
    /// At the anchor, and again after each interval.
    Every(Duration),
}

/// The timing cannot be used; says why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTiming {
    /// Not a cron expression.
    #[error(
        "'{expression}' is not a cron expression of six fields (second minute hour day month weekday) or five: {why}"
    )]
    Expression {
        /// As given.
        expression: String,
        /// What is wrong with it.
        why: String,
    },
    /// Not in the IANA database.
    #[error("there is no time zone '{0}'; use a name of the IANA database, like Europe/Berlin or UTC")]
    TimeZone(String),
    /// Shorter than [`INTERVAL_MIN`].
    #[error("an interval has at least {} s", INTERVAL_MIN.as_secs())]
    Interval,
}

/// Built in, so that every host has the same one.
static TIME_ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

impl Timing {
    /// Checks expression, time zone and interval.
    ///
    /// # Errors
    /// One of them is wrong.
    pub fn check(&self) -> Result<(), InvalidTiming> {
        match self {
            Self::Cron { expression, time_zone } => cron(expression, time_zone).map(drop),
            Self::Every(interval) if *interval < INTERVAL_MIN => Err(InvalidTiming::Interval),
            Self::Every(_) => Ok(()),
        }
    }

    /// The first time that is later than `after`. None: there is none, or the timing cannot be used.
    ///
    /// `anchor` is where intervals are counted from; it is due itself.
    #[must_use]
    pub fn next_after(&self, anchor: Timestamp, after: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Cron { expression, time_zone } => next_of_cron(expression, time_zone, after),
            Self::Every(_) if after < anchor => Some(anchor),
            Self::Every(interval) => next_of_interval(*interval, anchor, after),
        }
    }
}

fn next_of_interval(interval: Duration, anchor: Timestamp, after: Timestamp) -> Option<Timestamp> {
    let interval = u64::try_from(interval.as_nanos()).ok().filter(|nanos| *nanos > 0)?;
    let passed = (after.as_nanos() - anchor.as_nanos()) / interval;
    let next = (passed + 1).checked_mul(interval)?.checked_add(anchor.as_nanos())?;
    Some(Timestamp::from_nanos(next))
}

fn next_of_cron(expression: &str, time_zone: &str, after: Timestamp) -> Option<Timestamp> {
    let (cron, zone) = cron(expression, time_zone).ok()?;
    let next = cron.find_next_occurrence(&after.to_calendar().to_zoned(zone), false).ok()?;
    Timestamp::from_calendar(next.timestamp())
}

fn cron(expression: &str, time_zone: &str) -> Result<(croner::Cron, TimeZone), InvalidTiming> {
    let parser = CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build();
    let cron = parser.parse(expression).map_err(|error| InvalidTiming::Expression {
        expression: expression.to_owned(),
        why: error.to_string(),
    })?;
    let zone = TIME_ZONES.get(time_zone).map_err(|_| InvalidTiming::TimeZone(time_zone.to_owned()))?;
    Ok((cron, zone))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::from_calendar(text.parse().unwrap()).unwrap()
    }

    fn ticks(expression: &str, time_zone: &str, after: &str, count: usize) -> Vec<String> {
        let timing = Timing::Cron { expression: expression.into(), time_zone: time_zone.into() };
        let next = |time: &Timestamp| timing.next_after(Timestamp::default(), *time);
        let times = std::iter::successors(next(&at(after)), next).take(count);
        times.map(|time| time.to_calendar().strftime("%m-%dT%H:%M:%S").to_string()).collect()
    }

    #[test]
    fn cron_expressions_have_six_fields_or_five() {
        let check = |expression: &str, expected: &[&str]| {
            let found = ticks(expression, "UTC", "2026-01-01T00:00:00Z", expected.len());
            assert_eq!(found, expected, "{expression}");
        };
        check("0 */5 * * * *", &["01-01T00:05:00", "01-01T00:10:00"]);
        check("*/5 * * * *", &["01-01T00:05:00", "01-01T00:10:00"]);
        check("* * * * * *", &["01-01T00:00:01", "01-01T00:00:02"]);
        check("30 0 9 * * MON-FRI", &["01-01T09:00:30", "01-02T09:00:30", "01-05T09:00:30"]);
        check("0 0 0 L * *", &["01-31T00:00:00", "02-28T00:00:00"]);
        check("@daily", &["01-02T00:00:00"]);
    }

    #[test]
    fn clocks_that_change_neither_lose_nor_double_a_fixed_time() {
        let check = |expression: &str, zone: &str, after: &str, expected: &[&str]| {
            assert_eq!(
                ticks(expression, zone, after, expected.len()),
                expected,
                "{expression} {zone} {after}"
            );
        };
        let (berlin, spring, autumn) = ("Europe/Berlin", "2026-03-28T12:00:00Z", "2026-10-24T12:00:00Z");
        // 02:30 does not exist on March 29: it is due at 03:00 summer time.
        check("0 30 2 * * *", berlin, spring, &["03-29T01:00:00", "03-30T00:30:00"]);
        // 02:30 comes twice on October 25: it is due the first time.
        check("0 30 2 * * *", berlin, autumn, &["10-25T00:30:00", "10-26T01:30:00"]);
        let half_past = "0 */30 * * * *";
        let gap = ["03-29T00:30:00", "03-29T01:00:00", "03-29T01:30:00"];
        check(half_past, berlin, "2026-03-29T00:10:00Z", &gap);
        let overlap =
            ["10-25T00:00:00", "10-25T00:30:00", "10-25T01:00:00", "10-25T01:30:00", "10-25T02:00:00"];
        check(half_past, berlin, "2026-10-24T23:40:00Z", &overlap);
        check("0 0 2 * * SUN", "America/New_York", "2026-03-07T12:00:00Z", &["03-08T07:00:00"]);
        // A change of half an hour.
        check("0 15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", &["10-03T15:30:00"]);
    }

    #[test]
    fn intervals_are_counted_from_the_anchor() {
        let timing = Timing::Every(Duration::from_secs(10));
        let next = |after| timing.next_after(Timestamp::from_nanos(5), Timestamp::from_nanos(after));
        let second = 1_000_000_000;
        assert_eq!(next(0), Some(Timestamp::from_nanos(5)));
        assert_eq!(next(5), Some(Timestamp::from_nanos(5 + 10 * second)));
        assert_eq!(next(4 + 10 * second), Some(Timestamp::from_nanos(5 + 10 * second)));
        assert_eq!(next(5 + 10 * second), Some(Timestamp::from_nanos(5 + 20 * second)));
        assert_eq!(next(u64::MAX), None);
    }

    #[test]
    fn wrong_timings_say_what_is_wrong() {
        let cron = |expression: &str, zone: &str| Timing::Cron {
            expression: expression.into(),
            time_zone: zone.into(),
        };
        let table = [
            (cron("* * * *", "UTC"), "six fields"),
            (cron("0 0 0 1 1 * 2030", "UTC"), "six fields"),
            (cron("61 * * * * *", "UTC"), "'61 * * * * *' is not a cron expression"),
            (cron("@daily", "Mars/Olympus"), "no time zone 'Mars/Olympus'"),
            (Timing::Every(Duration::from_millis(999)), "at least 1 s"),
        ];
        for (timing, expected) in table {
            let error = timing.check().expect_err("wrong").to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert_eq!(cron("@daily", "Europe/Berlin").check(), Ok(()));
        assert_eq!(
            cron("0 0 0 30 2 *", "UTC").next_after(Timestamp::default(), at("2026-01-01T00:00:00Z")),
            None
        );
    }
}
