//! The real program as a child process.

use crate::{AppFolder, Client, repository::program, wait::{PATIENCE, eventually_blocking}};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    ffi::OsString,
    fmt,
    io::{BufRead as _, BufReader, Read},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
};
use tempfile::TempDir;

/// What the first line on standard output begins with.
const BANNER: &str = "Listening on ";

/// How to start a host: always the same app and data folder, so that it can be done again after a crash.
#[derive(Debug, Clone)]
pub struct Launch {
    app: AppFolder,
    data: Arc<TempDir>,
    arguments: Vec<OsString>,
}

impl Launch {
    /// Starts this app, on a data folder of its own and a free port of loopback.
    ///
    /// # Panics
    /// The data folder cannot be made.
    #[must_use]
    pub fn of(app: &AppFolder) -> Self {
        let data = tempfile::tempdir().expect("a temporary folder can be made");
        Self { app: app.clone(), data: Arc::new(data), arguments: Vec::new() }
    }

    /// Adds an argument to the command line.
    #[must_use]
    pub fn argument(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
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
    /// It does not; the message has all that it said.
    #[must_use]
    pub fn start(&self) -> Host {
        let (mut child, output) = self.spawn();
        let stdout = child.stdout.take().expect("it is piped");
        let (say, first_line) = mpsc::channel();
        output.collect(stdout, Some(say));
        let Ok(line) = first_line.recv_timeout(PATIENCE) else {
            // Killed first: it may hang without a word.
            let _already_gone = child.kill();
            let status = child.wait().expect("a child can be waited for");
            panic!("the host did not start ({status}):\n{output}");
        };
        let url = line.strip_prefix(BANNER).unwrap_or_else(|| panic!("the first line is '{line}'"));
        Host { url: url.trim().to_owned(), child: Some(child), output, launch: self.clone() }
    }

    /// Starts a host that is to refuse, and waits until it has ended.
    ///
    /// # Panics
    /// It does not end.
    #[must_use]
    pub fn start_fails(&self) -> FailedStart {
        let (mut child, output) = self.spawn();
        output.collect(child.stdout.take().expect("it is piped"), None);
        let status = wait_for_end(&mut child, &output);
        FailedStart { status, text: output.settled() }
    }

    fn spawn(&self) -> (Child, Output) {
        let mut command = Command::new(program());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("DURANCE_") {
                command.env_remove(name);
            }
        }
        command.arg("start").arg(self.app.path()).args(["--listen", "127.0.0.1:0", "--data"]);
        command.arg(self.data.path()).args(&self.arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program can be started");
        let output = Output::default();
        output.collect(child.stderr.take().expect("it is piped"), None);
        (child, output)
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

/// A running host. Killed when dropped; if the test fails it first says what it has said.
#[derive(Debug)]
pub struct Host {
    url: String,
    child: Option<Child>,
    output: Output,
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

    /// What it was started with.
    #[must_use]
    pub fn launch(&self) -> &Launch {
        &self.launch
    }

    /// All that it has said so far, on standard output and standard error.
    #[must_use]
    pub fn output(&self) -> String {
        self.output.to_string()
    }

    /// Waits until it has said a line that contains all of `parts`, and gives the first such line.
    ///
    /// # Panics
    /// It does not say so in time.
    #[must_use]
    pub fn says(&self, parts: &[&str]) -> String {
        eventually_blocking(&format!("a line with {parts:?}"), || {
            let output = self.output();
            output.lines().find(|line| parts.iter().all(|part| line.contains(part))).map(str::to_owned)
        })
    }

    /// Whether the process is still there.
    ///
    /// # Panics
    /// The system does not say.
    #[must_use]
    pub fn is_alive(&mut self) -> bool {
        let child = self.child.as_mut().expect("only an end takes it");
        child.try_wait().expect("a child can be asked about").is_none()
    }

    /// Ends it with SIGKILL, as a crash would, and waits until it is gone.
    ///
    /// # Panics
    /// It had ended by itself.
    pub fn crash(mut self) -> Launch {
        let mut child = self.child.take().expect("only an end takes it");
        let ended = child.try_wait().expect("a child can be asked about");
        assert!(ended.is_none(), "the host ended by itself ({ended:?}):\n{}", self.output);
        child.kill().expect("a child can be killed");
        child.wait().expect("a child can be waited for");
        self.launch.clone()
    }

    /// Asks it to end with SIGTERM and waits until it has.
    ///
    /// # Panics
    /// Its exit status is not 0.
    pub fn stop(mut self) -> Launch {
        let mut child = self.child.take().expect("only an end takes it");
        kill_process(Pid::from_child(&child), Signal::TERM).expect("a child can be signalled");
        let status = wait_for_end(&mut child, &self.output);
        assert!(status.success(), "the host ended with {status}:\n{}", self.output);
        self.launch.clone()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("--- the host's output:\n{}", self.output);
        }
        if let Some(mut child) = self.child.take() {
            // There is nothing to do about a failure here.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn wait_for_end(child: &mut Child, output: &Output) -> ExitStatus {
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().expect("a child can be asked about") {
            return status;
        }
        if std::time::Instant::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            panic!("the host did not end within {PATIENCE:?}:\n{output}");
        }
        thread::sleep(std::time::Duration::from_millis(10));
    }
}
