//! `durance build`: the Cargo packages of a function app become components.

use crate::{CommandError, Exit};
use clap::Args;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::SystemTime,
};

/// What functions are compiled for.
const TARGET: &str = "wasm32-wasip2";

/// Folders this deep may hold packages of the app.
const PACKAGE_DEPTH_MAX: usize = 3;

/// Arguments of `durance build`.
#[derive(Debug, Args)]
pub struct BuildArgs {
    /// The function app: a folder with a Cargo.toml.
    #[arg(value_name = "APP FOLDER", default_value = ".", env = "DURANCE_APP")]
    app: PathBuf,

    /// More arguments for `cargo build`
    #[arg(last = true)]
    cargo: Vec<String>,
}

/// Builds the app; what the compiler says is shown as it is.
///
/// # Errors
/// There is nothing to build, no compiler or target, or the code does not compile.
pub fn run(args: &BuildArgs) -> Result<Exit, CommandError> {
    if !has_packages(&args.app) {
        let app = args.app.display();
        return Err(CommandError::Usage(format!(
            "{app} has nothing to build: it has no Cargo.toml; name the folder of an app, or make one: durance new FOLDER"
        )));
    }
    build(&args.app, &args.cargo)?;
    Ok(Exit::Done)
}

/// Builds an app that has packages if one of these components is missing or older than what it was made of.
///
/// Without a compiler the components that are there are taken.
///
/// # Errors
/// No compiler and no component, no target, or the code does not compile.
#[expect(
    clippy::print_stderr,
    reason = "a person who starts a host is told why it starts with old functions"
)]
pub fn build_if_stale(app: &Path, components: &[PathBuf]) -> Result<(), CommandError> {
    if !has_packages(app) || !is_stale(app, components) {
        return Ok(());
    }
    if components.is_empty() || has_cargo() {
        return build(app, &[]);
    }
    eprintln!("durance: the sources are newer than the components, but there is no cargo to build them with");
    Ok(())
}

fn has_packages(app: &Path) -> bool {
    app.join("Cargo.toml").is_file()
}

fn has_cargo() -> bool {
    Command::new("cargo").arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Cargo's own bar shows the progress on a terminal.
fn build(app: &Path, more: &[String]) -> Result<(), CommandError> {
    ensure_target(app)?;
    let mut cargo = Command::new("cargo");
    cargo.current_dir(app).args(["build", "--release", "--target", TARGET]).args(more);
    let status = cargo.status().map_err(|error| no_tool("cargo", &error))?;
    if status.success() {
        return Ok(());
    }
    Err(CommandError::Failed(format!("{} was not built: see what cargo said above", app.display())))
}

/// Adds the target to the toolchain of the app, if it is not there.
fn ensure_target(app: &Path) -> Result<(), CommandError> {
    if has_target(app)? {
        return Ok(());
    }
    let by_hand = format!("rustup target add {TARGET}");
    let added = Command::new("rustup").current_dir(app).args(["target", "add", TARGET]).status();
    if added.is_ok_and(|status| status.success()) && has_target(app)? {
        return Ok(());
    }
    Err(CommandError::Failed(format!(
        "the Rust toolchain has no standard library for {TARGET}, and it could not be added; add it: {by_hand}"
    )))
}

/// Whether the toolchain that is used in this folder compiles for the target.
pub(crate) fn has_target(folder: &Path) -> Result<bool, CommandError> {
    let arguments = ["--print", "target-libdir", "--target", TARGET];
    let printed = Command::new("rustc").current_dir(folder).args(arguments).output();
    let printed = printed.map_err(|error| no_tool("rustc", &error))?;
    let folder = PathBuf::from(String::from_utf8_lossy(&printed.stdout).trim());
    let libraries = fs::read_dir(folder).into_iter().flatten().flatten();
    Ok(libraries.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with("libstd-")))
}

fn no_tool(name: &str, error: &std::io::Error) -> CommandError {
    CommandError::Failed(format!("cannot run {name}: {error}; install Rust (rustup), or put it on the PATH"))
}

/// Whether a component is missing or older than what it was made of.
fn is_stale(app: &Path, components: &[PathBuf]) -> bool {
    let oldest = components.iter().map(|component| modified(component)).min();
    let Some(Some(oldest)) = oldest else { return true };
    components.iter().any(|component| is_older_than_sources(component))
        || newest_package(app, PACKAGE_DEPTH_MAX).is_some_and(|newest| newest > oldest)
}

/// Cargo lists beside each component the files that it was made of.
fn is_older_than_sources(component: &Path) -> bool {
    // Whatever has no list was not made by cargo.
    let Ok(list) = fs::read_to_string(component.with_extension("d")) else { return false };
    let Some((_, sources)) = list.split_once(": ") else { return true };
    let built = modified(component);
    // A blank within a name is written with a backslash.
    let sources = sources.lines().next().unwrap_or_default().replace("\\ ", "\0");
    sources.split_whitespace().any(|source| {
        let changed = modified(Path::new(&source.replace('\0', " ")));
        changed.is_none() || changed > built
    })
}

/// When a Cargo.toml of the app changed last.
fn newest_package(folder: &Path, depth: usize) -> Option<SystemTime> {
    let own = ["Cargo.toml", "Cargo.lock"].iter().filter_map(|file| modified(&folder.join(file))).max();
    let entries = fs::read_dir(folder).ok().filter(|_| depth > 0);
    let below = entries.into_iter().flatten().flatten().filter_map(|entry| {
        let name = entry.file_name();
        let is_source = name != "target" && !name.to_string_lossy().starts_with('.');
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        (is_source && is_folder).then(|| newest_package(&entry.path(), depth - 1)).flatten()
    });
    below.chain(own).max()
}

fn modified(file: &Path) -> Option<SystemTime> {
    fs::metadata(file).and_then(|metadata| metadata.modified()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn write(path: &Path, text: &str, seconds: u64) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        fs::File::options().append(true).open(path).unwrap().set_modified(time).unwrap();
    }

    #[test]
    fn components_are_stale_when_something_they_were_made_of_is_newer() {
        let folder = tempfile::tempdir().unwrap();
        let app = folder.path();
        let component = app.join("target/wasm32-wasip2/release/a.wasm");
        let source = app.join("my src/lib.rs");
        let list = format!("{}: {}\n", component.display(), source.display().to_string().replace(' ', "\\ "));
        let set = |package, source_time, built| {
            write(&app.join("Cargo.toml"), "", package);
            write(&source, "", source_time);
            write(&component.with_extension("d"), &list, built);
            write(&component, "", built);
            is_stale(app, std::slice::from_ref(&component))
        };
        assert!(!set(1, 1, 2));
        assert!(set(1, 3, 2), "a source is newer");
        assert!(set(3, 1, 2), "the package is newer");
        fs::remove_file(&source).unwrap();
        assert!(is_stale(app, std::slice::from_ref(&component)), "a source is gone");
        assert!(is_stale(app, &[]), "nothing is built");
    }

    #[test]
    fn what_cargo_has_not_made_is_never_stale() {
        let folder = tempfile::tempdir().unwrap();
        let component = folder.path().join("a.wasm");
        write(&component, "", 2);
        assert!(!is_stale(folder.path(), &[component]));
    }
}
