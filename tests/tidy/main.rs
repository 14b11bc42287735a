//! Rules of the repository that no compiler checks.

mod functions;
mod layers;
mod sources;

use sources::{Source, sources};

const LINES_MAX: usize = 600;

/// Fails with every offence at once.
#[track_caller]
fn assert_none(rule: &str, offences: &[String]) {
    assert!(offences.is_empty(), "{rule}:\n{}", offences.join("\n"));
}

/// Every line of Rust for which `is_wrong` holds, with its place.
fn rust_lines(is_wrong: impl Fn(&str) -> bool) -> Vec<String> {
    let of_file = |source: &Source| source.lines_where(&is_wrong);
    sources().iter().filter(|source| source.is_rust()).flat_map(of_file).collect()
}

#[test]
fn no_file_is_longer_than_600_lines() {
    let mut offences = Vec::new();
    for source in sources().iter().filter(|source| source.is_rust()) {
        let lines = source.text.lines().count();
        if lines > LINES_MAX {
            offences.push(format!("{}: {lines} lines", source.path));
        }
    }
    assert_none("split these files", &offences);
}

#[test]
fn no_test_is_called_test() {
    let prefix = concat!("fn ", "test_");
    assert_none("name tests by what they show", &rust_lines(|line| line.contains(prefix)));
}

#[test]
fn no_test_is_skipped() {
    let attribute = concat!("#[", "ignore");
    assert_none("mend or delete these tests", &rust_lines(|line| line.trim_start().starts_with(attribute)));
}

#[test]
fn nothing_is_left_undone() {
    let marks =
        [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("to", "do!("), concat!("unimplemented", "!(")];
    let offences = rust_lines(|line| marks.iter().any(|mark| line.contains(mark)));
    assert_none("do these or say nothing of them", &offences);
}

#[test]
fn lints_are_expected_with_a_reason_and_never_allowed() {
    let attributes = [concat!("#[", "allow("), concat!("#![", "allow(")];
    let offences = rust_lines(|line| attributes.iter().any(|attribute| line.contains(attribute)));
    assert_none("use #[expect(lint, reason = \"...\")]", &offences);
}

#[test]
fn nothing_names_the_machine_it_was_written_on() {
    let folders = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];
    // Not below another folder: `$work/root/usr`.
    let begins_path = |line: &str, at: usize| !line[..at].ends_with(char::is_alphanumeric);
    let names_machine = |line: &str| {
        folders.iter().any(|folder| line.match_indices(folder).any(|(at, _)| begins_path(line, at)))
    };
    let offences: Vec<_> = sources().iter().flat_map(|source| source.lines_where(names_machine)).collect();
    assert_none("these paths exist on one machine only", &offences);
}
