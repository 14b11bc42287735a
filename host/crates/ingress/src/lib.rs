//! All that comes in over HTTP: function routes, the management API, the host's own endpoints, keys.
//!
//! One way for a request: the [`Server`] reads it, the [`Entrance`] gives it an id, the [`Gateway`] sees whether it may come in and whom it is for, and a
//! function, the management API or the host answers it. Every error becomes a status and a text in one place, `problem`.
//!
//! *Invariant:* nothing else in the host names hyper, and nothing here knows how functions or orchestrations run.

#![forbid(unsafe_code)]

mod access;
mod admin;
mod app;
mod app_versions;
mod body;
mod entrance;
mod functions;
mod gateway;
mod keys;
mod links;
mod management;
mod probes;
mod problem;
mod query;
mod repeated;
mod request;
mod request_id;
mod response;
mod routing;
mod served;
mod server;
#[cfg(test)]
mod testing;

pub use access::KeyRequirement;
pub use app_versions::{
    AppComponentEntry, AppError, AppList, AppUpload, AppVersionEntry, AppVersions, Collected, DeployOutcome,
    DeployReport, Gate, GateDifference, GateReport, OrchestratorGate,
};
pub use entrance::Entrance;
pub use gateway::{Gateway, GatewayParts, GatewaySettings};
pub use keys::{AccessLevel, KeyError, KeyRing, NewKeys};
pub use links::{
    InvalidLink, LINK_LIFETIME_DEFAULT, LinkSignature, MANAGEMENT_PATH, ManagementPayload, SignedLinks,
};
pub use routing::{RouteError, TemplateError};
pub use served::{AppSwitch, ServedApp};
pub use server::{BindError, Server, ServerSettings};
