//! What can go wrong, what to do about it, and the exit status that tells scripts.

use crate::client::Problem;
use std::{fmt, io, process::ExitCode};

/// The exit status of a command; scripts rely on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// It failed.
    Failed = 1,
    /// The command line, or a value in it, is wrong.
    Usage = 2,
    /// What it names does not exist.
    NotFound = 3,
    /// What it names is in use, or not in a state that allows this.
    Conflict = 4,
    /// The host cannot be reached, or is busy.
    Unreachable = 5,
    /// The run that was waited for has failed or was terminated.
    RunFailed = 6,
    /// A key is missing or does not open this.
    Forbidden = 7,
    /// The run that was waited for was not over in time.
    TimedOut = 8,
}

/// A command was not done. The text says why and what to do.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The command line, or a value in it, is wrong.
    #[error("{0}")]
    Usage(String),
    /// There is no host at this address, or it went away.
    #[error("cannot reach a host at {url}: {why}; start one with 'durance start', or name another with --to")]
    Unreachable {
        /// Where.
        url: String,
        /// What happened.
        why: String,
    },
    /// The host has refused.
    #[error("{0}")]
    Refused(Box<Problem>),
    /// Something answered that does not speak as a host does.
    #[error("{url} does not answer as a Durance host does: {why}; name the host with --to")]
    NotAHost {
        /// Where.
        url: String,
        /// What is odd.
        why: String,
    },
    /// What was named does not exist.
    #[error("{0}")]
    NotFound(String),
    /// Something is in the way.
    #[error("{0}")]
    Exists(String),
    /// A step on this machine failed.
    #[error("{0}")]
    Failed(String),
    /// What was asked for cannot be written.
    #[error("cannot write the output: {0}")]
    Output(#[source] io::Error),
}

impl CommandError {
    /// What scripts are told.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) => Exit::Usage,
            Self::Unreachable { .. } => Exit::Unreachable,
            Self::NotFound(_) => Exit::NotFound,
            Self::Exists(_) => Exit::Conflict,
            Self::NotAHost { .. } | Self::Failed(_) | Self::Output(_) => Exit::Failed,
            Self::Refused(problem) => match problem.status {
                401 | 403 => Exit::Forbidden,
                404 => Exit::NotFound,
                409 | 410 | 412 => Exit::Conflict,
                429 | 503 => Exit::Unreachable,
                400..=499 => Exit::Usage,
                _ => Exit::Failed,
            },
        }
    }
}

impl Exit {
    /// Says what went wrong, if something did, and gives the exit status.
    #[must_use]
    #[expect(clippy::print_stderr, reason = "this is where errors go")]
    pub fn report(done: Result<Self, CommandError>) -> ExitCode {
        let exit = done.unwrap_or_else(|error| {
            // Whoever read the output has seen enough.
            let is_closed =
                matches!(&error, CommandError::Output(e) if e.kind() == io::ErrorKind::BrokenPipe);
            if !is_closed {
                eprintln!("durance: {error}");
            }
            error.exit()
        });
        ExitCode::from(exit as u8)
    }
}

/// The host's own words, and what to do where they do not say it.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, title, detail, .. } = self;
        match detail {
            Some(detail) => write!(f, "{detail}")?,
            None => write!(f, "the host answered {status} {title}")?,
        }
        match status {
            401 => write!(f, " (here: --key or DURANCE_KEY)"),
            429 | 503 => write!(f, "; try again later"),
            500.. => write!(f, " ({status} {title})"),
            _ => Ok(()),
        }
    }
}
