//! The commands of `durance` that need no engine: those that speak to a host over its HTTP APIs, and those that make and
//! build function apps.
//!
//! *Invariant:* nothing here knows the rules of orchestrations. What a command means is decided by the host that it is
//! sent to, whose answers and errors are shown as they are.

#![forbid(unsafe_code)]

mod args;
pub mod build;
mod client;
pub mod doctor;
mod entities;
mod error;
mod functions;
mod instances;
mod keys;
pub mod new;
mod output;
mod schedules;

pub use args::{HostArgs, Secret};
pub use client::{Answer, HostClient, Request, segment};
pub use error::{CommandError, Exit};
pub use output::{Output, print};

use clap::Subcommand;
use std::process::ExitCode;

/// What the exit status of these commands means; shown by `--help`.
pub const EXIT_STATUS_HELP: &str = "\
Exit status:
  0  done
  1  it failed
  2  the command line, or a value in it, is wrong
  3  there is no such instance, entity, function, schedule or key
  4  it is in use, or not in a state that allows this
  5  the host cannot be reached, or is busy: the same command may succeed later
  6  wait, start --wait: the run has failed or was terminated
  7  a key is missing or does not open this
  8  wait, start --wait: the run was not over in time";

/// Commands that speak to a running host.
#[derive(Debug, Subcommand)]
pub enum RemoteCommand {
    /// Start, watch and manage orchestrations.
    #[command(after_help = EXIT_STATUS_HELP)]
    Instances(instances::InstancesArgs),
    /// Read and signal durable entities.
    #[command(after_help = EXIT_STATUS_HELP)]
    Entities(entities::EntitiesArgs),
    /// List the functions that a host serves, and call them.
    #[command(after_help = EXIT_STATUS_HELP)]
    Functions(functions::FunctionsArgs),
    /// Make and manage schedules.
    #[command(after_help = EXIT_STATUS_HELP)]
    Schedules(schedules::SchedulesArgs),
    /// Make, rotate and delete the keys of a host.
    #[command(after_help = EXIT_STATUS_HELP)]
    Keys(keys::KeysArgs),
}

impl RemoteCommand {
    /// Does it and says what came of it: results on standard output, errors on standard error.
    #[must_use]
    pub fn run(self) -> ExitCode {
        let done = match self {
            Self::Instances(args) => instances::run(args),
            Self::Entities(args) => entities::run(args),
            Self::Functions(args) => functions::run(args),
            Self::Schedules(args) => schedules::run(args),
            Self::Keys(args) => keys::run(args),
        };
        Exit::report(done)
    }
}
