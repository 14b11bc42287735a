//! What a data sync costs on this disk, at this moment.

use std::{
    fs::File,
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

const SYNCS: usize = 200;

/// The median time of an append of 4 KiB and its data sync, in this folder.
///
/// # Panics
/// The folder cannot be written.
pub(crate) fn data_sync(folder: &Path) -> Duration {
    let path = folder.join("data-sync-probe");
    let mut file = File::create(&path).expect("the folder can be written");
    let mut times: Vec<_> = (0..SYNCS)
        .map(|_| {
            let begun = Instant::now();
            file.write_all(&[1; 4096]).expect("there is room");
            file.sync_data().expect("the disk works");
            begun.elapsed()
        })
        .collect();
    std::fs::remove_file(&path).expect("it was just made");
    times.sort_unstable();
    times[SYNCS / 2]
}
