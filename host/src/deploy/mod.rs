//! Versions of the app: kept, made active, given back.
//!
//! A version is a manifest with its components, named by its content. What is served is always one: a folder that is
//! started becomes a version first.

mod archive;
mod catalog;
mod command;
mod deployments;
mod gate;
mod package;
mod versions;

pub(crate) use catalog::{Catalog, CatalogError};
pub(crate) use command::{AppsArgs, DeployArgs, apps, deploy};
pub(crate) use deployments::{DeployError, DeploymentState, Deployments, HostSide, Prepared, prepare};
pub(crate) use package::AppPackage;
