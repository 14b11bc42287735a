//! What a crash or a bad disk does to the files: whatever was acknowledged is there afterwards, or the store does not
//! open.

#![cfg(test)]

use durance_durable::Json;
use durance_store::{
    EmbeddedStore, Operation, RepairReport, StartRequest, StoreError, StoreOptions,
    conformance::{Driver, start_request},
    repair,
};
use std::{
    fs,
    ops::Range,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// How many commits were acknowledged before the last one.
const ACKNOWLEDGED: u128 = 5;

/// How many instances each commit starts: all are there, or none.
const STARTS: u128 = 3;

const SECTOR_BYTES: usize = 512;
const ZERO_TAIL_BYTES: usize = 64 * 1024;

/// The files of a store at one moment.
#[derive(Clone)]
struct Image {
    files: Vec<(PathBuf, Vec<u8>)>,
    /// The index of the journal in `files`.
    journal: usize,
    /// The index of the side file in `files`.
    side_file: usize,
}

impl Image {
    fn of(folder: &Path) -> Self {
        let mut files = Vec::new();
        collect(folder, folder, &mut files);
        let position = |name: &str| files.iter().position(|(path, _)| path.ends_with(name)).expect(name);
        let journal =
            files.iter().position(|(path, _)| path.extension().is_some_and(|e| e == "jnl")).unwrap();
        let side_file = position("acknowledged");
        Self { files, journal, side_file }
    }

    fn journal(&self) -> &[u8] {
        &self.files[self.journal].1
    }

    /// Where the journal's data ends.
    fn data_end(&self) -> usize {
        self.journal().iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
    }

    fn with_journal(&self, change: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut changed = self.clone();
        change(&mut changed.files[self.journal].1);
        changed
    }

    fn with_side_file_of(&self, other: &Self) -> Self {
        let mut changed = self.clone();
        changed.files[self.side_file] = other.files[other.side_file].clone();
        changed
    }

    fn write(&self) -> TempDir {
        let folder = scratch();
        for (path, content) in &self.files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        folder
    }
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, files);
        } else {
            files.push((path.strip_prefix(root).unwrap().to_owned(), fs::read(&path).unwrap()));
        }
    }
}

/// In memory where that is possible: hundreds of stores are opened here, and each syncs.
fn scratch() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn open(folder: &Path) -> Result<EmbeddedStore, StoreError> {
    EmbeddedStore::open(folder, StoreOptions::default())
}

fn name(commit: u128, start: u128) -> String {
    format!("job-{commit}-{start}")
}

fn commit(driver: &Driver<'_>, number: u128) {
    let start = |start| {
        let request = start_request(&name(number, start), number * STARTS + start);
        Operation::Start(StartRequest { input: Json::of(&"x".repeat(700)), ..request })
    };
    driver.commit((0..STARTS).map(start).collect());
}

/// The files before and after a last commit. The journal has no zeros at its end.
struct Crash {
    before: Image,
    after: Image,
}

impl Crash {
    fn new() -> Self {
        let folder = scratch();
        // fjall cuts the zeros off when it opens a journal again.
        drop(open(folder.path()).unwrap());
        let store = open(folder.path()).unwrap();
        let driver = Driver::new(&store);
        (1..=ACKNOWLEDGED).for_each(|number| commit(&driver, number));
        let before = Image::of(folder.path());
        commit(&driver, ACKNOWLEDGED + 1);
        Self { before, after: Image::of(folder.path()) }
    }

    fn last_batch(&self) -> Range<usize> {
        self.before.data_end()..self.after.data_end()
    }

    /// The last batch is in the journal, but was never acknowledged.
    fn unacknowledged(&self) -> Image {
        self.after.with_side_file_of(&self.before)
    }
}

/// What became of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// It opened, with the last commit or without it.
    Opened { last_commit: bool },
    /// It opened after a repair.
    Repaired,
    /// It does not open.
    Damaged,
}

