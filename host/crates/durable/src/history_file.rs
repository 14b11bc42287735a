//! Histories in files: what is exported of an execution, and read again for its replay.
//!
//! The format is JSON lines (media type `application/jsonl`, UTF-8). The first line is the header:
//!
//! ```json
//! {"format":"durance-history","version":1,"orchestrator":"F","executionId":"…","instanceId":"…","module":"…","input":"null",…}
//! ```
//!
//! with all that is stored of the instance and of the beginning of the execution. Then comes one line for each event:
//!
//! ```json
//! {"turn":1,"sequence":2,"time":1795393639960404810,"eventType":"TaskScheduled","task":0,"name":"SayHello","input":"\"Tokyo\"",…}
//! ```
//!
//! Events are numbered from 0 through the execution, and so are turns; all events of a turn have its time. Times are
//! nanoseconds since the Unix epoch, as integers of 64 bits. The values of functions (`input`, `result`, `output`, …)
//! are strings that hold their JSON texts: replay compares these byte for byte.
//!
//! A reader refuses a higher version. A field that is added has a default and needs no new version; anything else does.

use crate::{ExecutionRecord, HistoryEvent, InstanceRecord, Timestamp, Turn};
use serde::{Deserialize, Serialize};

const FORMAT: &str = "durance-history";
/// The version of the format that is written, and the highest that is read.
const VERSION: u32 = 1;

/// One execution of an orchestration, with all that its replay needs.
#[derive(Debug, Clone, PartialEq)]
pub struct ExecutionHistory {
    /// The instance as it is after the last turn.
    pub record: InstanceRecord,
    /// What the execution began with.
    pub begun_with: ExecutionRecord,
    /// What happened.
    pub turns: Vec<Turn>,
}

/// The text is not a history that can be read. Lines are counted from 1.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidHistory {
    /// Not even one line.
    #[error("it is empty; give a history as the management API exports it")]
    Empty,
    /// A line is not what belongs there.
    #[error("line {line}: {source}")]
    Line {
        /// Its number.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The first line is of another format.
    #[error("line 1: it is of the format '{0}', and not of '{FORMAT}'")]
    Format(String),
    /// A newer host wrote it.
    #[error(
        "it has version {0} of the format, and this program reads versions up to {VERSION}; use a newer one"
    )]
    Version(u32),
    /// Lines are missing or in another order.
    #[error(
        "line {line}: {what} {found} comes where {expected} is expected: lines are missing or out of order"
    )]
    Order {
        /// Its number.
        line: usize,
        /// `event`, `turn` or `time`.
        what: &'static str,
        /// The number on the line.
        found: u64,
        /// The number that belongs there.
        expected: u64,
    },
    /// Lines are missing at the end.
    #[error("it has {found} of {expected} events: it was cut off; export it again")]
    CutOff {
        /// The events that are there.
        found: u64,
        /// The events that the header promises.
        expected: u64,
    },
}

#[derive(Serialize, Deserialize)]
struct Header<F, R, B> {
    format: F,
    version: u32,
    #[serde(flatten)]
    record: R,
    #[serde(flatten)]
    begun_with: B,
}

/// Read before anything else of the header, which another version may not have.
#[derive(Deserialize)]
struct HeaderStart {
    format: String,
    version: u32,
}

#[derive(Serialize, Deserialize)]
struct Line<E> {
    turn: u64,
    sequence: u64,
    time: Timestamp,
    #[serde(flatten)]
    event: E,
}

impl ExecutionHistory {
    /// The number of its events.
    #[must_use]
    pub fn event_count(&self) -> u64 {
        self.turns.iter().map(|turn| turn.events.len() as u64).sum()
    }

    /// The history in the format for files; every line ends with a line feed.
    ///
    /// # Panics
    /// Never: our own values can be written as JSON.
    #[must_use]
    pub fn to_json_lines(&self) -> String {
        let header =
            Header { format: FORMAT, version: VERSION, record: &self.record, begun_with: &self.begun_with };
        let mut text = json(&header);
        let mut sequence = 0;
        for (turn, row) in (0..).zip(&self.turns) {
            for event in &row.events {
                text.push('\n');
                text.push_str(&json(&Line { turn, sequence, time: row.time, event }));
                sequence += 1;
            }
        }
        text.push('\n');
        text
    }

    /// Reads the format for files.
    ///
    /// # Errors
    /// The text is not such a history, not complete, or of a newer version.
    pub fn from_json_lines(text: &str) -> Result<Self, InvalidHistory> {
        let mut lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
        let (number, header) = lines.next().ok_or(InvalidHistory::Empty)?;
        let HeaderStart { format, version } = read(number, header)?;
        if format != FORMAT {
            return Err(InvalidHistory::Format(format));
        }
        if version > VERSION {
            return Err(InvalidHistory::Version(version));
        }
        let Header::<String, InstanceRecord, _> { record, begun_with, .. } = read(number, header)?;
        let mut turns = Vec::new();
        for (sequence, (number, line)) in (0..).zip(lines) {
            let line = read::<Line<HistoryEvent>>(number, line)?;
            check_order(number, "event", line.sequence, sequence)?;
            append(&mut turns, number, line)?;
        }
        let history = Self { record, begun_with, turns };
        let (found, expected) = (history.event_count(), history.record.event_count);
        if found == expected { Ok(history) } else { Err(InvalidHistory::CutOff { found, expected }) }
    }
}

fn append(turns: &mut Vec<Turn>, number: usize, line: Line<HistoryEvent>) -> Result<(), InvalidHistory> {
    let count = turns.len() as u64;
    match turns.last_mut() {
        Some(present) if line.turn + 1 == count => {
            check_order(number, "time", line.time.as_nanos(), present.time.as_nanos())?;
            present.events.push(line.event);
        }
        _ => {
            check_order(number, "turn", line.turn, count)?;
            turns.push(Turn { time: line.time, events: vec![line.event] });
        }
    }
    Ok(())
}

fn check_order(line: usize, what: &'static str, found: u64, expected: u64) -> Result<(), InvalidHistory> {
    if found == expected { Ok(()) } else { Err(InvalidHistory::Order { line, what, found, expected }) }
}

fn read<'t, T: Deserialize<'t>>(line: usize, text: &'t str) -> Result<T, InvalidHistory> {
    serde_json::from_str(text).map_err(|source| InvalidHistory::Line { line, source })
}

fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("our own values can be written as JSON")
}

#[cfg(test)]
mod tests;
