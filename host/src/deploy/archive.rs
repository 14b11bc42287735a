//! Apps as archives: a tar archive with `durance.toml` and the components, compressed with gzip.

use super::package::{AppPackage, PackagedComponent};
use crate::manifest::FILE_NAME;
use durance_wasm::ComponentFile;
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use std::{
    io::{self, Read},
    path::{Component, Path},
};
use tar::{Archive, Builder, Entry, EntryType, Header};

/// All that an archive holds may have this size when it is unpacked.
///
/// Unit: bytes.
const UNPACKED_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// Files in an archive.
const FILES_MAX: usize = 1_000;

/// Unit: bytes.
const MANIFEST_BYTES_MAX: usize = 1024 * 1024;

/// Why an archive is no app.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArchiveError {
    #[error("it is not a tar archive compressed with gzip: {0}")]
    Unreadable(io::Error),
    #[error("'{0}' is neither a file nor a folder; an archive holds {FILE_NAME} and components, no links")]
    NotAFile(String),
    #[error("'{0}' does not stay in the app's folder: names are relative and have no '..'")]
    Outside(String),
    #[error("'{0}' is in it twice")]
    Twice(String),
    #[error("it has no {FILE_NAME}")]
    NoManifest,
    #[error("its {FILE_NAME} is not text in UTF-8, or has more than {MANIFEST_BYTES_MAX} bytes")]
    Manifest,
    #[error(
        "unpacked it has more than {UNPACKED_BYTES_MAX} bytes or {FILES_MAX} files, which is the most that is taken"
    )]
    TooLarge,
}

/// A component that lies outside of the app folder cannot be in its archive.
#[derive(Debug, thiserror::Error)]
#[error("component {0} lies outside of the app folder; a deployment holds only what is in the folder")]
pub(crate) struct OutsideComponent(String);

/// The archive of an app: the same bytes for the same content.
pub(crate) fn pack(package: &AppPackage) -> Result<Vec<u8>, OutsideComponent> {
    let mut archive = Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    let mut add = |name: &str, bytes: &[u8]| {
        let mut header = Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, bytes).expect("memory can be written to");
    };
    add(FILE_NAME, package.manifest.as_bytes());
    for component in &package.components {
        if !is_inside(Path::new(&component.name)) {
            return Err(OutsideComponent(component.name.clone()));
        }
        add(&component.name, component.file.bytes.as_deref().unwrap_or_default());
    }
    Ok(archive.into_inner().and_then(GzEncoder::finish).expect("memory can be written to"))
}

/// The app in an archive. Nothing is written anywhere.
pub(crate) fn unpack(bytes: &[u8]) -> Result<AppPackage, ArchiveError> {
    let mut archive = Archive::new(Limited { inner: GzDecoder::new(bytes), left: UNPACKED_BYTES_MAX });
    let (mut manifest, mut components) = (None, Vec::<PackagedComponent>::new());
    for entry in archive.entries().map_err(unreadable)? {
        let mut entry = entry.map_err(unreadable)?;
        let Some(name) = file_name(&entry)? else { continue };
        if components.len() >= FILES_MAX {
            return Err(ArchiveError::TooLarge);
        }
        let mut content = Vec::new();
        entry.read_to_end(&mut content).map_err(unreadable)?;
        if name == FILE_NAME {
            if manifest.replace(manifest_text(content)?).is_some() {
                return Err(ArchiveError::Twice(name));
            }
        } else if components.iter().any(|component| component.name == name) {
            return Err(ArchiveError::Twice(name));
        } else {
            let file = ComponentFile::new(name.as_str().into(), content);
            components.push(PackagedComponent { name, file });
        }
    }
    components.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(AppPackage { manifest: manifest.ok_or(ArchiveError::NoManifest)?, components })
}

fn manifest_text(content: Vec<u8>) -> Result<String, ArchiveError> {
    if content.len() > MANIFEST_BYTES_MAX {
        return Err(ArchiveError::Manifest);
    }
    String::from_utf8(content).map_err(|_| ArchiveError::Manifest)
}

/// The name of a file in the archive; none of a folder.
fn file_name(entry: &Entry<'_, impl Read>) -> Result<Option<String>, ArchiveError> {
    let shown = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
    let path = entry.path().map_err(unreadable)?;
    if !is_inside(&path) {
        return Err(ArchiveError::Outside(shown));
    }
    match (entry.header().entry_type(), path.to_str()) {
        (EntryType::Directory, _) => Ok(None),
        (EntryType::Regular, Some(name)) => Ok(Some(name.to_owned())),
        _ => Err(ArchiveError::NotAFile(shown)),
    }
}

