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
    /// Before the key, for what is not asked by a client itself; empty otherwise.
    scope: Arc<str>,
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
        Ok(Self { scope: "".into(), key: key.into(), digest: None })
    }

    /// The key of a request to an HTTP function. The function's name is a scope of its own, and the request is what the
    /// parts say.
    ///
    /// # Errors
    /// As [`Idempotency::new`].
    pub fn of_request(function: &str, key: &str, parts: &[&[u8]]) -> Result<Self, ClientError> {
        Self::new(key)?;
        Ok(Self {
            scope: format!("function {function}: ").into(),
            key: key.into(),
            digest: Some(digest(parts)),
        })
    }

    /// The key of a client call, by its number, in the function that the request called. A repetition of the request
    /// gets the first call's answer, whatever it asks for.
    #[must_use]
    pub fn for_call(&self, number: u32) -> Self {
        Self { scope: format!("{}call {number}: ", self.scope).into(), ..self.clone() }
    }

    /// As the caller gave it.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    fn scoped(&self) -> Arc<str> {
        if self.scope.is_empty() {
            Arc::clone(&self.key)
        } else {
            format!("{}{}", self.scope, self.key).into()
        }
    }

    /// The id of an instance that is started under this key without one.
    pub(crate) fn instance(&self) -> InstanceId {
        InstanceId::from_uuid(Uuid::new_v5(&KEY_NAMESPACE, self.scoped().as_bytes()))
    }

    /// The key for what has these parts.
    pub(crate) fn of<T: AsRef<str>>(&self, parts: &[T]) -> IdempotencyKey {
        let parts: Vec<_> = parts.iter().map(|part| part.as_ref().as_bytes()).collect();
        IdempotencyKey { key: self.scoped(), request_digest: self.digest.unwrap_or_else(|| digest(&parts)) }
    }
}

/// Each part is preceded by its length, so that no two requests have the same bytes.
fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}
