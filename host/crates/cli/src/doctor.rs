//! `durance doctor`: whether this machine can run a host, and what to change if not.

use crate::{CommandError, Exit, Output, build, output::table};
use rustix::process::{Resource, getrlimit};
use serde::Serialize;
use std::{
    fs::{self, File},
    io::{self, Write as _},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

/// A suspended orchestrator takes some ten mappings: below this the default budget of them does not fit.
const MAPS_MIN: u64 = 65_530;

/// Connections, store and components together.
const FILES_GOOD: u64 = 12_000;

/// Below it a host cannot keep its store open.
const FILES_MIN: u64 = 256;

/// Syncs that are measured.
const SYNCS: usize = 40;

/// One sync writes this much. Unit: bytes.
const SYNC_BYTES: usize = 4_096;

/// Every start, event and step waits for one sync.
const SYNC_GOOD: Duration = Duration::from_millis(5);

/// 1 January 2026: this program is not older.
const CLOCK_MIN: Duration = Duration::from_secs(1_767_225_600);

/// What is looked at.
#[derive(Debug)]
pub struct DoctorSettings {
    /// The function app, whether it is one or not.
    pub app: PathBuf,
    /// The data folder, whether it exists or not.
    pub data: PathBuf,
    /// Where the host is to listen.
    pub listen: SocketAddr,
    /// For programs.
    pub json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Ok,
    /// It works, and could be better.
    Warn,
    /// A host would not start, or would not keep what it promises.
    Fail,
}

#[derive(Debug, Serialize)]
struct Check {
    check: &'static str,
    result: Verdict,
    found: String,
    /// What to change; empty if nothing.
    advice: String,
}

impl Check {
    fn new(
        check: &'static str,
        result: Verdict,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        let advice = if result == Verdict::Ok { String::new() } else { advice.into() };
        Self { check, result, found: found.into(), advice }
    }
}

/// Looks at the machine; fails if a host would.
///
/// # Errors
/// Standard output is closed.
pub fn run(settings: &DoctorSettings) -> Result<Exit, CommandError> {
    let checks = [
        map_limit(),
        file_limit(),
        clock(SystemTime::now()),
        port(settings.listen),
        disk(&settings.data),
        target(&settings.app),
    ];
    let json = serde_json::to_string(&checks).unwrap_or_default();
    let has_failed = checks.iter().any(|check| check.result == Verdict::Fail);
    Output { json: settings.json }.either(&json, || {
        let rows = checks.iter().map(|check| {
            let result = match check.result {
                Verdict::Ok => "ok",
                Verdict::Warn => "warn",
                Verdict::Fail => "FAIL",
            };
            [check.check.to_owned(), result.to_owned(), check.found.clone(), check.advice.clone()]
        });
        table(["CHECK", "RESULT", "FOUND", "WHAT TO DO"], rows)
    })?;
    Ok(if has_failed { Exit::Failed } else { Exit::Done })
}

fn map_limit() -> Check {
    let name = "memory maps";
    let advice = format!("sysctl -w vm.max_map_count={MAPS_MIN}, or set limits.hot_instances lower");
    let limit = fs::read_to_string("/proc/sys/vm/max_map_count").ok();
    match limit.and_then(|text| text.trim().parse::<u64>().ok()) {
        Some(limit) if limit >= MAPS_MIN => Check::new(name, Verdict::Ok, limit.to_string(), ""),
        Some(limit) => Check::new(name, Verdict::Fail, limit.to_string(), advice),
        None => Check::new(name, Verdict::Warn, "cannot be read", advice),
    }
}

fn file_limit() -> Check {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let result = match limit {
        FILES_GOOD.. => Verdict::Ok,
        FILES_MIN.. => Verdict::Warn,
        _ => Verdict::Fail,
    };
    let advice = format!(
        "for many connections: ulimit -n {FILES_GOOD}, or LimitNOFILE={FILES_GOOD} in a systemd unit"
    );
    Check::new("open files", result, limit.to_string(), advice)
}

fn clock(now: SystemTime) -> Check {
    let since_epoch = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let result = if since_epoch >= CLOCK_MIN { Verdict::Ok } else { Verdict::Fail };
    let shown =
        jiff::Timestamp::try_from(now).map_or_else(|error| error.to_string(), |time| format!("{time:.0}"));
    Check::new("clock", result, shown, "set the clock, and keep it set (NTP): timers and links depend on it")
}

fn port(listen: SocketAddr) -> Check {
    match TcpListener::bind(listen) {
        Ok(_) => Check::new("port", Verdict::Ok, format!("{listen} is free"), ""),
        Err(error) => {
            let advice = "end what listens there (another host?), or choose another address with --listen";
            Check::new("port", Verdict::Fail, format!("{listen}: {error}"), advice)
        }
    }
}

fn disk(data: &Path) -> Check {
    let name = "disk sync";
    // What does not exist yet will be made on the disk of the nearest folder that does.
    let folder = data.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("."));
    let advice = "use a local disk for --data: every step of an orchestration waits for one sync";
    match sync_times(folder) {
        Ok(times) => {
            let median = times.get(times.len() / 2).copied().unwrap_or_default();
            let slowest = times.last().copied().unwrap_or_default();
            let result = if median <= SYNC_GOOD { Verdict::Ok } else { Verdict::Warn };
            let millis = |time: Duration| format!("{:.2} ms", time.as_secs_f64() * 1e3);
            let found = format!("{}: {}, slowest {}", folder.display(), millis(median), millis(slowest));
            Check::new(name, result, found, advice)
        }
        Err(error) => {
            let found = format!("{}: {error}", folder.display());
            Check::new(name, Verdict::Fail, found, "name a folder that this user may write to with --data")
        }
    }
}

/// How long it takes to append a little and sync it, in order.
fn sync_times(folder: &Path) -> io::Result<Vec<Duration>> {
    let path = folder.join(format!(".durance-doctor-{}", std::process::id()));
    let file = File::options().write(true).create_new(true).open(&path)?;
    let times = measure(&file);
    drop(file);
    fs::remove_file(&path)?;
    let mut times = times?;
    times.sort_unstable();
    Ok(times)
}

fn measure(mut file: &File) -> io::Result<Vec<Duration>> {
    let mut times = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let begun = Instant::now();
        file.write_all(&[7; SYNC_BYTES])?;
        file.sync_data()?;
        times.push(begun.elapsed());
    }
    Ok(times)
}

/// A machine that only serves needs none.
fn target(app: &Path) -> Check {
    let name = "wasm target";
    let folder = if app.is_dir() { app } else { Path::new(".") };
    match build::has_target(folder) {
        Ok(true) => Check::new(name, Verdict::Ok, "wasm32-wasip2", ""),
        Ok(false) => {
            let advice = "to build functions here: rustup target add wasm32-wasip2";
            Check::new(name, Verdict::Warn, "no wasm32-wasip2", advice)
        }
        Err(error) => Check::new(name, Verdict::Warn, "no Rust", error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_that_was_never_set_fails() {
        assert_eq!(clock(SystemTime::UNIX_EPOCH).result, Verdict::Fail);
        assert_eq!(clock(SystemTime::UNIX_EPOCH + CLOCK_MIN).result, Verdict::Ok);
    }

    #[test]
    fn port_in_use_fails_with_advice() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let check = port(taken.local_addr().unwrap());
        assert_eq!(check.result, Verdict::Fail);
        assert!(check.advice.contains("--listen"));
    }

    #[test]
    fn disk_is_measured_where_the_data_would_be_and_left_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let check = disk(&folder.path().join("not/yet"));
        assert_ne!(check.result, Verdict::Fail, "{}", check.found);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
