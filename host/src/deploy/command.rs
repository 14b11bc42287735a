//! `durance deploy` and `durance apps`.

use super::{archive::pack, package::AppPackage};
use clap::{Args, Subcommand, ValueEnum};
use durance_cli::{Answer, CommandError, Exit, HostArgs, HostClient, Output, Request};
use durance_durable::ModuleHash;
use durance_ingress::{
    AppList, AppVersionEntry, Collected, DeployOutcome, DeployReport, GateReport, OrchestratorGate,
};
use http::{Method, header::CONTENT_TYPE};
use indicatif::{ProgressBar, ProgressStyle};
use std::{fmt::Write as _, path::PathBuf};

/// Where the versions of the app are managed.
const APPS: &str = "/admin/apps";

/// Digits of a version that are shown to people; as many name one on the command line, unless two begin with them.
const SHORT: usize = 12;

/// Arguments of `durance deploy`.
#[derive(Debug, Args)]
pub(crate) struct DeployArgs {
    #[command(flatten)]
    host: HostArgs,

    /// The function app: the folder that has durance.toml in it
    #[arg(value_name = "APP FOLDER", default_value = ".")]
    app: PathBuf,

    /// Deploy nothing: check the app, and replay the histories of all live instances and of the newest finished ones on it
    #[arg(long)]
    check: bool,

    /// Move live instances to the new version: those whose histories replay on it
    #[arg(long, value_name = "WHICH", value_enum)]
    migrate: Option<Migrate>,

    /// Deploy nothing if the history of a live instance does not replay on the new version
    #[arg(long)]
    require_compatible: bool,
}

/// Which instances a deployment moves.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Migrate {
    /// Those whose histories replay on the new version.
    Compatible,
}

/// Arguments of `durance apps`.
#[derive(Debug, Args)]
pub(crate) struct AppsArgs {
    #[command(flatten)]
    host: HostArgs,
    #[command(subcommand)]
    command: AppsCommand,
}

#[derive(Debug, Subcommand)]
enum AppsCommand {
    /// List the versions of the app that the host keeps, the newest first.
    List,
    /// Serve a version that is kept.
    Activate {
        /// The version, or the digits that it begins with.
        version: String,
    },
    /// Serve the version that was served before the active one.
    Rollback,
    /// Delete the versions that nobody needs: neither the active one nor the one before, and no instance is pinned to them.
    Gc,
}

/// Deploys an app, or checks whether it could be.
pub(crate) fn deploy(args: &DeployArgs) -> Result<Exit, CommandError> {
    let client = args.host.client()?;
    let package = AppPackage::read(&args.app).map_err(|error| CommandError::Usage(error.to_string()))?;
    let archive = pack(&package).map_err(|error| CommandError::Usage(error.to_string()))?;
    let request = Request::new(Method::POST, APPS)
        .query("version", &package.version().to_string())
        .flag("check", args.check)
        .optional("migrate", args.migrate.map(|_| "compatible"))
        .flag("requireCompatible", args.require_compatible)
        .header(CONTENT_TYPE.as_str(), "application/gzip")?
        .header("content-length", &archive.len().to_string())?;
    let progress = progress_of(archive.len() as u64);
    let answer = client.upload(request, &mut progress.wrap_read(archive.as_slice()));
    progress.finish_and_clear();
    let answer = answer?;
    let report: DeployReport = client.read(&answer)?;
    show(args.host.json, &answer, || describe(&report))?;
    let is_compatible = report.gate.as_ref().is_none_or(is_compatible);
    Ok(if args.check && !is_compatible { Exit::Failed } else { Exit::Done })
}

/// Manages the versions of the app.
pub(crate) fn apps(args: &AppsArgs) -> Result<Exit, CommandError> {
    let client = args.host.client()?;
    let json = args.host.json;
    match &args.command {
        AppsCommand::List => {
            let answer = client.call(Request::new(Method::GET, APPS))?;
            let list: AppList = client.read(&answer)?;
            show(json, &answer, || describe_list(&list))?;
        }
        AppsCommand::Activate { version } => {
            let version = find(&client, version)?;
            report_change(&client, json, &format!("{APPS}/{version}/activate"))?;
        }
        AppsCommand::Rollback => report_change(&client, json, &format!("{APPS}/rollback"))?,
        AppsCommand::Gc => {
            let answer = client.call(Request::new(Method::POST, format!("{APPS}/gc")))?;
            let collected: Collected = client.read(&answer)?;
            let versions: Vec<_> = collected.versions.iter().map(short).collect();
            show(json, &answer, || match versions.as_slice() {
                [] => "All versions are needed.".to_owned(),
                versions => format!("Deleted {}.", versions.join(", ")),
            })?;
        }
    }
    Ok(Exit::Done)
}

