//! The versions of the app as the admin API manages them.

use super::{
    archive::{ArchiveError, unpack},
    catalog::{Catalog, KeptVersion},
    deployments::{DeployError, Deployments},
};
use durance_durable::ModuleHash;
use durance_ingress::{
    AppComponentEntry, AppError, AppList, AppUpload, AppVersionEntry, AppVersions, Collected, DeployReport,
    Gate,
};
use futures_util::future::BoxFuture;
use tokio::task::spawn_blocking;

impl AppVersions for Deployments {
    fn list(&self) -> BoxFuture<'_, AppList> {
        Box::pin(async {
            let state = self.state.lock().await;
            let catalog = &state.catalog;
            let versions = catalog.versions().iter().rev().map(|kept| entry(catalog, kept)).collect();
            AppList { app: self.host.name.clone(), versions }
        })
    }

    fn deploy(&self, upload: AppUpload) -> BoxFuture<'_, Result<DeployReport, AppError>> {
        Box::pin(async move {
            let AppUpload { archive, version, gate } = upload;
            let package = spawn_blocking(move || unpack(&archive)).await;
            let package =
                package.map_err(|_| AppError::Failed("unpacking the archive has panicked".to_owned()))??;
            let found = package.version();
            if let Some(expected) = version.filter(|expected| *expected != found) {
                return Err(AppError::Malformed(format!(
                    "what came is version {found}, and not {expected}: it was changed on its way; send it again"
                )));
            }
            Ok(self.deploy_package(package, gate).await?)
        })
    }

    fn activate(&self, version: ModuleHash) -> BoxFuture<'_, Result<DeployReport, AppError>> {
        Box::pin(async move {
            let kept = self.state.lock().await.catalog.find(version).map(KeptVersion::package);
            Ok(self.deploy_package(kept.ok_or(AppError::NotFound(version))?, Gate::default()).await?)
        })
    }

    fn rollback(&self) -> BoxFuture<'_, Result<DeployReport, AppError>> {
        Box::pin(async move {
            let previous = self.state.lock().await.catalog.previous();
            let text = "there is no version before the active one";
            self.activate(previous.ok_or_else(|| AppError::Conflict(text.to_owned()))?).await
        })
    }

    fn collect(&self) -> BoxFuture<'_, Result<Collected, AppError>> {
        Box::pin(async move { Ok(Collected { versions: self.collect_unneeded().await? }) })
    }
}

fn entry(catalog: &Catalog, kept: &KeptVersion) -> AppVersionEntry {
    let components = kept.components.iter();
    AppVersionEntry {
        version: kept.version,
        active: catalog.active() == Some(kept.version),
        previous: catalog.previous() == Some(kept.version),
        deployed_at: kept.deployed_at.to_calendar(),
        components: components
            .map(|component| AppComponentEntry { name: component.name.clone(), hash: component.hash })
            .collect(),
    }
}

impl From<ArchiveError> for AppError {
    fn from(error: ArchiveError) -> Self {
        let text = format!("the archive is no app: {error}");
        match error {
            ArchiveError::TooLarge => Self::TooLarge(text),
            _ => Self::Malformed(text),
        }
    }
}

impl From<DeployError> for AppError {
    fn from(error: DeployError) -> Self {
        match error {
            DeployError::Incompatible(report) => Self::Incompatible(report),
            DeployError::OtherApp { .. } => Self::Conflict(error.to_string()),
            DeployError::Manifest(_) | DeployError::App(_) | DeployError::Route(_) => {
                Self::Invalid(error.to_string())
            }
            DeployError::Catalog(_)
            | DeployError::Store(_)
            | DeployError::Gate(_)
            | DeployError::Delete(_) => Self::Failed(error.to_string()),
        }
    }
}
