//! The host: started, killed, stopped, started again.

use crate::{
    AppFolder, Client,
    process::Process,
    wait::{PATIENCE, eventually_blocking},
};
use std::{
    ffi::{OsStr, OsString},
    path::Path,
    process::ExitStatus,
    sync::Arc,
    thread,
    time::Duration,
};
use tempfile::TempDir;

/// What the first line on standard output begins with.
const BANNER: &str = "Listening on ";

/// How to start a host: always the same app and data folder, so that it can be done again after a crash.
#[derive(Debug, Clone)]
pub struct Launch {
    app: Option<AppFolder>,
    data: Arc<TempDir>,
    arguments: Vec<OsString>,
    builds: bool,
}

impl Launch {
    /// Starts this app, on a data folder of its own and a free port of loopback.
    ///
    /// # Panics
    /// The data folder cannot be made.
    #[must_use]
    pub fn of(app: &AppFolder) -> Self {
        let data = tempfile::tempdir().expect("a temporary folder can be made");
        Self { app: Some(app.clone()), data: Arc::new(data), arguments: Vec::new(), builds: false }
    }

    /// Starts what is deployed to a data folder of its own; at first that is nothing, for an app of this name.
    ///
    /// # Panics
    /// The data folder cannot be made.
    #[must_use]
    pub fn for_deployments(name: &str) -> Self {
        let data = tempfile::tempdir().expect("a temporary folder can be made");
        let arguments = vec!["--name".into(), name.into()];
        Self { app: None, data: Arc::new(data), arguments, builds: false }
    }

    /// Adds an argument to the command line.
    #[must_use]
    pub fn argument(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Lets the program build the app first, if that is needed. Otherwise it takes the components as they are.
    #[must_use]
    pub fn building(mut self) -> Self {
        self.builds = true;
        self
    }

    /// The data folder; deleted with the last clone of this.
    #[must_use]
    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// Starts a host and waits until it listens.
    ///
    /// # Panics
    /// It does not; what it said is shown.
    #[must_use]
    pub fn start(&self) -> Host {
        let (process, lines) = Process::spawn(self.command_line());
        let line = lines.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("the host did not start"));
        let url = line.strip_prefix(BANNER).unwrap_or_else(|| panic!("the first line is '{line}'"));
        Host { url: url.trim().to_owned(), process, launch: self.clone() }
    }

    /// Starts a host that is to refuse, and waits until it has ended.
    ///
    /// # Panics
    /// It does not end.
    #[must_use]
    pub fn start_fails(&self) -> FailedStart {
        let (mut process, _lines) = Process::spawn(self.command_line());
        let status = process.wait();
        FailedStart { status, text: process.said() }
    }

    /// Starts a host and ends it with SIGKILL after this time, whether it listens by then or not.
    pub fn start_and_crash(&self, lifetime: Duration) {
        let (mut process, _lines) = Process::spawn(self.command_line());
        thread::sleep(lifetime);
        process.kill();
    }

    fn command_line(&self) -> Vec<OsString> {
        let app = self.app.as_ref().map(|app| app.path().as_os_str().to_owned());
        let fixed: [&OsStr; 4] =
            ["--listen".as_ref(), "127.0.0.1:0".as_ref(), "--data".as_ref(), self.data.path().as_ref()];
        let fixed = fixed.into_iter().map(OsStr::to_owned);
        // The components were built before the tests.
        let no_build = (!self.builds).then(|| "--no-build".into());
        let program = ["start".into()].into_iter().chain(app).chain(fixed);
        program.chain(no_build).chain(self.arguments.iter().cloned()).collect()
    }
}

/// How a host that would not start ended.
#[derive(Debug)]
pub struct FailedStart {
    /// The exit status.
    pub status: ExitStatus,
    /// Standard output and standard error.
    pub text: String,
}

/// A running host. Killed when dropped; if the test fails it first shows what it has said.
#[derive(Debug)]
pub struct Host {
    url: String,
    process: Process,
    launch: Launch,
}

impl Host {
    /// Scheme and authority: `http://127.0.0.1:41234`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A client with connections of its own, for the async runtime of the test that makes it.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(&self.url)
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// What it was started with.
    #[must_use]
    pub fn launch(&self) -> &Launch {
        &self.launch
    }

    /// All that it has said so far, on standard output and standard error.
    #[must_use]
    pub fn said(&self) -> String {
        self.process.said()
    }

    /// Waits until it has said a line that contains all of `parts`, and gives the first such line.
    ///
    /// # Panics
    /// It does not say so in time.
    #[must_use]
    pub fn says(&self, parts: &[&str]) -> String {
        eventually_blocking(&format!("a line with {parts:?}"), || {
            let said = self.said();
            said.lines().find(|line| parts.iter().all(|part| line.contains(part))).map(str::to_owned)
        })
    }

    /// Ends it with SIGKILL, as a crash would, and waits until it is gone.
    ///
    /// # Panics
    /// It had ended by itself.
    #[must_use]
    pub fn crash(mut self) -> Launch {
        self.assert_alive();
        self.process.kill();
        self.launch.clone()
    }

    /// Asks it to end with SIGTERM and waits until it has.
    ///
    /// # Panics
    /// Its exit status is not 0.
    #[must_use]
    pub fn stop(self) -> Launch {
        self.begin_to_stop();
        self.stopped()
    }

    /// Asks it to end with SIGTERM.
    pub fn begin_to_stop(&self) {
        self.process.terminate();
    }

    /// Waits until it has ended.
    ///
    /// # Panics
    /// Its exit status is not 0.
    #[must_use]
    pub fn stopped(mut self) -> Launch {
        let status = self.process.wait();
        assert!(status.success(), "the host ended with {status}");
        self.launch.clone()
    }

    /// Checks that the process is still there.
    ///
    /// # Panics
    /// It is not.
    pub fn assert_alive(&mut self) {
        let ended = self.process.ended();
        assert!(ended.is_none(), "the host ended by itself: {ended:?}");
    }
}
