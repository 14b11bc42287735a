//! A child process of the program, and what it says.

use crate::{repository::program, wait::eventually_blocking};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    ffi::OsStr,
    io::{BufRead as _, BufReader, Read},
    mem,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::{self, JoinHandle},
};

/// How a run of the program ended, and all that it said.
#[derive(Debug)]
pub struct Ended {
    /// The exit status; none if a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to standard output and standard error.
    pub said: String,
}

/// Runs the program to its end.
///
/// # Panics
/// It does not end in time.
#[must_use]
pub fn run_program(arguments: &[&OsStr]) -> Ended {
    let (mut process, _lines) = Process::spawn(arguments);
    let code = process.wait().code();
    Ended { code, said: process.said() }
}

/// A running program. Killed when dropped; if the test fails it first shows what it has said.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    said: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

impl Process {
    /// Starts the program without any `DURANCE_…` variable; gives also the lines that it writes to standard output.
    pub(crate) fn spawn(arguments: impl IntoIterator<Item: AsRef<OsStr>>) -> (Self, mpsc::Receiver<String>) {
        let mut command = Command::new(program());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("DURANCE_") {
                command.env_remove(name);
            }
        }
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program can be started");
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let mut process = Self { child, said: Arc::default(), readers: Vec::new() };
        let (line, lines) = mpsc::channel();
        process.read(stdout.expect("it is piped"), move |text| {
            // Nobody may listen any more.
            let _unheard = line.send(text.to_owned());
        });
        process.read(stderr.expect("it is piped"), |_| {});
        (process, lines)
    }

    /// Drains a pipe, so that the program never waits for its reader.
    fn read(&mut self, pipe: impl Read + Send + 'static, each: impl Fn(&str) + Send + 'static) {
        let said = Arc::clone(&self.said);
        self.readers.push(thread::spawn(move || {
            let mut lines = BufReader::new(pipe).split(b'\n');
            while let Some(Ok(line)) = lines.next() {
                let line = String::from_utf8_lossy(&line);
                let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
                said.push_str(&line);
                said.push('\n');
                drop(said);
                each(&line);
            }
        }));
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// All that it has said so far.
    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be asked about")
    }

    /// Sends it SIGKILL and waits until it is gone.
    pub(crate) fn kill(&mut self) -> ExitStatus {
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a child can be waited for")
    }

    /// Sends it SIGTERM.
    pub(crate) fn terminate(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("a child can be signalled");
    }

    /// Waits until it has ended by itself; all that it said can be had then.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let status = eventually_blocking("the end of the program", || self.ended());
        for reader in mem::take(&mut self.readers) {
            reader.join().expect("a reader does not panic");
        }
        status
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("--- what the host said:\n{}", self.said());
        }
        if self.ended().is_none() {
            self.kill();
        }
    }
}
