//! `durance start --watch`: the app is built and exchanged when something in its folder changes.

use crate::{
    deploy::{AppPackage, Deployments},
    manifest::Manifest,
};
use durance_cli::build;
use durance_ingress::{DeployOutcome, Gate};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{sync::Notify, task::spawn_blocking, time::timeout};

/// After a change: what changes within this time belongs to it.
const QUIET: Duration = Duration::from_millis(50);

/// Whether sources are compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Build {
    /// When they have changed.
    IfStale,
    /// Somebody else does that.
    Never,
}

/// Watches the folder of an app.
#[derive(Debug)]
pub(crate) struct Watch {
    folder: PathBuf,
    /// The data folder, by its true name.
    data: PathBuf,
    build: Build,
    changed: Arc<Notify>,
    watcher: RecommendedWatcher,
    watched: HashSet<PathBuf>,
}

impl Watch {
    /// Begins to watch the folder, but not the data folder, if that is in it. What changes from now on is seen, and what has
    /// changed since the app was read.
    ///
    /// # Errors
    /// The system has no more watches.
    pub(crate) fn begin(folder: &Path, data: &Path, build: Build) -> notify::Result<Self> {
        let changed = Arc::new(Notify::new());
        let notify = Arc::clone(&changed);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Whoever only reads changes nothing; and of an error nobody knows what was missed.
            if event.is_ok_and(|event| event.kind.is_access()) {
                return;
            }
            notify.notify_one();
        })?;
        changed.notify_one();
        let data = fs::canonicalize(data).unwrap_or_else(|_| data.to_owned());
        let mut watch =
            Self { folder: folder.to_owned(), data, build, changed, watcher, watched: HashSet::new() };
        watch.follow();
        Ok(watch)
    }

    /// Builds and exchanges the app with each change, for ever. What is wrong is said, and the app before goes on.
    pub(crate) async fn run(mut self, deployments: Arc<Deployments>) {
        loop {
            self.changed.notified().await;
            while timeout(QUIET, self.changed.notified()).await.is_ok() {}
            // Before the look at what is there: a file that comes now is seen again.
            self.follow();
            let (folder, build) = (self.folder.clone(), self.build);
            let package = spawn_blocking(move || read(&folder, build)).await;
            match package {
                Ok(Ok(package)) => exchange(&deployments, package).await,
                Ok(Err(why)) => tracing::error!(error = why, "the app is not exchanged"),
                Err(_panicked) => tracing::error!("reading the app has panicked"),
            }
        }
    }

    /// Watches the folders that there are now: those of sources and those of components.
    fn follow(&mut self) {
        let mut folders = HashSet::new();
        source_folders(&self.folder, &self.data, &mut folders);
        let components = Manifest::read(&self.folder).and_then(|app| app.component_files(&self.folder));
        folders.extend(
            components.unwrap_or_default().iter().filter_map(|file| file.parent()).map(Path::to_owned),
        );
        for gone in self.watched.difference(&folders) {
            // It is not there any more, or not watched: as wanted.
            let _unwatched = self.watcher.unwatch(gone);
        }
        for new in folders.difference(&self.watched) {
            if let Err(error) = self.watcher.watch(new, RecursiveMode::NonRecursive) {
                tracing::warn!(folder = %new.display(), %error, "changes in this folder are not seen");
            }
        }
        self.watched = folders;
    }
}

/// The folder and those below it, but for the data folder and what tools make: `target`, `node_modules`, and those that begin with a dot.
fn source_folders(folder: &Path, data: &Path, found: &mut HashSet<PathBuf>) {
    if fs::canonicalize(folder).is_ok_and(|folder| folder == data) {
        return;
    }
    found.insert(folder.to_owned());
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_made = name == "target" || name == "node_modules" || name.starts_with('.');
        if !is_made && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            source_folders(&entry.path(), data, found);
        }
    }
}

fn read(folder: &Path, build: Build) -> Result<AppPackage, String> {
    if build == Build::IfStale {
        let components = Manifest::read(folder).and_then(|app| app.component_files(folder));
        build::build_if_stale(folder, &components.unwrap_or_default()).map_err(|error| error.to_string())?;
    }
    AppPackage::read(folder).map_err(|error| error.to_string())
}

async fn exchange(deployments: &Deployments, package: AppPackage) {
    match deployments.deploy_package(package, Gate::default()).await {
        Ok(report) if report.outcome == DeployOutcome::Unchanged => {}
        Ok(report) => tracing::info!(version = %report.version, "the app was exchanged"),
        Err(error) => tracing::error!(%error, "the app is not exchanged"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tools_make_is_no_source() {
        let root = tempfile::tempdir().unwrap();
        for folder in
            ["src/deep", "target/release", ".durance/modules", "node_modules/a", "b", "data/modules"]
        {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        let mut found = HashSet::new();
        source_folders(root.path(), &fs::canonicalize(root.path().join("data")).unwrap(), &mut found);
        let expected = ["", "src", "src/deep", "b"].map(|folder| root.path().join(folder));
        assert_eq!(found, HashSet::from(expected.map(|path| path.components().collect())));
    }
}
