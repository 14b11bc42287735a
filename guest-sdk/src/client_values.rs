//! What the calls of the orchestration client take and answer.

use std::str::FromStr;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::Result;
use crate::options::FireAt;
use crate::{
    ClientError, EntityQuery, IfExists, InstanceQuery, OrchestrationStatus, PurgeOptions, RuntimeStatus,
    SortBy, StartOptions, StartOutcome, StatusOptions, TimeRange,
};

impl StartOutcome {
    /// The id that a run holds; none where a token was given and no run holds the id any more.
    pub fn instance_id(&self) -> Option<&str> {
        match self {
            Self::Started(holder)
            | Self::Existing(holder)
            | Self::AlreadyExists(holder)
            | Self::Changed(Some(holder)) => Some(&holder.instance_id),
            Self::Queued(queued) => Some(&queued.holder.instance_id),
            Self::Changed(None) => None,
        }
    }
}

/// A random id, `replace-finished`, no token, no idempotency key and no retention of its own.
impl Default for StartOptions {
    fn default() -> Self {
        Self {
            instance_id: None,
            if_exists: IfExists::ReplaceFinished,
            token: None,
            idempotency_key: None,
            retention_ms: None,
            tags: Vec::new(),
            version: None,
            start_at: None,
        }
    }
}

impl StartOptions {
    /// Starts under this instance id.
    #[must_use]
    pub fn instance_id(mut self, instance_id: impl Into<String>) -> Self {
        self.instance_id = Some(instance_id.into());
        self
    }

    /// Says what an instance that already has the id means.
    #[must_use]
    pub fn if_exists(mut self, if_exists: IfExists) -> Self {
        self.if_exists = if_exists;
        self
    }

    /// Starts only if nothing has changed since [`OrchestrationClient::get_status`](crate::OrchestrationClient::get_status) gave this token.
    #[must_use]
    pub fn token(mut self, token: u64) -> Self {
        self.token = Some(token);
        self
    }

    /// Keeps the run so long after its end, whatever that is; then it is purged.
    #[must_use]
    pub fn retention(mut self, time: Duration) -> Self {
        self.retention_ms = Some(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        self
    }

    /// Lets the run begin at a time, or so long from now; until then it is pending.
    #[must_use]
    pub fn start_at(mut self, time: impl Into<FireAt>) -> Self {
        self.start_at = Some(time.into().since_now());
        self
    }

    /// Gives a repeated start with the same key the first outcome, for 24 hours.
    #[must_use]
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }
}

impl StartOptions {
    /// Gives the run a tag to find it by.
    #[must_use]
    pub fn tag(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.push((name.into(), value.into()));
        self
    }

    /// Gives the run a version, which its sub-orchestrations inherit.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }
}

/// Only the instances themselves, and they are deleted.
impl Default for PurgeOptions {
    fn default() -> Self {
        Self { recursive: false, dry_run: false }
    }
}

impl FromStr for IfExists {
    type Err = ClientError;

    /// Reads the name in the contract: `replace-finished`, for example.
    fn from_str(name: &str) -> Result<Self, ClientError> {
        match name {
            "reject" => Ok(Self::Reject),
            "replace-finished" => Ok(Self::ReplaceFinished),
            "use-existing" => Ok(Self::UseExisting),
            "use-existing-if-live" => Ok(Self::UseExistingIfLive),
            "terminate-and-replace" => Ok(Self::TerminateAndReplace),
            "queue" => Ok(Self::Queue),
            unknown => Err(ClientError::InvalidArgument(format!(
                "Unknown value '{unknown}' of ifExists; there are 'reject', 'replace-finished', 'use-existing', \
                 'use-existing-if-live', 'terminate-and-replace' and 'queue'."
            ))),
        }
    }
}

/// With the input, without the history.
impl Default for StatusOptions {
    fn default() -> Self {
        Self { show_input: true, show_history: false, show_history_output: false }
    }
}

/// Every instance with its input, 100 a page, from the first.
impl Default for InstanceQuery {
    fn default() -> Self {
        Self {
            runtime_status: Vec::new(),
            names: Vec::new(),
            created: TimeRange::default(),
            last_updated: TimeRange::default(),
            completed: TimeRange::default(),
            instance_id_prefix: None,
            parent_instance_id: None,
            tags: Vec::new(),
            custom_status: None,
            sort: SortBy::Id,
            descending: false,
            show_input: true,
            page_size: 100,
            continuation_token: None,
        }
    }
}

/// Every entity without its state, 100 a page, from the first.
impl Default for EntityQuery {
    fn default() -> Self {
        Self {
            name: None,
            last_operation_from: None,
            last_operation_to: None,
            fetch_state: false,
            page_size: 100,
            continuation_token: None,
        }
    }
}

/// Whenever.
impl Default for TimeRange {
    fn default() -> Self {
        Self { time_from: None, time_to: None }
    }
}

impl OrchestrationStatus {
    /// The status as an object, with names as the management API has them.
    pub(crate) fn to_json(&self) -> Value {
        let value = |json: &Option<String>| {
            json.as_deref().map_or(Value::Null, |json| serde_json::from_str(json).unwrap_or(Value::Null))
        };
        let failure = self.failure.as_ref().map(|failure| failure.message.clone());
        serde_json::json!({
            "name": self.name,
            "instanceId": self.instance_id,
            "runtimeStatus": self.runtime_status.name(),
            "input": value(&self.input),
            "customStatus": value(&self.custom_status),
            "output": failure.map_or_else(|| value(&self.output), Value::from),
            "executionId": self.execution_id,
            "generation": self.generation,
        })
    }

    /// Reads the input; `null` where there is none.
    ///
    /// # Errors
    /// When it does not fit the type.
    pub fn read_input<T: DeserializeOwned>(&self) -> Result<T> {
        read(self.input.as_deref())
    }

    /// Reads the output; `null` where there is none.
    ///
    /// # Errors
    /// When it does not fit the type.
    pub fn read_output<T: DeserializeOwned>(&self) -> Result<T> {
        read(self.output.as_deref())
    }

    /// Reads the custom status; `null` where there is none.
    ///
    /// # Errors
    /// When it does not fit the type.
    pub fn read_custom_status<T: DeserializeOwned>(&self) -> Result<T> {
        read(self.custom_status.as_deref())
    }
}

fn read<T: DeserializeOwned>(json: Option<&str>) -> Result<T> {
    Ok(serde_json::from_str(json.unwrap_or("null"))?)
}

impl RuntimeStatus {
    /// The name as the management API shows it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "Running",
            Self::Completed => "Completed",
            Self::ContinuedAsNew => "ContinuedAsNew",
            Self::Failed => "Failed",
            Self::Canceled => "Canceled",
            Self::Terminated => "Terminated",
            Self::Pending => "Pending",
            Self::Suspended => "Suspended",
        }
    }

    /// Whether the run has ended: completed, failed, canceled or terminated.
    pub fn is_finished(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Canceled | Self::Terminated)
    }
}
