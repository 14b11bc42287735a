//! The versions that a data folder has: one small file beside the store.

use super::package::{AppPackage, PackagedComponent};
use durance_durable::{ModuleHash, Timestamp};
use durance_wasm::ComponentFile;
use serde::{Deserialize, Serialize};
use std::{
    collections::HashSet,
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
};

const FILE_NAME: &str = "deployments.json";
const FORMAT: u32 = 1;

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CatalogError {
    #[error("cannot {action} the list of deployments {path}: {source}")]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error(
        "the list of deployments {path} cannot be read: {why}; restore it, or delete it and deploy again"
    )]
    Malformed { path: PathBuf, why: String },
}

/// The versions that are kept, and which of them is served.
#[derive(Debug, Clone)]
pub(crate) struct Catalog {
    path: PathBuf,
    content: Content,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Content {
    format: u32,
    active: Option<ModuleHash>,
    previous: Option<ModuleHash>,
    /// The newest one last.
    versions: Vec<KeptVersion>,
}

/// A version that is kept. The bytes of its components are among the modules of the data folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct KeptVersion {
    pub(crate) version: ModuleHash,
    /// Nanoseconds since the Unix epoch.
    pub(crate) deployed_at: Timestamp,
    pub(crate) manifest: String,
    pub(crate) components: Vec<KeptComponent>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct KeptComponent {
    pub(crate) name: String,
    pub(crate) hash: ModuleHash,
}

impl KeptVersion {
    pub(crate) fn of(package: &AppPackage, deployed_at: Timestamp) -> Self {
        let components = package.components.iter();
        let components = components
            .map(|component| KeptComponent { name: component.name.clone(), hash: component.file.hash });
        Self {
            version: package.version(),
            deployed_at,
            manifest: package.manifest.clone(),
            components: components.collect(),
        }
    }

    /// The app; its components are in the data folder.
    pub(crate) fn package(&self) -> AppPackage {
        let components = self.components.iter().map(|component| PackagedComponent {
            name: component.name.clone(),
            file: ComponentFile::kept(component.name.as_str().into(), component.hash),
        });
        AppPackage { manifest: self.manifest.clone(), components: components.collect() }
    }

    fn has(&self, module: ModuleHash) -> bool {
        self.components.iter().any(|component| component.hash == module)
    }
}

impl Catalog {
    /// Reads the list of a data folder; an empty one if there is none.
    pub(crate) fn open(data: &Path) -> Result<Self, CatalogError> {
        let path = data.join(FILE_NAME);
        let content = match fs::read(&path) {
            Ok(bytes) => decode(&bytes).map_err(|why| CatalogError::Malformed { path: path.clone(), why })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Content { format: FORMAT, active: None, previous: None, versions: Vec::new() }
            }
            Err(source) => return Err(CatalogError::Io { action: "read", path, source }),
        };
        Ok(Self { path, content })
    }

    /// The versions, the newest one last.
    pub(crate) fn versions(&self) -> &[KeptVersion] {
        &self.content.versions
    }

    pub(crate) fn find(&self, version: ModuleHash) -> Option<&KeptVersion> {
        self.content.versions.iter().find(|kept| kept.version == version)
    }

    pub(crate) fn active(&self) -> Option<ModuleHash> {
        self.content.active
    }

    /// The one that was served before the active one.
    pub(crate) fn previous(&self) -> Option<ModuleHash> {
        self.content.previous
    }

    /// Makes a version the active one, and the newest. Nothing if it is.
    ///
    /// Guarantee: durable when this returns.
    pub(crate) fn activate(&mut self, kept: KeptVersion) -> Result<(), CatalogError> {
        if self.content.active == Some(kept.version) {
            return Ok(());
        }
        let mut content = self.content.clone();
        content.versions.retain(|other| other.version != kept.version);
        content.previous = content.active.replace(kept.version);
        content.versions.push(kept);
        self.write(content)
    }

    /// Forgets the versions that nobody needs, and names them.
    pub(crate) fn collect(&mut self, pinned: &HashSet<ModuleHash>) -> Result<Vec<ModuleHash>, CatalogError> {
        let unneeded = self.unneeded(pinned);
        if !unneeded.is_empty() {
            let mut content = self.content.clone();
            content.versions.retain(|kept| !unneeded.contains(&kept.version));
            self.write(content)?;
        }
        Ok(unneeded)
    }

