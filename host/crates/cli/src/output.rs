//! What commands print: tables for people, JSON for programs.

use crate::CommandError;
use comfy_table::{ContentArrangement, Table, presets};
use std::io::{self, Write as _};

/// The longest JSON value in a cell of a table. Unit: characters.
const CELL_CHARS_MAX: usize = 60;

/// Where results go.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    /// For programs: the host's JSON and nothing else.
    pub json: bool,
}

impl Output {
    /// Prints the JSON for programs, otherwise what `text` makes.
    ///
    /// # Errors
    /// Standard output cannot be written to.
    pub fn either(self, json: &str, text: impl FnOnce() -> String) -> Result<(), CommandError> {
        if self.json { print(json) } else { print(&text()) }
    }

    /// Prints that something was done: for people only, unless the host answered something.
    pub(crate) fn done(self, answer: &str, text: &str) -> Result<(), CommandError> {
        match (self.json, answer.is_empty()) {
            (true, true) => Ok(()),
            (true, false) => print(answer),
            (false, _) => print(text),
        }
    }
}

/// Prints one line, or several.
///
/// # Errors
/// Standard output is closed.
pub fn print(text: &str) -> Result<(), CommandError> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush()).map_err(CommandError::Output)
}

/// A table without lines. On a terminal it takes its width, elsewhere as much as it needs.
pub(crate) fn table<const N: usize>(
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = plain();
    table.set_header(header).add_rows(rows);
    trimmed(&table)
}

/// Names with their values, one a line.
pub(crate) fn properties<'p>(rows: impl IntoIterator<Item = (&'p str, Option<String>)>) -> String {
    let mut table = plain();
    for (name, value) in rows {
        if let Some(value) = value {
            table.add_row([name.to_owned(), value]);
        }
    }
    trimmed(&table)
}

fn plain() -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    if let Some((_, columns)) = console::Term::stdout().size_checked() {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(columns);
    }
    table
}

/// Without the blanks that fill lines up.
fn trimmed(table: &Table) -> String {
    let lines: Vec<_> =
        table.lines().map(|line| line.strip_prefix(' ').unwrap_or(&line).trim_end().to_owned()).collect();
    lines.join("\n")
}

/// A JSON value in a cell; `null` is nothing, and a long one is cut off.
pub(crate) fn cell(json: Option<&serde_json::Value>) -> String {
    let text = match json {
        None | Some(serde_json::Value::Null) => return String::new(),
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    };
    let text = text.replace(['\n', '\r'], " ");
    match text.char_indices().nth(CELL_CHARS_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// A JSON value in full; `null` is nothing.
pub(crate) fn pretty(json: &serde_json::Value) -> Option<String> {
    match json {
        serde_json::Value::Null => None,
        serde_json::Value::String(text) => Some(text.clone()),
        value => serde_json::to_string_pretty(value).ok(),
    }
}

/// The JSON texts as one array.
pub(crate) fn json_array(items: &[Box<serde_json::value::RawValue>]) -> String {
    let items: Vec<_> = items.iter().map(|item| item.get()).collect();
    format!("[{}]", items.join(","))
}
