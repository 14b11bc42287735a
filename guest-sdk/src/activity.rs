//! What an activity may know of its call.

use crate::bindings::durance::functions::invocation;

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
}
