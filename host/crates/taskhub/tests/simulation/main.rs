//! Random interleavings of client operations, completions, crashes and failed commits, in simulated time: the guarantees
//! hold in all of them, on both stores.
//!
//! `SEED=number` repeats one run; a failed one shows its seed.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stdout, reason = "a failed run must show its seed")]

mod app;
mod checks;
mod logs;
mod medium;
mod request;
#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "the tests of the engine use the rest")]
mod support;
mod world;

use medium::Medium;
use world::World;

/// Runs on each store. The embedded one syncs its files.
const RUNS_IN_MEMORY: u64 = 40;
const RUNS_ON_DISK: u64 = 12;

fn seeds(runs: u64) -> Vec<u64> {
    match std::env::var("SEED") {
        Ok(seed) => vec![seed.parse().expect("SEED is a number")],
        Err(_) => (0..runs).map(|_| fastrand::u64(..)).collect(),
    }
}

fn simulate(runs: u64, medium: impl Fn(u64) -> Medium) {
    for seed in seeds(runs) {
        println!("SEED={seed}");
        World::new(medium(seed), seed).run();
    }
}

#[test]
fn guarantees_hold_in_every_interleaving_in_memory() {
    simulate(RUNS_IN_MEMORY, |_| Medium::memory());
}

#[test]
fn guarantees_hold_in_every_interleaving_on_the_embedded_store() {
    let folder = tempfile::tempdir().unwrap();
    simulate(RUNS_ON_DISK, |seed| {
        let path = folder.path().join(seed.to_string());
        std::fs::create_dir(&path).unwrap();
        Medium::folder(path)
    });
}
