//! The management links of an instance: signed for that instance alone, and they expire.

use crate::keys::KeyRing;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use durance_durable::{InstanceId, Timestamp};
use durance_taskhub::Clock;
use hmac::{Hmac, KeyInit as _, Mac as _};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use sha2::Sha256;
use std::{fmt, sync::Arc, time::Duration};

/// Where the management API is.
pub const MANAGEMENT_PATH: &str = "/runtime/webhooks/durabletask";

/// How long a link is good unless a setting says otherwise: 7 days.
pub const LINK_LIFETIME_DEFAULT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// First byte of what is signed: another scheme of links gets another number.
const SIGNATURE_VERSION: u8 = 1;

/// All that RFC 3986 does not call unreserved.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Makes and checks the management links of one task hub.
pub struct SignedLinks {
    keys: KeyRing,
    task_hub: String,
    lifetime: Duration,
    clock: Arc<dyn Clock>,
}

/// What a link carries instead of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkSignature {
    /// Unit: seconds since the Unix epoch.
    pub expires: u64,
    /// HMAC-SHA256 over version, instance id and `expires`, in base64 for URLs.
    pub signature: String,
}

/// The links with which the starter of an orchestration watches and manages it: the model's payload.
///
/// `{eventName}` and `{text}` are for the reader of the links to replace.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ManagementPayload {
    /// The instance.
    pub id: InstanceId,
    /// GET: its status.
    pub status_query_get_uri: String,
    /// POST: sends an event.
    pub send_event_post_uri: String,
    /// POST: ends it.
    pub terminate_post_uri: String,
    /// DELETE: deletes it, once it is over.
    pub purge_history_delete_uri: String,
    /// POST: holds it.
    pub suspend_post_uri: String,
    /// POST: lets it go on.
    pub resume_post_uri: String,
    /// POST: starts it again.
    pub restart_post_uri: String,
    /// POST: lets it go on from where it failed.
    pub rewind_post_uri: String,
}

/// Why a link does not open the instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLink {
    /// It was good once.
    #[error("the link has expired; ask the function that gave it for a new one, or use the admin key")]
    Expired,
    /// It was made for another instance, or changed, or not made by this host.
    #[error(
        "the link's signature is not valid for this instance; use the link as it was given, or the admin key"
    )]
    Forged,
}

impl SignedLinks {
    /// Links for the instances of this task hub, each good for `lifetime`.
    #[must_use]
    pub fn new(keys: &KeyRing, task_hub: &str, lifetime: Duration, clock: Arc<dyn Clock>) -> Self {
        Self { keys: keys.clone(), task_hub: task_hub.to_owned(), lifetime, clock }
    }

    /// The name of the task hub.
    #[must_use]
    pub fn task_hub(&self) -> &str {
        &self.task_hub
    }

    /// The links of an instance.
    ///
    /// `origin` is scheme and authority, as the caller knows this host: `http://localhost:7071`.
    #[must_use]
    pub fn payload(&self, origin: &str, instance: &InstanceId) -> ManagementPayload {
        let LinkSignature { expires, signature } = self.sign(instance);
        let base = format!("{origin}{MANAGEMENT_PATH}/instances/{}", encode(instance.as_str()));
        let query = format!("taskHub={}&expires={expires}&sig={signature}", encode(&self.task_hub));
        ManagementPayload {
            id: instance.clone(),
            status_query_get_uri: format!("{base}?{query}"),
            send_event_post_uri: format!("{base}/raiseEvent/{{eventName}}?{query}"),
            terminate_post_uri: format!("{base}/terminate?reason={{text}}&{query}"),
            purge_history_delete_uri: format!("{base}?{query}"),
            suspend_post_uri: format!("{base}/suspend?reason={{text}}&{query}"),
            resume_post_uri: format!("{base}/resume?reason={{text}}&{query}"),
            restart_post_uri: format!("{base}/restart?{query}"),
            rewind_post_uri: format!("{base}/rewind?reason={{text}}&{query}"),
        }
    }

    /// A signature that opens this instance until its time is over.
    #[must_use]
    pub fn sign(&self, instance: &InstanceId) -> LinkSignature {
        let (_, expires) = self.now_and_last_expiry();
        let signature = mac_of(&self.keys.signing_secret(), instance, expires).finalize().into_bytes();
        LinkSignature { expires, signature: BASE64_URL_SAFE_NO_PAD.encode(signature) }
    }

    /// Now, and when the last of the links that are made until now expires, in seconds since the Unix epoch.
    pub(crate) fn now_and_last_expiry(&self) -> (u64, u64) {
        let now = self.now();
        (now, now.saturating_add(self.lifetime.as_secs()))
    }

    /// Checks a signature for this instance, in constant time.
    ///
    /// # Errors
    /// It is not one, or its time is over.
    pub fn verify(&self, instance: &InstanceId, link: &LinkSignature) -> Result<(), InvalidLink> {
        let signature = BASE64_URL_SAFE_NO_PAD.decode(&link.signature).map_err(|_| InvalidLink::Forged)?;
        let now = self.now();
        let signed_by =
            |secret: &[u8; 32]| mac_of(secret, instance, link.expires).verify_slice(&signature).is_ok();
        if !self.keys.link_secrets(now).iter().any(signed_by) {
            return Err(InvalidLink::Forged);
        }
        if now < link.expires { Ok(()) } else { Err(InvalidLink::Expired) }
    }

