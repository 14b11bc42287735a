//! Versions of the app, as those who manage a host see them.

use bytes::Bytes;
use durance_durable::{ExecutionId, InstanceId, ModuleHash};
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Who keeps the versions of the app and exchanges the one that is served.
pub trait AppVersions: Send + Sync + fmt::Debug {
    /// All that are kept.
    fn list(&self) -> BoxFuture<'_, AppList>;

    /// Takes an archive, and serves what is in it from now on unless it is only to be checked.
    ///
    /// # Errors
    /// Nothing has changed; the error says why.
    fn deploy(&self, upload: AppUpload) -> BoxFuture<'_, Result<DeployReport, AppError>>;

    /// Serves a version that is kept.
    ///
    /// # Errors
    /// As [`AppVersions::deploy`]; the version is not kept.
    fn activate(&self, version: ModuleHash) -> BoxFuture<'_, Result<DeployReport, AppError>>;

    /// Serves the version that was served before the active one.
    ///
    /// # Errors
    /// As [`AppVersions::activate`]; there is none.
    fn rollback(&self) -> BoxFuture<'_, Result<DeployReport, AppError>>;

    /// Deletes the versions that nobody needs.
    ///
    /// # Errors
    /// Files cannot be deleted.
    fn collect(&self) -> BoxFuture<'_, Result<Collected, AppError>>;
}

/// An app on its way to the host.
#[derive(Debug, Clone)]
pub struct AppUpload {
    /// A tar archive, compressed with gzip: `durance.toml` and components.
    pub archive: Bytes,
    /// What the sender takes its version for; another one is refused: the archive was damaged on its way.
    pub version: Option<ModuleHash>,
    /// What is to be done with the instances that there are.
    pub gate: Gate,
}

/// What a deployment does about instances that go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Gate {
    /// Only replay their histories on the new version and report; nothing is deployed.
    pub check: bool,
    /// Move those live ones to the new version whose histories replay on it.
    pub migrate: bool,
    /// Refuse the deployment if one of their histories does not replay on it.
    pub require_compatible: bool,
}

/// The versions of the app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AppList {
    /// The app's name.
    pub app: String,
    /// The newest one first.
    pub versions: Vec<AppVersionEntry>,
}

/// One version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AppVersionEntry {
    /// Its name: the hash of manifest and components.
    pub version: ModuleHash,
    /// Whether it is the one that is served.
    pub active: bool,
    /// Whether it is the one that a rollback serves again.
    pub previous: bool,
    /// When it was made the active one last.
    pub deployed_at: jiff::Timestamp,
    /// Its components.
    pub components: Vec<AppComponentEntry>,
}

/// A component of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AppComponentEntry {
    /// Its path in the app.
    pub name: String,
    /// The hash of its bytes.
    pub hash: ModuleHash,
}

/// What a deployment has done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeployReport {
    /// The version that it was about.
    pub version: ModuleHash,
    /// What became of it.
    pub outcome: DeployOutcome,
    /// How the histories of instances replay on it, if that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<GateReport>,
}

/// What became of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DeployOutcome {
    /// It is served now.
    Activated,
    /// It was served before.
    Unchanged,
    /// It was only checked.
    Checked,
}

/// How the histories of instances replay on a version.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GateReport {
    /// By orchestrator, in the order of names.
    pub orchestrators: Vec<OrchestratorGate>,
    /// Events that were replayed.
    pub events: u64,
    /// How long that took.
    pub elapsed_seconds: f64,
    /// Why not all that can go on were moved: the version is served nevertheless.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incomplete: Option<String>,
}

/// How the instances of one orchestrator replay.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrchestratorGate {
    /// Its name.
    pub name: String,
    /// Live instances that can go on with the version.
    pub compatible: u64,
    /// Live instances that cannot.
    pub diverged: u64,
    /// Live instances that were moved to the version.
    pub migrated: u64,
    /// Finished instances of the sample that replay.
    pub finished_compatible: u64,
    /// Finished instances of the sample that do not. They hinder nothing.
    pub finished_diverged: u64,
    /// The first history that does not replay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub difference: Option<GateDifference>,
}

/// Where a version does something else than a history says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GateDifference {
    /// Whose history.
    pub instance_id: InstanceId,
    /// Which run.
    pub execution_id: ExecutionId,
    /// Number of the event, from 0.
    pub event_number: u64,
    /// What the history says.
    pub history: String,
    /// What the code did.
    pub code: String,
}

/// What was deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Collected {
    /// Versions that are gone.
    pub versions: Vec<ModuleHash>,
}

/// Why nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// What was sent is no app.
    #[error("{0}")]
    Malformed(String),
    /// It is too large, packed or unpacked.
    #[error("{0}")]
    TooLarge(String),
    /// It is an app that this host cannot run.
    #[error("{0}")]
    Invalid(String),
    /// It is not for this host, or not now.
    #[error("{0}")]
    Conflict(String),
    /// Live instances cannot go on with it.
    #[error(
        "live instances cannot go on with this version, and the deployment was to be refused then; nothing has changed"
    )]
    Incompatible(GateReport),
    /// No such version is kept.
    #[error("no version {0} is kept; GET /admin/apps lists those that are")]
    NotFound(ModuleHash),
    /// The host could not do it.
    #[error("{0}")]
    Failed(String),
}
