//! The command line, exactly as typed. What it means together with `durance.toml` is in [`crate::config`].

use crate::deploy::{AppsArgs, DeployArgs};
use clap::{Args, Parser, Subcommand, ValueEnum, builder::BoolishValueParser};
use clap_complete::Shell;
use durance_cli::{EXIT_STATUS_HELP, RemoteCommand, build::BuildArgs, new::NewArgs};
use std::{net::SocketAddr, path::PathBuf};

/// A serverless function host for WebAssembly components with durable orchestrations.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[expect(clippy::large_enum_variant, reason = "there is one, while the process starts")]
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a new function app.
    New(NewArgs),
    /// Build the functions of an app.
    Build(BuildArgs),
    /// Serve a function app; one with a Cargo.toml is built first, if its components are missing or out of date.
    Start(StartArgs),
    #[command(flatten)]
    Remote(RemoteCommand),
    /// Replay a recorded history on a component, without side effects, and show the first difference.
    ///
    /// Exit status: 0 the component does again what it did then, 1 it diverges, 2 the input cannot be used.
    Replay(ReplayArgs),
    /// Deploy a function app to a host that runs, without stopping it.
    ///
    /// Exit status of --check: 0 all live instances can go on with the app, 1 some cannot.
    #[command(after_help = EXIT_STATUS_HELP)]
    Deploy(DeployArgs),
    /// List, activate and delete the versions of the app that a host keeps.
    #[command(after_help = EXIT_STATUS_HELP)]
    Apps(AppsArgs),
    /// Look after the data of a function app.
    #[command(subcommand)]
    Store(StoreCommand),
    /// Check whether this machine can run a host, and say what to change.
    ///
    /// Exit status: 0 it can, 1 it cannot.
    Doctor(DoctorArgs),
    /// Print the completions for a shell, to be put where it looks for them.
    Completions {
        /// The shell.
        shell: Shell,
    },
}

/// Options of `durance start`. Each also comes from the environment, and most from the table `[host]` of `durance.toml`;
/// the command line is stronger than the environment, and that is stronger than the file.
#[derive(Debug, Args)]
pub(crate) struct StartArgs {
    /// The function app: the folder that has durance.toml in it [default: the present folder, or if that is none and --data
    /// is given, what was deployed to the data folder last]
    #[arg(value_name = "APP FOLDER", env = "DURANCE_APP")]
    pub(crate) app: Option<PathBuf>,

    /// Without an app folder: the name of the app that will be deployed, if none was deployed yet.
    #[arg(long, value_name = "APP", env = "DURANCE_NAME", conflicts_with = "app", requires = "data")]
    pub(crate) name: Option<String>,

    /// Where to listen; port 0 picks a free one [default: 127.0.0.1:7071]
    #[arg(long, value_name = "ADDR:PORT", env = "DURANCE_LISTEN")]
    pub(crate) listen: Option<SocketAddr>,

    /// Where instances, keys and compiled functions are kept [default: .durance in the app folder]
    #[arg(long, value_name = "FOLDER", env = "DURANCE_DATA")]
    pub(crate) data: Option<PathBuf>,

    /// Ask for keys on loopback too; on any other address they are always asked for.
    #[arg(long, env = "DURANCE_REQUIRE_KEYS", value_parser = BoolishValueParser::new())]
    pub(crate) require_keys: bool,

    /// Take the components as they are.
    #[arg(long, env = "DURANCE_NO_BUILD", value_parser = BoolishValueParser::new())]
    pub(crate) no_build: bool,

    /// Exchange the app while it runs when something in its folder changes: what is out of date is built first
    /// [default: on a terminal]
    #[arg(long, env = "DURANCE_WATCH", overrides_with = "no_watch", value_parser = BoolishValueParser::new())]
    pub(crate) watch: bool,

    /// Serve the app as it is when the host starts [default: without a terminal]
    #[arg(long, overrides_with = "watch")]
    pub(crate) no_watch: bool,

    /// Write a log line for each answered request; functions have one anyway.
    #[arg(long, env = "DURANCE_ACCESS_LOG", value_parser = BoolishValueParser::new())]
    pub(crate) access_log: bool,

    /// How log lines on standard error look [default: text]
    #[arg(long, value_enum, value_name = "FORMAT", env = "DURANCE_LOG_FORMAT")]
    pub(crate) log_format: Option<LogFormat>,

    /// Which log lines appear, in the syntax of tracing's EnvFilter, for example `warn` or `info,durance::guest=debug`
    /// [default: info]
    #[arg(long, value_name = "FILTER", env = "DURANCE_LOG")]
    pub(crate) log: Option<String>,
}

/// Options of `durance doctor`: those of `durance start` that it looks at.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// The function app, if there is one.
    #[arg(value_name = "APP FOLDER", default_value = ".", env = "DURANCE_APP")]
    pub(crate) app: PathBuf,

    /// Where the host is to listen [default: 127.0.0.1:7071]
    #[arg(long, value_name = "ADDR:PORT", env = "DURANCE_LISTEN")]
    pub(crate) listen: Option<SocketAddr>,

    /// Where its data is to be [default: .durance in the app folder]
    #[arg(long, value_name = "FOLDER", env = "DURANCE_DATA")]
    pub(crate) data: Option<PathBuf>,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of `durance replay`.
#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// A history as the management API exports it (GET …/instances/{id}/history), finished or not; `-` reads standard
    /// input.
    #[arg(value_name = "HISTORY.jsonl")]
    pub(crate) history: PathBuf,

    /// The component that has the orchestrator.
    #[arg(long, value_name = "FILE.wasm")]
    pub(crate) module: PathBuf,

    /// Answer with one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Remove a last write that a crash cut off before it was acknowledged.
    Repair {
        /// The data folder.
        #[arg(long, value_name = "FOLDER", env = "DURANCE_DATA")]
        data: PathBuf,
    },
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// For programs: one JSON object a line.
    Json,
}