    fn now(&self) -> u64 {
        self.clock.now().saturating_since(Timestamp::default()).as_secs()
    }
}

/// Version and time have fixed lengths: no two inputs look the same.
fn mac_of(secret: &[u8], instance: &InstanceId, expires: u64) -> Hmac<Sha256> {
    // HMAC pads a short key with zeros; one of a whole block cannot be refused.
    let mut key = hmac::digest::Key::<Hmac<Sha256>>::default();
    key.iter_mut().zip(secret).for_each(|(byte, secret)| *byte = *secret);
    Hmac::new(&key)
        .chain_update([SIGNATURE_VERSION])
        .chain_update(expires.to_be_bytes())
        .chain_update(instance.as_str())
}

/// Shows no secret.
impl fmt::Debug for SignedLinks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedLinks").field("task_hub", &self.task_hub).finish_non_exhaustive()
    }
}

/// A text as one segment of a path or one value of a query.
pub(crate) fn encode(text: &str) -> impl fmt::Display {
    utf8_percent_encode(text, SEGMENT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{keys::OldLinks, testing::ManualClock};

    fn links() -> (SignedLinks, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::at_seconds(1_000));
        let (keys, _) = KeyRing::generate().unwrap();
        (
            SignedLinks::new(&keys, "My Hub", Duration::from_secs(60), Arc::clone(&clock) as Arc<dyn Clock>),
            clock,
        )
    }

    fn id(text: &str) -> InstanceId {
        InstanceId::new(text).unwrap()
    }

    #[test]
    fn signature_opens_its_instance_until_it_expires() {
        let (links, clock) = links();
        let link = links.sign(&id("a"));
        assert_eq!(link.expires, 1_060);
        clock.set_seconds(1_059);
        assert_eq!(links.verify(&id("a"), &link), Ok(()));
        clock.set_seconds(1_060);
        assert_eq!(links.verify(&id("a"), &link), Err(InvalidLink::Expired));
    }

    #[test]
    fn links_outlive_the_secret_that_signed_them_unless_they_are_revoked() {
        let (links, clock) = links();
        let old = links.sign(&id("a"));
        let (now, until) = links.now_and_last_expiry();
        links.keys.rotate_links(now, OldLinks::GoodUntil(until)).unwrap();
        let new = links.sign(&id("a"));
        assert_ne!(old, new);
        clock.set_seconds(1_059);
        assert_eq!(links.verify(&id("a"), &old), Ok(()));
        assert_eq!(links.verify(&id("a"), &new), Ok(()));
        links.keys.rotate_links(1_059, OldLinks::Revoked).unwrap();
        assert_eq!(links.verify(&id("a"), &old), Err(InvalidLink::Forged));
        assert_eq!(links.verify(&id("a"), &new), Err(InvalidLink::Forged));
    }

    #[test]
    fn changed_or_foreign_signatures_open_nothing() {
        let (links, _) = links();
        let link = links.sign(&id("a"));
        assert_eq!(links.verify(&id("b"), &link), Err(InvalidLink::Forged));
        assert_eq!(links.verify(&id("A"), &link), Err(InvalidLink::Forged));
        let later = LinkSignature { expires: link.expires + 1, ..link.clone() };
        assert_eq!(links.verify(&id("a"), &later), Err(InvalidLink::Forged));
        for signature in [String::new(), "!".to_owned(), link.signature[1..].to_owned(), "A".repeat(43)] {
            let forged = LinkSignature { signature, ..link.clone() };
            assert_eq!(links.verify(&id("a"), &forged), Err(InvalidLink::Forged));
        }
        let (others, _) = self::links();
        assert_eq!(others.verify(&id("a"), &link), Err(InvalidLink::Forged));
    }

    #[test]
    fn payload_has_the_links_of_the_model() {
        let (links, _) = links();
        let payload = links.payload("http://h:1", &id("a b&ä"));
        let query = payload.status_query_get_uri.split_once('?').unwrap().1;
        assert!(query.starts_with("taskHub=My%20Hub&expires=1060&sig="), "{query}");
        let base = "http://h:1/runtime/webhooks/durabletask/instances/a%20b%26%C3%A4";
        let expected = serde_json::json!({
            "id": "a b&ä",
            "statusQueryGetUri": format!("{base}?{query}"),
            "sendEventPostUri": format!("{base}/raiseEvent/{{eventName}}?{query}"),
            "terminatePostUri": format!("{base}/terminate?reason={{text}}&{query}"),
            "purgeHistoryDeleteUri": format!("{base}?{query}"),
            "suspendPostUri": format!("{base}/suspend?reason={{text}}&{query}"),
            "resumePostUri": format!("{base}/resume?reason={{text}}&{query}"),
            "restartPostUri": format!("{base}/restart?{query}"),
            "rewindPostUri": format!("{base}/rewind?reason={{text}}&{query}"),
        });
        assert_eq!(serde_json::to_value(&payload).unwrap(), expected);
    }
}
