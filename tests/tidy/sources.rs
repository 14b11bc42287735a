//! The text files of the repository.

use durance_tests::repository;
use std::{fs, path::Path};

const EXTENSIONS: [&str; 8] = ["rs", "toml", "md", "wit", "yml", "yaml", "json", "jsonl"];
const NAMES: [&str; 3] = ["Makefile", "run", "wasm-target"];

/// A text file.
pub struct Source {
    /// Relative to the repository.
    pub path: String,
    pub text: String,
}

impl Source {
    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// `path:line: text` of every line for which this holds.
    pub fn lines_where(&self, holds: impl Fn(&str) -> bool) -> Vec<String> {
        let lines = self.text.lines().enumerate().filter(|(_, line)| holds(line));
        lines.map(|(index, line)| format!("{}:{}: {}", self.path, index + 1, line.trim())).collect()
    }
}

/// Every text file that people wrote.
pub fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    collect(repository(), &mut found);
    assert!(found.len() > 100, "only {} files were found", found.len());
    found
}

fn collect(folder: &Path, found: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).expect("a folder of the repository can be read").flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() {
            // What is built, what a host keeps, what git keeps.
            if !["target", ".durance", ".git", "node_modules"].contains(&name.as_str()) {
                collect(&path, found);
            }
        } else if is_text(&path, &name) {
            let relative = path.strip_prefix(repository()).expect("it is in there").display().to_string();
            let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{relative}: {error}"));
            found.push(Source { path: relative, text });
        }
    }
}

fn is_text(path: &Path, name: &str) -> bool {
    let extension = path.extension().map(|extension| extension.to_string_lossy().into_owned());
    extension.is_some_and(|extension| EXTENSIONS.contains(&extension.as_str())) || NAMES.contains(&name)
}
