//! Every function has a test.

use crate::{assert_none, sources};
use std::collections::BTreeSet;

/// The names of the functions that a file defines.
fn defined_in(text: &str) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    for line in text.lines().map(str::trim) {
        let literals = || line.split('"').skip(1).step_by(2);
        if line.starts_with("in_every_role!(") || is_item_of_list(line) {
            names.extend(literals());
        } else if let Some((_, rest)) = line.split_once("name = \"") {
            names.extend(rest.split('"').next());
        }
    }
    names.retain(|name| name.starts_with(|first: char| first.is_ascii_uppercase()));
    names
}

/// A guest without the SDK lists its functions, one a line.
fn is_item_of_list(line: &str) -> bool {
    line.starts_with('"') && line.ends_with("\",")
}

/// Whether the name stands in the text as a whole word.
fn names(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(start, _)| {
        let (before, after) = (&text[..start], &text[start + name.len()..]);
        !before.ends_with(char::is_alphanumeric) && !after.starts_with(char::is_alphanumeric)
    })
}

#[test]
fn every_function_is_named_by_a_test() {
    let sources = sources();
    let is_test = |path: &str| path.starts_with("tests/scenarios/") || path.starts_with("tests/histories/");
    let tests: Vec<_> = sources.iter().filter(|source| is_test(&source.path)).collect();
    let is_guest = |path: &str| path.starts_with("functions/") || path.starts_with("tests/guests/");
    let mut offences = Vec::new();
    let mut known = 0;
    for source in sources.iter().filter(|source| source.is_rust() && is_guest(&source.path)) {
        for name in defined_in(&source.text) {
            known += 1;
            if !tests.iter().any(|test| names(&test.text, name)) {
                offences.push(format!("{}: {name}", source.path));
            }
        }
    }
    assert!(known > 50, "only {known} functions were found");
    assert_none("no test names these functions", &offences);
}
