//! Histories. A history is a list of turns, and a turn is one row in the store.

use crate::{HistoryEvent, Timestamp};
use serde::{Deserialize, Serialize};

/// What happened in one turn: first what came in, then what the orchestrator asked for.
///
/// Events are numbered through the whole execution, from 0; a turn is stored under the number of its first event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Turn {
    /// When the turn began: the orchestrator's clock stands still at this time.
    pub time: Timestamp,
    /// In order; never empty.
    pub events: Vec<HistoryEvent>,
}