/// Opens what is left of a store, and checks that everything that was acknowledged is there, if it opens.
fn end_of(image: &Image, acknowledged: u128) -> End {
    let folder = image.write();
    match open(folder.path()) {
        Ok(store) => End::Opened { last_commit: check(&store, acknowledged) },
        Err(StoreError::TornBatch { .. }) => {
            let report = repair(folder.path()).expect("what is torn can be repaired");
            let RepairReport::Removed { bytes, copy } = report else { panic!("{report:?}") };
            assert_eq!(fs::read(copy).unwrap().len(), bytes);
            assert!(!check(&open(folder.path()).expect("it is repaired"), acknowledged));
            End::Repaired
        }
        Err(StoreError::Damaged { .. }) => {
            let repaired = repair(folder.path());
            let again = open(folder.path());
            assert!(
                matches!(again, Err(StoreError::Damaged { .. })),
                "{repaired:?} does not hide damage: {again:?}"
            );
            End::Damaged
        }
        Err(other) => panic!("{other}"),
    }
}

/// Whether the last commit is there. All others must be, and the store must work.
fn check(store: &EmbeddedStore, acknowledged: u128) -> bool {
    let driver = Driver::new(store);
    let count =
        |number| (0..STARTS).filter(|start| driver.find(&name(number, *start)).is_some()).count() as u128;
    for number in 1..=acknowledged {
        assert_eq!(count(number), STARTS, "commit {number} was acknowledged");
    }
    let last = count(ACKNOWLEDGED + 1);
    assert!(last == 0 || last == STARTS, "{last} of {STARTS} starts of one commit");
    commit(&driver, ACKNOWLEDGED + 2);
    last == STARTS
}

fn zeroed(range: Range<usize>) -> impl Fn(&mut Vec<u8>) {
    move |journal| journal[range.clone()].fill(0)
}

/// Each sector of the file that has a part in the range, cut down to that part.
fn sectors(range: &Range<usize>) -> impl Iterator<Item = Range<usize>> + use<> {
    let (start, end) = (range.start, range.end);
    let first = start / SECTOR_BYTES * SECTOR_BYTES;
    (first..end).step_by(SECTOR_BYTES).map(move |at| at.max(start)..(at + SECTOR_BYTES).min(end))
}

#[test]
fn sector_of_an_unacknowledged_batch_that_was_not_written_costs_nothing() {
    let crash = Crash::new();
    let mut ends = Vec::new();
    for sector in sectors(&crash.last_batch()) {
        for zero_tail in [0, ZERO_TAIL_BYTES] {
            let image = crash.unacknowledged().with_journal(zeroed(sector.clone()));
            let image = image.with_journal(|journal| journal.resize(journal.len() + zero_tail, 0));
            ends.push(end_of(&image, ACKNOWLEDGED));
        }
    }
    assert!(ends.len() > 4);
    assert!(
        ends.iter().all(|end| matches!(end, End::Repaired | End::Opened { last_commit: false })),
        "{ends:?}"
    );
    assert!(ends.contains(&End::Repaired));
}

#[test]
fn unacknowledged_batch_that_was_cut_off_anywhere_costs_nothing() {
    let crash = Crash::new();
    let batch = crash.last_batch();
    let near_the_ends = (batch.start..batch.start + 60).chain(batch.end - 30..batch.end);
    for length in near_the_ends.chain(batch.clone().step_by(97)) {
        for zero_tail in [0, ZERO_TAIL_BYTES] {
            let image = crash.unacknowledged().with_journal(|journal| {
                journal.truncate(length);
                journal.resize(length + zero_tail, 0);
            });
            let end = end_of(&image, ACKNOWLEDGED);
            assert_eq!(end, End::Opened { last_commit: false }, "cut off at {length} of {batch:?}");
        }
    }
    let whole = end_of(&crash.unacknowledged(), ACKNOWLEDGED);
    assert_eq!(whole, End::Opened { last_commit: true });
}

#[test]
fn acknowledged_batch_that_is_damaged_is_never_missed() {
    let crash = Crash::new();
    let batch = crash.last_batch();
    for sector in sectors(&batch) {
        let image = crash.after.with_journal(zeroed(sector.clone()));
        assert_eq!(end_of(&image, ACKNOWLEDGED + 1), End::Damaged, "sector {sector:?} of {batch:?}");
    }
    for length in (0..batch.end).step_by(101) {
        let image = crash.after.with_journal(|journal| journal.truncate(length));
        assert_eq!(end_of(&image, ACKNOWLEDGED + 1), End::Damaged, "cut off at {length}");
    }
}

