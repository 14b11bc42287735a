//! What all functions of an app share.

use crate::{HostPattern, ManagementLinks, WasmSettings, guest_log::LogLimits};
use durance_durable::Json;
use durance_taskhub::OrchestrationClient;
use std::sync::{Arc, OnceLock};

/// Settings, and what guests may call. The client and the links are set after the app is loaded: they need it.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: WasmSettings,
    pub(crate) allowed_hosts: Arc<[HostPattern]>,
    pub(crate) client: Arc<OnceLock<OrchestrationClient>>,
    pub(crate) links: Arc<OnceLock<Arc<dyn ManagementLinks>>>,
}

impl Shared {
    pub(crate) fn new(settings: WasmSettings) -> Arc<Self> {
        let allowed_hosts = settings.allowed_outbound_hosts.as_slice().into();
        Arc::new(Self { settings, allowed_hosts, client: Arc::default(), links: Arc::default() })
    }

    /// The same for another app, with the same client and links.
    pub(crate) fn with(&self, settings: WasmSettings) -> Arc<Self> {
        let allowed_hosts = settings.allowed_outbound_hosts.as_slice().into();
        let (client, links) = (Arc::clone(&self.client), Arc::clone(&self.links));
        Arc::new(Self { settings, allowed_hosts, client, links })
    }

    pub(crate) fn log_limits(&self) -> LogLimits {
        LogLimits { line_bytes_max: self.settings.log_line_bytes_max, bytes_max: self.settings.log_bytes_max }
    }

    /// Checks a value that a guest hands over; the text says what is wrong, for the guest's author.
    pub(crate) fn value(&self, what: &str, text: String) -> Result<Json, InvalidValue> {
        let bytes_max = self.settings.value_bytes_max;
        if text.len() > bytes_max {
            let bytes = text.len();
            return Err(InvalidValue::TooLarge(format!(
                "{what} has {bytes} bytes; at most {bytes_max} are allowed"
            )));
        }
        Json::parse(text).map_err(|error| InvalidValue::NotJson(format!("{what} is {error}")))
    }
}

/// What is wrong with a value that a guest handed over.
#[derive(Debug)]
pub(crate) enum InvalidValue {
    TooLarge(String),
    NotJson(String),
}