    /// All but the active one, the one before it, and of those that have a component that an instance is pinned to the
    /// newest.
    fn unneeded(&self, pinned: &HashSet<ModuleHash>) -> Vec<ModuleHash> {
        let Content { active, previous, versions, .. } = &self.content;
        let newest_with = |module: &ModuleHash| versions.iter().rev().find(|kept| kept.has(*module));
        let mut needed: HashSet<_> = pinned.iter().filter_map(newest_with).map(|kept| kept.version).collect();
        needed.extend(active.iter().chain(previous));
        let versions = versions.iter().map(|kept| kept.version);
        versions.filter(|version| !needed.contains(version)).collect()
    }

    /// The components of all versions that are kept.
    pub(crate) fn modules(&self) -> HashSet<ModuleHash> {
        let components = self.content.versions.iter().flat_map(|kept| &kept.components);
        components.map(|component| component.hash).collect()
    }

    fn write(&mut self, content: Content) -> Result<(), CatalogError> {
        let written = write_atomically(&self.path, &content);
        written.map_err(|source| CatalogError::Io { action: "write", path: self.path.clone(), source })?;
        self.content = content;
        Ok(())
    }
}

fn decode(bytes: &[u8]) -> Result<Content, String> {
    let content: Content = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    match content.format {
        FORMAT => Ok(content),
        other => Err(format!("it has format {other}, this program reads {FORMAT}")),
    }
}

/// A crash leaves the file before or the new one, whole.
fn write_atomically(path: &Path, content: &Content) -> io::Result<()> {
    let folder = path.parent().expect("the file is in the data folder");
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(&serde_json::to_vec_pretty(content)?)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(number: u8) -> ModuleHash {
        ModuleHash([number; 32])
    }

    fn version(number: u8, modules: &[u8]) -> KeptVersion {
        let components =
            modules.iter().map(|module| KeptComponent { name: module.to_string(), hash: hash(*module) });
        let deployed_at = Timestamp::from_nanos(number.into());
        let manifest = String::new();
        KeptVersion { version: hash(number), deployed_at, manifest, components: components.collect() }
    }

    #[test]
    fn active_and_previous_are_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let mut catalog = Catalog::open(folder.path()).unwrap();
        assert_eq!((catalog.active(), catalog.previous()), (None, None));
        for number in [1, 2, 2, 1] {
            catalog.activate(version(number, &[9])).unwrap();
        }
        let again = Catalog::open(folder.path()).unwrap();
        assert_eq!((again.active(), again.previous()), (Some(hash(1)), Some(hash(2))));
        assert_eq!(again.versions(), catalog.versions());
        assert_eq!(again.versions().iter().map(|kept| kept.version).collect::<Vec<_>>(), [hash(2), hash(1)]);
        assert_eq!(again.modules(), HashSet::from([hash(9)]));
    }

    #[test]
    fn versions_that_nobody_needs_are_collected() {
        // Versions with their components, the last one active; pinned components; versions that go.
        type Versions<'v> = &'v [(u8, &'v [u8])];
        let table: [(Versions<'_>, &[u8], &[u8]); 5] = [
            (&[(1, &[11]), (2, &[12])], &[], &[]),
            (&[(1, &[11]), (2, &[12]), (3, &[13])], &[], &[1]),
            (&[(1, &[11]), (2, &[12]), (3, &[13])], &[11], &[]),
            (&[(1, &[11, 19]), (2, &[12, 19]), (3, &[13, 19]), (4, &[14])], &[19], &[1, 2]),
            (&[(1, &[11]), (2, &[12]), (3, &[13])], &[99], &[1]),
        ];
        for (versions, pinned, expected) in table {
            let folder = tempfile::tempdir().unwrap();
            let mut catalog = Catalog::open(folder.path()).unwrap();
            for (number, modules) in versions {
                catalog.activate(version(*number, modules)).unwrap();
            }
            let pinned = pinned.iter().copied().map(hash).collect();
            let gone = catalog.collect(&pinned).unwrap();
            assert_eq!(
                gone,
                expected.iter().copied().map(hash).collect::<Vec<_>>(),
                "{versions:?} {pinned:?}"
            );
            assert_eq!(Catalog::open(folder.path()).unwrap().versions(), catalog.versions());
        }
    }

    #[test]
    fn malformed_list_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let table = [
            ("{}", "missing field `format`"),
            (r#"{"format":2,"active":null,"previous":null,"versions":[]}"#, "format 2"),
        ];
        for (text, why) in table {
            fs::write(folder.path().join(FILE_NAME), text).unwrap();
            let error = Catalog::open(folder.path()).expect_err(text).to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
