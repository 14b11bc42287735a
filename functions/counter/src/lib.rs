//! An entity: a counter for each key, without a database.
//!
//! ```text
//! curl -X POST 'http://127.0.0.1:7071/runtime/webhooks/durabletask/entities/Counter/visits?op=add' \
//!   -H 'content-type: application/json' -d 1
//! curl http://127.0.0.1:7071/runtime/webhooks/durabletask/entities/Counter/visits
//! curl http://127.0.0.1:7071/runtime/webhooks/durabletask/entities/Counter
//! ```
//!
//! Operations on one key run one at a time, in order, each exactly once, whatever the number of callers.

use durance_sdk::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
struct Counter(i64);

#[entity(name = "Counter")]
impl Counter {
    fn add(&mut self, amount: i64) -> Result<i64> {
        let sum = self.0.checked_add(amount);
        self.0 = sum.ok_or_else(|| Error::non_retriable("Overflow", "the counter is full"))?;
        Ok(self.0)
    }

    fn get(&self) -> i64 {
        self.0
    }

    fn reset(&mut self) {
        self.0 = 0;
    }
}
