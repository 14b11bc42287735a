//! What an activity may know of its call.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::imports::invocation;

/// What is known of the present call of an activity, as its second parameter.
#[derive(Clone, Copy, Debug, Default)]
pub struct ActivityContext(());

#[expect(clippy::unused_self, reason = "the receiver says where the call is allowed")]
impl ActivityContext {
    /// The context of the present call.
    pub fn new() -> Self {
        Self::default()
    }

    /// Which attempt of the task this is, from 1.
    pub fn attempt(&self) -> u32 {
        invocation::attempt()
    }

    /// The same for every attempt of one task, and for no other task; none outside activities.
    pub fn idempotency_key(&self) -> Option<String> {
        invocation::idempotency_key()
    }

    /// The orchestration instance that called; none outside activities.
    pub fn instance_id(&self) -> Option<String> {
        invocation::instance_id()
    }

    /// Rises with every new run under the instance's id: a fencing token for outside systems. None outside activities.
    pub fn generation(&self) -> Option<u64> {
        invocation::generation()
    }

    /// Unique for each call.
    pub fn invocation_id(&self) -> String {
        invocation::invocation_id()
    }

    /// Whether nobody waits for the result any more: the orchestrator gave the task up, or is over. The host stops the
    /// activity in a while; what it answers is dropped.
    pub fn is_cancelled(&self) -> bool {
        invocation::is_cancelled()
    }

    /// Says that the activity is at work, and how far it is: the next attempt can go on from there. At most 16 KiB of
    /// JSON; may be called often.
    ///
    /// # Errors
    /// `Cancelled` when nobody waits for the result any more, so that `?` ends the activity; or the details cannot be
    /// written as JSON.
    pub fn heartbeat(&self, details: impl Serialize) -> Result<()> {
        invocation::heartbeat(&serde_json::to_string(&details)?);
        if self.is_cancelled() {
            return Err(Error::non_retriable("Cancelled", "nobody waits for this activity any more"));
        }
        Ok(())
    }

    /// The details of the last heartbeat, of this attempt or of one before it.
    ///
    /// # Errors
    /// They are no `T`.
    pub fn heartbeat_details<T: DeserializeOwned>(&self) -> Result<Option<T>> {
        let details = invocation::heartbeat_details();
        Ok(details.map(|details| serde_json::from_str(&details)).transpose()?)
    }
}
