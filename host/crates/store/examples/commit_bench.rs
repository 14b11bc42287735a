//! How many durable steps a second the embedded store commits, beside what the disk itself can do.
//!
//! `cargo run --release -p durance-store --example commit_bench [FOLDER] [SECONDS]`
//!
//! A step is a turn that takes the result of one activity and calls the next: the instance row, a history row of about
//! 500 bytes, one open task more and one less.

#![expect(clippy::print_stdout, reason = "it is a program that prints its figures")]

use durance_durable::{
    ActivityOptions, ExecutionId, HistoryEvent, IfExists, InstanceId, Json, ModuleHash, RuntimeStatus,
    ScheduleTask, StartDetails, TaskId, Timestamp, Turn, TurnCommit,
};
use durance_store::{EmbeddedStore, Lease, Operation, StartRequest, StoreOptions, TaskHubStore, TurnWrite};
const MODULE: ModuleHash = ModuleHash([7; 32]);

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

const WARM_UP_COMMITS: usize = 50;
const PAYLOAD_BYTES: usize = 200;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().map_or_else(|| PathBuf::from("target/commit-bench"), PathBuf::from);
    let seconds = Duration::from_secs_f64(arguments.next().map_or(Ok(3.0), |text| text.parse())?);

    std::fs::create_dir_all(&folder)?;
    println!("one fdatasync of 4 KiB: {:?}", median_sync(&folder)?);
    for state in ["new", "reopened"] {
        for steps in [1, 16, 256] {
            let data = folder.join(format!("{steps}"));
            let opening = Instant::now();
            let store = EmbeddedStore::open(&data, StoreOptions::default())?;
            let opened = opening.elapsed();
            let rate = measure(&store, steps, seconds)?;
            println!("{state:>8}, {steps:>3} steps a commit: {rate:>8.0} steps/s (opened in {opened:?})");
            store.close()?;
        }
    }
    Ok(())
}

fn median_sync(folder: &Path) -> std::io::Result<Duration> {
    let path = folder.join("sync");
    let mut file = File::create(&path)?;
    let mut times = Vec::new();
    for _ in 0..200 {
        let begin = Instant::now();
        file.write_all(&[1; 4096])?;
        file.sync_data()?;
        times.push(begin.elapsed());
    }
    std::fs::remove_file(path)?;
    times.sort();
    Ok(times.get(times.len() / 2).copied().unwrap_or_default())
}

fn measure(store: &EmbeddedStore, steps: usize, time: Duration) -> Result<f64, Box<dyn std::error::Error>> {
    let leases = store.acquire("bench")?;
    let mut runs = begin(store, &leases, steps)?;
    for _ in 0..WARM_UP_COMMITS {
        step(store, &leases, &mut runs)?;
    }
    let begin = Instant::now();
    let mut commits = 0;
    while begin.elapsed() < time {
        step(store, &leases, &mut runs)?;
        commits += 1;
    }
    Ok(f64::from(commits) * steps as f64 / begin.elapsed().as_secs_f64())
}

/// An orchestration that calls one activity after the other.
struct Run {
    instance: InstanceId,
    execution: ExecutionId,
    event_count: u64,
    next_task: u32,
}

fn begin(
    store: &EmbeddedStore,
    leases: &[Lease],
    count: usize,
) -> Result<Vec<Run>, Box<dyn std::error::Error>> {
    let run = |_| {
        let id = uuid::Uuid::new_v4();
        Run { instance: InstanceId::from_uuid(id), execution: ExecutionId(id), event_count: 0, next_task: 0 }
    };
    let runs: Vec<Run> = (0..count).map(run).collect();
    let starts = runs.iter().map(|run| {
        Operation::Start(StartRequest {
            instance: run.instance.clone(),
            name: "HelloSequence".into(),
            input: Json::null(),
            module: MODULE,
            execution: run.execution,
            parent: None,
            if_exists: IfExists::default(),
            token: None,
            retention: durance_durable::RetentionPolicy::default(),
            details: StartDetails::default(),
            now: Timestamp::default(),
        })
    });
    store.commit(leases, starts.collect())?;
    Ok(runs)
}

fn step(store: &EmbeddedStore, leases: &[Lease], runs: &mut [Run]) -> Result<(), Box<dyn std::error::Error>> {
    let turns = runs.iter_mut().map(next_turn).collect();
    store.commit(leases, turns)?;
    Ok(())
}

fn next_turn(run: &mut Run) -> Operation {
    let payload = Json::of(&"x".repeat(PAYLOAD_BYTES));
    let received = match run.next_task.checked_sub(1) {
        None => HistoryEvent::ExecutionStarted,
        Some(task) => HistoryEvent::TaskCompleted { task: TaskId(task), result: payload.clone() },
    };
    let call = ScheduleTask {
        task: TaskId(run.next_task),
        name: "SayHello".into(),
        input: payload,
        options: ActivityOptions::default(),
    };
    let turn = Turn {
        time: Timestamp::from_nanos(1_700_000_000_000_000_000),
        events: vec![received, HistoryEvent::TaskScheduled(call)],
    };
    let commit = TurnCommit {
        instance: run.instance.clone(),
        execution: run.execution,
        base_event_count: run.event_count,
        turn,
        status: RuntimeStatus::Running,
        custom_status: None,
        output: None,
        failure: None,
        taken: Vec::new(),
        next: None,
    };
    run.event_count += 2;
    run.next_task += 1;
    Operation::Turn(TurnWrite {
        commit,
        children: Vec::new(),
        replies: Vec::new(),
        module: MODULE,
        next_module: None,
    })
}
