//! `durance replay`: a recorded history against a component.

use crate::cli::ReplayArgs;
use durance_durable::{ExecutionHistory, ExecutionId, InstanceId, InvalidHistory, ModuleHash, Timestamp};
use durance_taskhub::{Divergence, ExecutorError, FunctionExecutor as _};
use durance_wasm::{FunctionApp, LoadError, WasmSettings};
use serde::Serialize;
use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    slice,
    sync::Arc,
    time::{Duration, Instant},
};

/// The input cannot be used, or not be run. The text says what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplayError {
    #[error("cannot read {path}: {source}")]
    File { path: PathBuf, source: io::Error },
    #[error("{path} is not a history: {source}")]
    History { path: PathBuf, source: InvalidHistory },
    #[error("cannot make a temporary folder for the compiled component: {0}")]
    TemporaryFolder(io::Error),
    #[error(transparent)]
    Component(#[from] LoadError),
    #[error("the history is of orchestrator '{name}', which {module} does not have; it has {}", list(.known))]
    NoOrchestrator { name: Arc<str>, module: PathBuf, known: Vec<String> },
    #[error(transparent)]
    Run(#[from] ExecutorError),
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// What a replay has shown.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReplayReport {
    result: Verdict,
    orchestrator: Arc<str>,
    instance_id: InstanceId,
    execution_id: ExecutionId,
    /// The hash of the component that the history was replayed on.
    module: ModuleHash,
    turns: usize,
    events: u64,
    /// Of the replay alone, without loading the component.
    #[serde(rename = "elapsedSeconds", serialize_with = "seconds")]
    elapsed: Duration,
    difference: Option<Difference>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
enum Verdict {
    Compatible,
    Diverged,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Difference {
    event_number: u64,
    turn: u64,
    /// Nanoseconds since the Unix epoch.
    turn_time: Timestamp,
    history: String,
    code: String,
}

impl From<Divergence> for Difference {
    fn from(found: Divergence) -> Self {
        let Divergence { event_number, turn, turn_time, history, code } = found;
        Self { event_number, turn, turn_time, history, code }
    }
}

/// Replays the history.
pub(crate) async fn run(args: &ReplayArgs) -> Result<ReplayReport, ReplayError> {
    let history = read_history(&args.history)?;
    let data = tempfile::tempdir().map_err(ReplayError::TemporaryFolder)?;
    let app = FunctionApp::load(slice::from_ref(&args.module), data.path(), WasmSettings::default()).await?;
    let name = &history.record.name;
    let module = app.resolve_orchestrator(name).ok_or_else(|| ReplayError::NoOrchestrator {
        name: Arc::clone(name),
        module: args.module.clone(),
        known: app.orchestrator_names(),
    })?;
    let began = Instant::now();
    let found = durance_taskhub::replay(&app, module, &history).await?;
    Ok(ReplayReport {
        result: if found.is_none() { Verdict::Compatible } else { Verdict::Diverged },
        orchestrator: Arc::clone(name),
        instance_id: history.begun_with.instance.clone(),
        execution_id: history.record.execution,
        module,
        turns: history.turns.len(),
        events: history.event_count(),
        elapsed: began.elapsed(),
        difference: found.map(Difference::from),
    })
}

fn read_history(path: &Path) -> Result<ExecutionHistory, ReplayError> {
    let text = match path.to_str() {
        Some("-") => io::read_to_string(io::stdin()),
        _ => fs::read_to_string(path),
    };
    let text = text.map_err(|source| ReplayError::File { path: path.to_owned(), source })?;
    ExecutionHistory::from_json_lines(&text)
        .map_err(|source| ReplayError::History { path: path.to_owned(), source })
}

impl ReplayReport {
    pub(crate) fn is_compatible(&self) -> bool {
        self.result == Verdict::Compatible
    }

    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("our own values can be written as JSON")
    }
}

impl fmt::Display for ReplayReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { orchestrator, instance_id, turns, events, .. } = self;
        let Some(difference) = &self.difference else {
            let elapsed = self.elapsed.as_secs_f64() * 1e3;
            return write!(
                f,
                "Compatible: '{orchestrator}' did all of '{instance_id}' again, {events} events in {turns} turns, \
                 in {elapsed:.1} ms."
            );
        };
        let Difference { event_number, turn, turn_time, history, code } = difference;
        let time = jiff::Timestamp::from_nanosecond(i128::from(turn_time.as_nanos())).unwrap_or_default();
        writeln!(f, "Diverged: '{orchestrator}' did not do again what '{instance_id}' did.")?;
        writeln!(f, "  event   {event_number} of {events}, in turn {turn} at {time}")?;
        writeln!(f, "  history {history}")?;
        write!(f, "  code    {code}")
    }
}

fn seconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}
