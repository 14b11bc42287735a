//! Function apps: those of the repository, and folders that a test puts together.

use crate::repository::{components_in, repository};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};
use tempfile::TempDir;

/// A folder with a `durance.toml`. A temporary one is deleted with its last clone.
#[derive(Debug, Clone)]
pub struct AppFolder {
    path: PathBuf,
    _temporary: Option<Arc<TempDir>>,
}

impl AppFolder {
    /// The sample functions, as users start them.
    #[must_use]
    pub fn samples() -> Self {
        // Looked up for its message: the app itself names the components.
        let _built = components_in("functions");
        Self { path: repository().join("functions"), _temporary: None }
    }

    /// A folder that is there already, and stays.
    #[must_use]
    pub fn existing(path: &Path) -> Self {
        Self { path: path.to_owned(), _temporary: None }
    }

    /// A new folder whose `durance.toml` begins with this text; `name` and `components` are added, and every component
    /// in the folder belongs to the app.
    ///
    /// # Panics
    /// The folder cannot be made.
    #[must_use]
    pub fn temporary(settings: &str) -> Self {
        Self::with_manifest(&format!("name = \"tests\"\ncomponents = [\"*.wasm\"]\n{settings}"))
    }

    /// A new folder with exactly this `durance.toml`.
    ///
    /// # Panics
    /// The folder cannot be made.
    #[must_use]
    pub fn with_manifest(manifest: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        fs::write(folder.path().join("durance.toml"), manifest).expect("the folder can be written to");
        Self { path: folder.path().to_owned(), _temporary: Some(Arc::new(folder)) }
    }

    /// Copies a component of the sample functions into the folder.
    #[must_use]
    pub fn sample(self, component: &str) -> Self {
        self.put(component, &components_in("functions").join(component))
    }

    /// Copies a component of the test guests into the folder.
    #[must_use]
    pub fn guest(self, component: &str) -> Self {
        self.put(component, &components_in("tests/guests").join(component))
    }

    /// Copies a file into the folder, over one of that name.
    ///
    /// # Panics
    /// It cannot be copied.
    #[must_use]
    pub fn put(self, name: &str, file: &Path) -> Self {
        fs::copy(file, self.path.join(name)).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        self
    }

    /// Writes a file into the folder.
    ///
    /// # Panics
    /// It cannot be written.
    #[must_use]
    pub fn write(self, name: &str, content: &[u8]) -> Self {
        fs::write(self.path.join(name), content).expect("the folder can be written to");
        self
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}
