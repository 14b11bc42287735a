//! Files of components: original bytes, which live instances may need, and compiled ones, which are only a cache.

use crate::manifest::FunctionManifest;
use durance_durable::ModuleHash;
use serde::{Deserialize, Serialize};
use std::{
    collections::HashSet,
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
};
use wasmtime::{Engine, component::Component};
use xxhash_rust::xxh3::xxh3_64;

const MODULE_EXTENSION: &str = "wasm";

/// The folders of components in the data folder.
#[derive(Debug)]
pub(crate) struct ComponentFiles {
    modules: PathBuf,
    cache: PathBuf,
    /// Changes with the version of wasmtime, its configuration and the processor: another one cannot use the cache.
    compatibility: u64,
}

/// What is kept beside a compiled component. Its checksum ties the two together.
#[derive(Debug, Serialize, Deserialize)]
struct CacheNote {
    checksum: u64,
    functions: Vec<FunctionManifest>,
}

impl ComponentFiles {
    pub(crate) fn open(data: &Path, engine: &Engine) -> io::Result<Self> {
        let (modules, cache) = (data.join("modules"), data.join("cache"));
        fs::create_dir_all(&modules)?;
        create_private_dir(&cache)?;
        let mut hasher = xxhash_rust::xxh3::Xxh3::new();
        std::hash::Hash::hash(&engine.precompile_compatibility_hash(), &mut hasher);
        Ok(Self { modules, cache, compatibility: hasher.digest() })
    }

    /// Keeps the original bytes of a component. Durable when this returns.
    pub(crate) fn keep_module(&self, hash: ModuleHash, bytes: &[u8]) -> io::Result<()> {
        let path = self.module_path(hash);
        if path.exists() {
            return Ok(());
        }
        write_atomically(&path, bytes, Durability::Durable)
    }

    /// The original bytes of a component that was kept.
    pub(crate) fn read_module(&self, hash: ModuleHash) -> io::Result<Vec<u8>> {
        fs::read(self.module_path(hash))
    }

    /// Deletes the bytes of every component that is not among these, and what the cache has of others.
    pub(crate) fn retain(
        &self,
        needed: &HashSet<ModuleHash>,
        cached: &HashSet<ModuleHash>,
    ) -> io::Result<()> {
        delete_unless(&self.modules, |stem| stem.parse().is_ok_and(|hash| needed.contains(&hash)))?;
        delete_unless(&self.cache, |stem| {
            let Some((hash, compatibility)) = stem.split_once('-') else { return false };
            let is_ours = compatibility == format!("{:016x}", self.compatibility);
            is_ours && hash.parse().is_ok_and(|hash| cached.contains(&hash))
        })
    }

    /// A compiled component and its functions, if the cache has them whole.
    pub(crate) fn cached(
        &self,
        hash: ModuleHash,
        engine: &Engine,
    ) -> Option<(Component, Vec<FunctionManifest>)> {
        let note: CacheNote = serde_json::from_slice(&fs::read(self.cache_path(hash, "json")).ok()?).ok()?;
        let path = self.cache_path(hash, "cwasm");
        let checksum = xxh3_64(&fs::read(&path).ok()?);
        if checksum != note.checksum {
            tracing::warn!(path = %path.display(), "a compiled component is damaged and is compiled again");
            return None;
        }
        match load_compiled(engine, &path) {
            Ok(component) => Some((component, note.functions)),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a compiled component cannot be used and is compiled again");
                None
            }
        }
    }

    /// Puts a compiled component in the cache. Losing it costs time only.
    pub(crate) fn cache(
        &self,
        hash: ModuleHash,
        compiled: &[u8],
        functions: &[FunctionManifest],
    ) -> io::Result<()> {
        let note = CacheNote { checksum: xxh3_64(compiled), functions: functions.to_vec() };
        write_atomically(&self.cache_path(hash, "cwasm"), compiled, Durability::Lazy)?;
        write_atomically(&self.cache_path(hash, "json"), &serde_json::to_vec(&note)?, Durability::Lazy)
    }

    fn module_path(&self, hash: ModuleHash) -> PathBuf {
        self.modules.join(format!("{hash}.{MODULE_EXTENSION}"))
    }

    fn cache_path(&self, hash: ModuleHash, extension: &str) -> PathBuf {
        self.cache.join(format!("{hash}-{:016x}.{extension}", self.compatibility))
    }
}

#[expect(unsafe_code, reason = "compiled code is loaded as it is")]
fn load_compiled(engine: &Engine, path: &Path) -> wasmtime::Result<Component> {
    // SAFETY: the file was written by this program, with its checksum, in a folder that only its user may enter, and it
    // is never changed in place. Files of another engine are refused by wasmtime.
    unsafe { Component::deserialize_file(engine, path) }
}

fn create_private_dir(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)?;
    #[cfg(unix)]
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Durability {
    /// Survives a power cut once it is written.
    Durable,
    /// A power cut may damage it.
    Lazy,
}

/// Writes a file that others see whole or not at all.
fn write_atomically(path: &Path, bytes: &[u8], durability: Durability) -> io::Result<()> {
    let folder = path.parent().expect("a file in one of our folders");
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    if durability == Durability::Durable {
        file.as_file().sync_all()?;
    }
    file.persist(path)?;
    match durability {
        Durability::Durable => fs::File::open(folder)?.sync_all(),
        Durability::Lazy => Ok(()),
    }
}

fn delete_unless(folder: &Path, is_needed: impl Fn(&str) -> bool) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        if !is_needed(stem) {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}
