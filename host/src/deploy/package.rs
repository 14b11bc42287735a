//! An app as it is deployed: its manifest and its components, named by their content.

use crate::manifest::{FILE_NAME, Manifest, ManifestError};
use durance_durable::ModuleHash;
use durance_wasm::ComponentFile;
use sha2::{Digest as _, Sha256};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// First in what a version's name is the hash of: another way of naming gets another text.
const VERSION_DOMAIN: &[u8] = b"durance-app-version-1";

/// A manifest and the components that it names.
#[derive(Debug, Clone)]
pub(crate) struct AppPackage {
    /// The text of `durance.toml`.
    pub(crate) manifest: String,
    /// In the order of their names.
    pub(crate) components: Vec<PackagedComponent>,
}

/// A component of an app.
#[derive(Debug, Clone)]
pub(crate) struct PackagedComponent {
    /// Its path in the app folder, with slashes; one outside of the folder has its whole path.
    pub(crate) name: String,
    pub(crate) file: ComponentFile,
}

impl AppPackage {
    /// An app without functions: what a host serves until something is deployed.
    pub(crate) fn empty(name: &str) -> Self {
        let manifest = format!("name = {}\ncomponents = []\n", toml::Value::from(name));
        Self { manifest, components: Vec::new() }
    }

    /// Reads the app in a folder.
    pub(crate) fn read(folder: &Path) -> Result<Self, ManifestError> {
        let manifest = Manifest::read_text(folder)?;
        let files = Manifest::parse(&manifest, &folder.join(FILE_NAME))?.component_files(folder)?;
        let components = files.into_iter().map(|path| read_component(folder, path));
        let mut components = components.collect::<Result<Vec<_>, _>>()?;
        components.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(Self { manifest, components })
    }

    /// The name of this content: the SHA-256 of the manifest and of each component's name and hash.
    pub(crate) fn version(&self) -> ModuleHash {
        let mut hash = Sha256::new_with_prefix(VERSION_DOMAIN);
        let mut add = |part: &[u8]| {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        };
        add(self.manifest.as_bytes());
        for component in &self.components {
            add(component.name.as_bytes());
            add(&component.file.hash.0);
        }
        ModuleHash(hash.finalize().into())
    }

    /// The components alone.
    pub(crate) fn files(&self) -> Vec<ComponentFile> {
        self.components.iter().map(|component| component.file.clone()).collect()
    }
}

fn read_component(folder: &Path, path: PathBuf) -> Result<PackagedComponent, ManifestError> {
    let bytes = fs::read(&path).map_err(|source| {
        let path = path.display().to_string();
        ManifestError::Unreadable { path, source }
    })?;
    let name = path.strip_prefix(folder).unwrap_or(&path).display().to_string();
    Ok(PackagedComponent { name, file: ComponentFile::new(path, bytes) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(manifest: &str, components: &[(&str, &str)]) -> AppPackage {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE_NAME), manifest).unwrap();
        for (name, content) in components {
            fs::write(folder.path().join(name), content).unwrap();
        }
        AppPackage::read(folder.path()).unwrap()
    }

    #[test]
    fn version_is_of_the_content_alone() {
        let manifest = "name = \"a\"\ncomponents = [\"*.wasm\"]\n";
        let first = package(manifest, &[("a.wasm", "1"), ("b.wasm", "2")]);
        let names: Vec<_> = first.components.iter().map(|component| component.name.as_str()).collect();
        assert_eq!(names, ["a.wasm", "b.wasm"]);
        assert_eq!(first.version(), package(manifest, &[("b.wasm", "2"), ("a.wasm", "1")]).version());
        let others = [
            package(manifest, &[("a.wasm", "1")]),
            package(manifest, &[("a.wasm", "2"), ("b.wasm", "1")]),
            package(manifest, &[("a.wasm", "1"), ("c.wasm", "2")]),
            package("name = \"b\"\ncomponents = [\"*.wasm\"]\n", &[("a.wasm", "1"), ("b.wasm", "2")]),
        ];
        for other in others {
            assert_ne!(first.version(), other.version(), "{other:?}");
        }
    }

    #[test]
    fn empty_app_is_an_app_of_that_name() {
        let package = AppPackage::empty("a \"b\"");
        let manifest = Manifest::parse(&package.manifest, Path::new(FILE_NAME)).unwrap();
        assert_eq!((manifest.name.as_str(), manifest.components.len()), ("a \"b\"", 0));
    }
}
