//! The program `durance`.

mod banner;
mod cli;
mod compose;
mod config;
mod deploy;
mod log_lines;
mod manifest;
mod replay;
mod shutdown;
mod telemetry;
mod watch;

use clap::{CommandFactory as _, Parser};
use cli::{Cli, Command, StoreCommand};
use durance_cli::{CommandError, Exit, build, doctor, new};
use durance_store::{RepairReport, StoreError};
use manifest::Manifest;
use std::{io, path::Path, process::ExitCode};

/// The app or its settings cannot be used: the person who started the host has to change something.
const EXIT_UNUSABLE: u8 = 2;
/// The host could not go on, or a history diverges.
const EXIT_FAILED: u8 = 1;

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::New(args) => Exit::report(new::run(args)),
        Command::Build(args) => Exit::report(build::run(&args)),
        Command::Start(args) => start(args),
        Command::Remote(command) => command.run(),
        Command::Replay(args) => replay(&args),
        Command::Deploy(args) => Exit::report(deploy::deploy(&args)),
        Command::Apps(args) => Exit::report(deploy::apps(&args)),
        Command::Store(StoreCommand::Repair { data }) => repair(&data),
        Command::Doctor(args) => match config::doctor(args) {
            Ok(settings) => Exit::report(doctor::run(&settings)),
            Err(error) => complain(&error, EXIT_UNUSABLE),
        },
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "durance", &mut io::stdout());
            ExitCode::SUCCESS
        }
    }
}

fn start(args: cli::StartArgs) -> ExitCode {
    if let Err(error) = build_if_stale(&args) {
        return complain(&error, EXIT_UNUSABLE);
    }
    let config = match config::Config::read(args) {
        Ok(config) => config,
        Err(error) => return complain(&error, EXIT_UNUSABLE),
    };
    let _lines = match telemetry::start(config.log_format, &config.log) {
        Ok(flusher) => flusher,
        Err(error) => return complain(&*Box::<dyn std::error::Error>::from(error), EXIT_UNUSABLE),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return complain(&error, EXIT_FAILED),
    };
    match runtime.block_on(compose::run(config)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&error, if error.is_usage() { EXIT_UNUSABLE } else { EXIT_FAILED }),
    }
}

/// A manifest that is wrong is told by those who need all of it.
fn build_if_stale(args: &cli::StartArgs) -> Result<(), CommandError> {
    let Some(folder) = config::app_folder(args).filter(|_| !args.no_build) else { return Ok(()) };
    match Manifest::read(&folder) {
        Ok(manifest) => {
            build::build_if_stale(&folder, &manifest.component_files(&folder).unwrap_or_default())
        }
        _ => Ok(()),
    }
}

#[expect(clippy::print_stdout, reason = "the answer to the command")]
fn replay(args: &cli::ReplayArgs) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return complain(&error, EXIT_UNUSABLE),
    };
    match runtime.block_on(replay::run(args)) {
        Ok(report) => {
            println!("{}", if args.json { report.to_json() } else { report.to_string() });
            if report.is_compatible() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_FAILED) }
        }
        Err(error) => complain(&error, EXIT_UNUSABLE),
    }
}

#[expect(clippy::print_stdout, reason = "the answer to the command")]
fn repair(data: &Path) -> ExitCode {
    match durance_store::repair(data) {
        Ok(RepairReport::NothingToDo) => {
            println!("Nothing to repair.");
            ExitCode::SUCCESS
        }
        Ok(RepairReport::Removed { bytes, copy }) => {
            println!(
                "Removed the last write, which was never acknowledged: {bytes} bytes, kept in {}.",
                copy.display()
            );
            ExitCode::SUCCESS
        }
        Err(error @ StoreError::NoStore { .. }) => complain(&error, EXIT_UNUSABLE),
        Err(error) => complain(&error, EXIT_FAILED),
    }
}

/// Says what is wrong, with the chain of its causes.
#[expect(clippy::print_stderr, reason = "there may be no log yet")]
fn complain(error: &dyn std::error::Error, code: u8) -> ExitCode {
    eprint!("durance: {error}");
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !said.contains(&text) {
            eprint!(": {text}");
            said = text;
        }
        cause = error.source();
    }
    eprintln!();
    ExitCode::from(code)
}
