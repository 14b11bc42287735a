//! The status of an instance, as the host answers it.

use crate::output::{cell, pretty, properties};
use serde::Deserialize;
use serde_json::Value;

/// What is shown of a status. Fields that a host does not send are empty.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InstanceStatus {
    pub(super) name: String,
    pub(super) instance_id: String,
    pub(super) runtime_status: String,
    #[serde(default)]
    pub(super) input: Value,
    #[serde(default)]
    pub(super) custom_status: Value,
    #[serde(default)]
    pub(super) output: Value,
    pub(super) created_time: String,
    pub(super) last_updated_time: String,
    #[serde(default)]
    pub(super) execution_id: String,
    #[serde(default)]
    pub(super) generation: u64,
    #[serde(default)]
    pub(super) tags: Value,
    #[serde(default)]
    pub(super) stuck: Option<Stuck>,
}

/// Why an instance cannot go on.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Stuck {
    reason: String,
}

impl InstanceStatus {
    /// Whether it never changes again.
    pub(super) fn is_finished(&self) -> bool {
        matches!(self.runtime_status.as_str(), "Completed" | "Failed" | "Terminated" | "Canceled")
    }

    /// The status, and whether the instance cannot go on.
    pub(super) fn label(&self) -> String {
        let stuck = if self.stuck.is_some() { " (stuck)" } else { "" };
        format!("{}{stuck}", self.runtime_status)
    }

    /// One line: for `watch`.
    pub(super) fn line(&self) -> String {
        let shown = if self.is_finished() { &self.output } else { &self.custom_status };
        let shown = self.stuck.as_ref().map_or_else(|| cell(Some(shown)), |stuck| stuck.reason.clone());
        format!("{}  {}  {shown}", self.last_updated_time, self.label()).trim_end().to_owned()
    }

    /// All of it.
    pub(super) fn details(&self) -> String {
        let present = |value: &Value| match value {
            Value::Object(map) if map.is_empty() => None,
            value => pretty(value),
        };
        properties([
            ("Instance", Some(self.instance_id.clone())),
            ("Orchestrator", Some(self.name.clone())),
            ("Status", Some(self.label())),
            ("Stuck", self.stuck.as_ref().map(|stuck| stuck.reason.clone())),
            ("Custom status", present(&self.custom_status)),
            ("Created", Some(self.created_time.clone())),
            ("Last updated", Some(self.last_updated_time.clone())),
            ("Execution", Some(self.execution_id.clone()).filter(|id| !id.is_empty())),
            ("Generation", Some(self.generation.to_string())),
            ("Tags", present(&self.tags)),
            ("Input", present(&self.input)),
            ("Output", present(&self.output)),
        ])
    }
}