fn report_change(client: &HostClient, json: bool, path: &str) -> Result<(), CommandError> {
    let answer = client.call(Request::new(Method::POST, path))?;
    let report: DeployReport = client.read(&answer)?;
    show(json, &answer, || describe(&report))
}

fn show(json: bool, answer: &Answer, text: impl FnOnce() -> String) -> Result<(), CommandError> {
    Output { json }.either(&answer.body, text)
}

/// The version that begins with these digits.
fn find(client: &HostClient, digits: &str) -> Result<ModuleHash, CommandError> {
    if let Ok(version) = digits.parse() {
        return Ok(version);
    }
    let list: AppList = client.read(&client.call(Request::new(Method::GET, APPS))?)?;
    let versions = list.versions.into_iter().map(|entry| entry.version);
    let found: Vec<_> = versions.filter(|version| version.to_string().starts_with(digits)).collect();
    match found.as_slice() {
        [version] => Ok(*version),
        [] => Err(CommandError::NotFound(format!(
            "no version that is kept begins with '{digits}'; `durance apps list` shows them"
        ))),
        _ => Err(CommandError::Usage(format!(
            "{} versions begin with '{digits}': give more digits",
            found.len()
        ))),
    }
}

/// On a terminal only.
fn progress_of(bytes: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} {bar:30} {bytes}/{total_bytes}");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(bytes).with_style(style).with_message("Uploading")
}

fn describe(report: &DeployReport) -> String {
    let version = short(&report.version);
    let mut text = match report.outcome {
        DeployOutcome::Activated => format!("Version {version} is active."),
        DeployOutcome::Unchanged => format!("Version {version} was active already."),
        DeployOutcome::Checked => format!("Version {version} can be deployed; nothing was changed."),
    };
    if let Some(gate) = &report.gate {
        text.push('\n');
        text.push_str(&describe_gate(gate));
    }
    text
}

fn describe_gate(gate: &GateReport) -> String {
    let seconds = gate.elapsed_seconds;
    let mut text = format!("Replayed {} events in {seconds:.2} s.", gate.events);
    for entry in &gate.orchestrators {
        // A string takes all that is written to it.
        let _written = write!(text, "\n  {}", describe_orchestrator(entry));
    }
    if let Some(why) = &gate.incomplete {
        let _written = write!(text, "\nNot all that can were moved: {why}");
    }
    text
}

fn describe_orchestrator(entry: &OrchestratorGate) -> String {
    let OrchestratorGate {
        name, compatible, diverged, migrated, finished_compatible, finished_diverged, ..
    } = entry;
    let live = compatible + diverged;
    let mut text = format!("{name}: {compatible} of {live} live instances can go on with it");
    if *migrated > 0 {
        let _written = write!(text, ", {migrated} were moved");
    }
    let finished = finished_compatible + finished_diverged;
    if finished > 0 {
        let _written = write!(text, "; {finished_compatible} of {finished} finished ones replay");
    }
    if let Some(difference) = &entry.difference {
        let _written = write!(
            text,
            "\n    first difference: '{}', event {}\n      history {}\n      code    {}",
            difference.instance_id, difference.event_number, difference.history, difference.code
        );
    }
    text
}

fn describe_list(list: &AppList) -> String {
    let mut text = format!("App '{}'", list.app);
    for entry in &list.versions {
        let _written = write!(text, "\n{}", describe_version(entry));
    }
    if list.versions.is_empty() {
        text.push_str(": nothing was deployed yet");
    }
    text
}

fn describe_version(entry: &AppVersionEntry) -> String {
    let role = match (entry.active, entry.previous) {
        (true, _) => "active",
        (false, true) => "previous",
        (false, false) => "",
    };
    let (version, time) = (short(&entry.version), entry.deployed_at.strftime("%Y-%m-%d %H:%M:%S"));
    let line = format!("{version}  {time}Z  {} components  {role}", entry.components.len());
    line.trim_end().to_owned()
}

fn is_compatible(gate: &GateReport) -> bool {
    gate.orchestrators.iter().all(|entry| entry.diverged == 0)
}

fn short(version: &ModuleHash) -> String {
    let text = version.to_string();
    text.get(..SHORT).unwrap_or(&text).to_owned()
}