#[test]
fn damage_before_the_last_batch_is_never_missed_even_if_the_side_file_is_old() {
    let crash = Crash::new();
    let old = Image::of(open_once().path());
    let image = crash.after.with_side_file_of(&old);
    let mut damaged = 0;
    for at in (0..crash.last_batch().start).step_by(13) {
        for bit in [0x01, 0x80] {
            let end = end_of(&image.with_journal(|journal| journal[at] ^= bit), ACKNOWLEDGED + 1);
            assert!(
                matches!(end, End::Damaged | End::Opened { last_commit: true }),
                "{end:?} with {bit} at {at}"
            );
            damaged += usize::from(end == End::Damaged);
        }
    }
    assert!(damaged > 100, "{damaged}");
    for sector in sectors(&(0..crash.last_batch().start)) {
        let end = end_of(&image.with_journal(zeroed(sector.clone())), ACKNOWLEDGED + 1);
        assert_eq!(end, End::Damaged, "sector {sector:?}");
    }
}

/// The folder of a store that was opened for the first time.
fn open_once() -> TempDir {
    let folder = scratch();
    drop(open(folder.path()).unwrap());
    folder
}

#[test]
fn second_open_is_refused_until_the_first_is_closed() {
    let folder = scratch();
    let store = open(folder.path()).unwrap();
    assert!(matches!(open(folder.path()), Err(StoreError::Locked { .. })));
    assert!(matches!(repair(folder.path()), Err(StoreError::Locked { .. })));
    store.close().unwrap();
    assert!(open(folder.path()).is_ok());
}

#[test]
fn store_of_another_format_is_refused() {
    let folder = open_once();
    fs::write(folder.path().join("store/format"), "durance-store 99\n").unwrap();
    match open(folder.path()) {
        Err(StoreError::UnsupportedFormat { found, supported: 3, .. }) => assert_eq!(found, "99"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn store_whose_files_are_missing_is_refused() {
    for name in ["store/format", "store/acknowledged"] {
        let folder = open_once();
        fs::remove_file(folder.path().join(name)).unwrap();
        assert!(matches!(open(folder.path()), Err(StoreError::Damaged { .. })), "{name}");
    }
    let folder = open_once();
    fs::write(folder.path().join("store/acknowledged"), "").unwrap();
    assert!(matches!(open(folder.path()), Err(StoreError::Damaged { .. })));
    let folder = open_once();
    fs::remove_dir_all(folder.path().join("store/fjall")).unwrap();
    assert!(matches!(open(folder.path()), Err(StoreError::Damaged { .. })));
}

#[test]
fn crash_before_the_format_is_written_leaves_no_store() {
    let folder = scratch();
    let store = folder.path().join("store");
    fs::create_dir_all(&store).unwrap();
    fs::write(store.join("format.new"), "dura").unwrap();
    fs::write(store.join("acknowledged"), "half").unwrap();
    assert!(open(folder.path()).is_ok());
}

#[test]
fn repair_of_a_sound_store_does_nothing() {
    let folder = open_once();
    assert_eq!(repair(folder.path()).unwrap(), RepairReport::NothingToDo);
    assert!(matches!(repair(scratch().path()), Err(StoreError::NoStore { .. })), "there is no store");
}

#[test]
fn journal_whose_batches_are_in_tables_is_shortened_at_the_next_start() {
    let folder = scratch();
    let store = open(folder.path()).unwrap();
    let driver = Driver::new(&store);
    let tables = folder.path().join("store/fjall/keyspaces/1/tables");
    let has_table = || fs::read_dir(&tables).is_ok_and(|mut tables| tables.next().is_some());
    let mut started = 0;
    while !has_table() {
        let start = |number| {
            let request = start_request(&format!("job-{number}"), number);
            Operation::Start(StartRequest { input: Json::of(&"x".repeat(10_000)), ..request })
        };
        driver.commit((started..started + 50).map(start).collect());
        started += 50;
        assert!(started < 100_000, "a table is written when a memtable is full");
    }
    let crash = Image::of(folder.path());
    let folder = crash.write();
    let journal = folder.path().join(&crash.files[crash.journal].0);
    let length = || fs::metadata(&journal).unwrap().len();
    let whole_length = length();
    // Opening notes what is in tables by then, and the next opening drops it.
    let opened = (0..10).find(|_| open(folder.path()).is_ok() && length() < whole_length / 2);
    assert!(opened.is_some(), "{} of {whole_length} bytes are left", length());
    assert!(!journal.with_extension("whole").exists());
    let store = open(folder.path()).unwrap();
    let driver = Driver::new(&store);
    let missing = (0..started).find(|number| driver.find(&format!("job-{number}")).is_none());
    assert_eq!(missing, None);
}
