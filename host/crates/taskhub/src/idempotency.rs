//! Requests that may be repeated.

use crate::ClientError;
use durance_durable::InstanceId;
use durance_store::IdempotencyKey;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use uuid::Uuid;

/// Instance ids that follow from an idempotency key are UUIDs (version 5) in this namespace. It must never change.
const KEY_NAMESPACE: Uuid = Uuid::from_u128(0x6fa2_1a0e_7d5b_4d0c_9a55_1f0c_3b8e_42d7);

/// The longest idempotency key, in bytes.
const IDEMPOTENCY_KEY_BYTES_MAX: usize = 256;

/// The key of a request: a repetition under the same key gets the first outcome, for 24 hours.
///
/// Scope: the task hub. The same key for another request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    key: Arc<str>,
    /// Of the request. None: what the client is asked for is the request.
    digest: Option<[u8; 32]>,
}

impl Idempotency {
    /// A key as a caller gives it.
    ///
    /// # Errors
    /// `InvalidArgument`: it is empty, or longer than 256 bytes.
    pub fn new(key: &str) -> Result<Self, ClientError> {
        if key.is_empty() || key.len() > IDEMPOTENCY_KEY_BYTES_MAX {
            let text = format!("an idempotency key has 1 to {IDEMPOTENCY_KEY_BYTES_MAX} bytes");
            return Err(ClientError::InvalidArgument(text));
        }
        Ok(Self { key: key.into(), digest: None })
    }

    /// The id of an instance that is started under this key without one.
    pub(crate) fn instance(&self) -> InstanceId {
        InstanceId::from_uuid(Uuid::new_v5(&KEY_NAMESPACE, self.key.as_bytes()))
    }

    /// The key for what has these parts.
    pub(crate) fn of(&self, parts: &[&str]) -> IdempotencyKey {
        IdempotencyKey {
            key: Arc::clone(&self.key),
            request_digest: self.digest.unwrap_or_else(|| digest(parts)),
        }
    }
}

/// Each part is preceded by its length, so that no two requests have the same bytes.
fn digest(parts: &[&str]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}
