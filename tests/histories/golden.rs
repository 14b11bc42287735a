//! Histories in files.

use durance_durable::ExecutionHistory;
use durance_tests::repository;
use std::{fs, path::PathBuf};

fn folder() -> PathBuf {
    repository().join("tests/histories")
}

/// A golden history.
pub fn read(file: &str) -> ExecutionHistory {
    let text = fs::read_to_string(folder().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    ExecutionHistory::from_json_lines(&text).unwrap_or_else(|error| panic!("{file}: {error}"))
}

pub fn write(file: &str, history: &ExecutionHistory) {
    fs::write(folder().join(file), history.to_json_lines()).expect("the repository can be written to");
}

/// Every golden history with the name of its file.
pub fn all() -> Vec<(String, ExecutionHistory)> {
    let entries = fs::read_dir(folder()).expect("it is a folder").flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut files: Vec<_> = names.filter(|name| name.ends_with(".jsonl")).collect();
    files.sort();
    files.into_iter().map(|file| (file.clone(), read(&file))).collect()
}
