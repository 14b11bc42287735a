//! What one call costs: `cargo run --release -p durance-wasm --example invoke_bench -- FOLDER WITH .wasm FILES`.
//!
//! Prints microseconds for a call of the HTTP function `Hello` and for a run of the orchestrator `HelloSequence` with its
//! three waits (activities answered by this program, nothing stored), and what suspended orchestrators keep resident.

#![expect(clippy::print_stdout, reason = "it is a program that prints")]

use durance_durable::{
    ExecutionId, ExecutionRecord, HistoryEvent, InstanceId, InstanceRecord, Json, ModuleHash, RuntimeState,
    RuntimeStatus, StartDetails, TaskId, Timestamp, Token,
};
use durance_taskhub::{FunctionExecutor, OrchestratorRun, Progress, SharedState};
use durance_wasm::{FunctionApp, HttpCall, WasmSettings};
use std::{error::Error, fs, path::PathBuf, sync::Arc, time::Instant};
use uuid::Uuid;

const CALLS: u32 = 20_000;
const SUSPENDED: usize = 10_000;

type Outcome<T> = Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let folder = std::env::args().nth(1).ok_or("give the folder of the components")?;
    let entries = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Outcome<Vec<PathBuf>>>()?;
    let files: Vec<_> =
        entries.into_iter().filter(|path| path.extension().is_some_and(|e| e == "wasm")).collect();
    let data = tempfile::tempdir()?;
    for start in ["cold", "warm"] {
        let begun = Instant::now();
        FunctionApp::load(&files, data.path(), WasmSettings::default()).await?;
        println!(
            "load, {start}: {:.0} ms for {} components",
            begun.elapsed().as_secs_f64() * 1e3,
            files.len()
        );
    }
    let app = FunctionApp::load(&files, data.path(), WasmSettings::default()).await?;
    println!("slots for orchestrators: {}, mappings: {}", app.runtime().orchestrator_slots(), mappings()?);
    for _ in 0..3 {
        hello(&app).await?;
        sequence(&app).await?;
    }
    suspended(&app).await
}

async fn hello(app: &FunctionApp) -> Outcome<()> {
    let headers = http::HeaderMap::new();
    let begun = Instant::now();
    for _ in 0..CALLS {
        let call = HttpCall {
            idempotency: None,
            method: "GET",
            uri: "http://127.0.0.1:7071/api/hello/Ada",
            origin: String::new(),
            headers: &headers,
            body: b"",
            route_parameters: vec![("name".to_owned(), Some("Ada".to_owned()))],
            invocation_id: Uuid::nil(),
        };
        let response = app.call_http("Hello", call).await?;
        assert_eq!(response.body(), "Hello Ada!");
    }
    println!("Hello: {:.1} us", begun.elapsed().as_secs_f64() * 1e6 / f64::from(CALLS));
    Ok(())
}

async fn sequence(app: &FunctionApp) -> Outcome<()> {
    let module = app.resolve_orchestrator("HelloSequence").ok_or("no HelloSequence")?;
    let begun = Instant::now();
    for _ in 0..CALLS {
        let state = new_state("HelloSequence", module);
        let mut run = app.orchestrator(module, Arc::clone(&state))?;
        turn(&mut run, &state, HistoryEvent::ExecutionStarted).await?;
        for task in 0..3 {
            let done = HistoryEvent::TaskCompleted { task: TaskId(task), result: Json::of("Hello!") };
            turn(&mut run, &state, done).await?;
        }
    }
    println!("HelloSequence: {:.1} us", begun.elapsed().as_secs_f64() * 1e6 / f64::from(CALLS));
    Ok(())
}

async fn suspended(app: &FunctionApp) -> Outcome<()> {
    let module = app.resolve_orchestrator("WaitForApproval").ok_or("no WaitForApproval")?;
    let (before, mappings_before) = (resident_kib()?, mappings()?);
    let mut runs = Vec::new();
    for _ in 0..SUSPENDED.min(app.runtime().orchestrator_slots()) {
        let state = new_state("WaitForApproval", module);
        let mut run = app.orchestrator(module, Arc::clone(&state))?;
        turn(&mut run, &state, HistoryEvent::ExecutionStarted).await?;
        runs.push((run, state));
    }
    let (each, mapped) = ((resident_kib()? - before) / runs.len(), (mappings()? - mappings_before) as f64);
    println!("{} suspended: {each} KiB and {:.1} mappings each", runs.len(), mapped / runs.len() as f64);
    Ok(())
}

fn new_state(name: &str, module: ModuleHash) -> SharedState {
    let execution = ExecutionId(Uuid::new_v4());
    let instance = InstanceRecord {
        name: name.into(),
        execution,
        generation: 1,
        token: Token(1),
        module,
        status: RuntimeStatus::Pending,
        created: Timestamp::default(),
        last_updated: Timestamp::default(),
        event_count: 0,
        custom_status: None,
        output: None,
        failure: None,
        details: StartDetails::default(),
        queued: 0,
    };
    let record = ExecutionRecord {
        instance: InstanceId::from_uuid(execution.0),
        started: Timestamp::default(),
        input: Json::of(&serde_json::json!({ "timeoutSeconds": 60 })),
        parent: None,
        carryover: Vec::new(),
        retention: durance_durable::RetentionPolicy::default(),
    };
    Arc::new(parking_lot::Mutex::new(RuntimeState::new(&instance, record, Vec::new())))
}

async fn turn(run: &mut Box<dyn OrchestratorRun>, state: &SharedState, event: HistoryEvent) -> Outcome<()> {
    state.lock().begin_turn(Timestamp::from_nanos(1), vec![event]);
    let progress = run.resume().await?;
    let outcome = match progress {
        Progress::Waiting => durance_durable::Outcome::Waiting,
        Progress::Returned(result) => {
            durance_durable::Outcome::Returned(Ok(result.map_err(|f| f.to_string())?))
        }
    };
    state.lock().end_turn(outcome, Vec::new(), || ExecutionId(Uuid::nil()));
    Ok(())
}

fn resident_kib() -> Outcome<usize> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

fn mappings() -> Outcome<usize> {
    Ok(fs::read_to_string("/proc/self/maps")?.lines().count())
}
