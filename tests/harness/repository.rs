//! Where things are in the repository.

use std::path::{Path, PathBuf};

/// The repository's root.
#[must_use]
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are a folder of the repository")
}

/// The folder with the components that were built of the functions in `folder`.
///
/// # Panics
/// They have not been built.
#[must_use]
pub fn components_in(folder: &str) -> PathBuf {
    let built = repository().join(folder).join("target/wasm32-wasip2/release");
    let has_components = built.read_dir().is_ok_and(|entries| {
        entries.flatten().any(|entry| entry.path().extension().is_some_and(|extension| extension == "wasm"))
    });
    assert!(has_components, "no components in {folder}: run `cargo build --release` there, or `make test`");
    built
}

/// The program under test: the one beside the test's own target folder, or `DURANCE_BIN`.
///
/// # Panics
/// It has not been built.
#[must_use]
pub fn program() -> PathBuf {
    let path = std::env::var_os("DURANCE_BIN").map_or_else(built_program, PathBuf::from);
    assert!(path.is_file(), "{} is missing: run `cargo build --release -p durance`", path.display());
    path
}

/// Beside the executable of a benchmark; that of a test is one folder deeper, in `deps`.
fn built_program() -> PathBuf {
    let executable = std::env::current_exe().expect("a test or benchmark is an executable");
    let beside = |folder: &Path| folder.join("durance");
    let folders = executable.ancestors().skip(1).take(2).map(beside);
    folders.reduce(|first, second| if first.is_file() { first } else { second }).expect("it is in a folder")
}