fn is_inside(path: &Path) -> bool {
    path.components().next().is_some() && path.components().all(|part| matches!(part, Component::Normal(_)))
}

/// What a bomb makes of few bytes is not read to its end.
struct Limited<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.left =
            self.left.checked_sub(read as u64).ok_or_else(|| io::Error::other(ArchiveError::TooLarge))?;
        Ok(read)
    }
}

fn unreadable(error: io::Error) -> ArchiveError {
    let is_too_large = |error: &(dyn std::error::Error + 'static)| {
        std::iter::successors(Some(error), |error| error.source())
            .any(|error| error.to_string() == ArchiveError::TooLarge.to_string())
    };
    if is_too_large(&error) { ArchiveError::TooLarge } else { ArchiveError::Unreadable(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(entries: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
        let mut builder = Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (name, kind, content) in entries {
            let mut header = Header::new_gnu();
            // As an attacker would: the crate itself refuses such names.
            let bytes = &mut header.as_old_mut().name;
            bytes[..name.len()].copy_from_slice(name.as_bytes());
            header.set_entry_type(*kind);
            header.set_size(content.len() as u64);
            if *kind == EntryType::Symlink {
                header.set_link_name("/etc/passwd").unwrap();
            }
            header.set_cksum();
            builder.append(&header, *content).unwrap();
        }
        builder.into_inner().unwrap().finish().unwrap()
    }

    #[test]
    fn what_was_packed_is_unpacked() {
        let component = |name: &str, bytes: &[u8]| PackagedComponent {
            name: name.to_owned(),
            file: ComponentFile::new(name.into(), bytes.to_vec()),
        };
        let long = format!("{}/b.wasm", "folder".repeat(30));
        let components = vec![component("a.wasm", b"one"), component(&long, b"two")];
        let package = AppPackage { manifest: "name = \"a\"".to_owned(), components };
        let packed = pack(&package).unwrap();
        assert_eq!(packed, pack(&package).unwrap());
        let unpacked = unpack(&packed).unwrap();
        assert_eq!(unpacked.version(), package.version());
        assert_eq!(unpacked.components[0].file.bytes.as_deref(), Some(&b"one"[..]));
        let outside = AppPackage { components: vec![component("../a.wasm", b"")], ..package };
        assert!(pack(&outside).unwrap_err().to_string().contains("../a.wasm"));
    }

    #[test]
    fn attacks_are_refused() {
        let (file, manifest) = (EntryType::Regular, b"name = \"a\"");
        let toml: (&str, EntryType, &[u8]) = (FILE_NAME, file, manifest);
        type Entries<'e> = &'e [(&'e str, EntryType, &'e [u8])];
        let table: [(Entries<'_>, &str); 9] = [
            (&[], "no durance.toml"),
            (&[("a.wasm", file, b"")], "no durance.toml"),
            (&[toml, ("../a.wasm", file, b"")], "'../a.wasm' does not stay"),
            (&[toml, ("/a.wasm", file, b"")], "'/a.wasm' does not stay"),
            (&[toml, ("a/../../b.wasm", file, b"")], "does not stay"),
            (&[toml, ("a.wasm", EntryType::Symlink, b"")], "'a.wasm' is neither a file"),
            (&[toml, ("a.wasm", EntryType::Fifo, b"")], "'a.wasm' is neither a file"),
            (&[toml, toml], "'durance.toml' is in it twice"),
            (&[(FILE_NAME, file, b"\xff")], "not text"),
        ];
        for (entries, why) in table {
            let error = unpack(&archive(entries)).expect_err(why).to_string();
            assert!(error.contains(why), "{error}");
        }
        for bytes in [&b"PK\x03\x04 a zip archive"[..], b"", &archive(&[toml])[..40]] {
            assert!(matches!(unpack(bytes), Err(ArchiveError::Unreadable(_) | ArchiveError::NoManifest)));
        }
    }

    #[test]
    fn bomb_is_not_unpacked_to_its_end() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        let mut header = Header::new_gnu();
        header.set_path("a.wasm").unwrap();
        header.set_size(2 * UNPACKED_BYTES_MAX);
        header.set_cksum();
        io::Write::write_all(&mut encoder, header.as_bytes()).unwrap();
        io::copy(&mut io::repeat(0).take(UNPACKED_BYTES_MAX + 1024), &mut encoder).unwrap();
        let bomb = encoder.finish().unwrap();
        assert!(bomb.len() < 8 * 1024 * 1024, "{}", bomb.len());
        assert!(matches!(unpack(&bomb), Err(ArchiveError::TooLarge)));
    }
}
