//! The commands as people type them, and what they answer: the transcripts in `tests/command_line`.
//!
//! A command stands behind `$`, its exit status behind `?` if it is not 0, then what it says. `[..]` stands for anything
//! within a line, `...` for any lines.

use durance_tests::{components_in, program, repository, samples};
use snapbox::{Assert, IntoData as _, cmd::Command};
use std::{collections::BTreeSet, fs};

/// One command of a transcript.
#[derive(Debug, Default)]
struct Step {
    command: String,
    code: i32,
    said: String,
}

fn steps(transcript: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in transcript.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            steps.push(Step { command: command.to_owned(), ..Step::default() });
        } else if let Some(step) = steps.last_mut() {
            match line.strip_prefix("? ") {
                Some(code) => step.code = code.parse().expect("an exit status"),
                None => step.said.extend([line, "\n"]),
            }
        }
    }
    steps
}

/// The words of a command line: parted by blanks, but for those in single quotes.
fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, part) in command.split('\'').enumerate() {
        if index % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

/// Runs each command and compares; every difference is shown.
fn play(name: &str, url: &str) -> Vec<String> {
    let file = repository().join("tests/command_line").join(name);
    let transcript = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let mut differences = Vec::new();
    for step in steps(&transcript) {
        let words = words(&step.command);
        assert_eq!(words[0], "durance", "{name}");
        let command =
            Command::new(program()).args(&words[1..]).env("DURANCE_TO", url).env_remove("DURANCE_KEY");
        let output = command.stderr_to_stdout().output().expect("the program can be started");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let (actual, expected) = (said.trim_end().into_data(), step.said.trim_end().into_data());
        let compared = Assert::new().try_eq(Some(&step.command), actual, expected);
        if let Err(difference) = compared {
            differences.push(format!("{name}: {difference}"));
        }
        if output.status.code() != Some(step.code) {
            differences
                .push(format!("{name}: '{}' ended with {}, not {}", step.command, output.status, step.code));
        }
    }
    differences
}

#[test]
fn transcripts_are_what_the_commands_answer() {
    let host = samples();
    let folder = fs::read_dir(repository().join("tests/command_line")).expect("there are transcripts");
    let names: BTreeSet<_> =
        folder.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    let differences: Vec<_> = names.iter().flat_map(|name| play(name, host.url())).collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn exported_history_is_what_replay_takes() {
    let host = samples();
    let durance = |arguments: &[&str]| {
        let command = Command::new(program()).args(arguments).env("DURANCE_TO", host.url());
        command.assert().success().get_output().stdout.clone()
    };
    let _output = durance(&["instances", "start", "HelloSequence", "--id", "cli-exported", "--wait"]);
    let history = durance(&["instances", "history", "cli-exported", "--export"]);
    let module = components_in("functions").join("hello_sequence.wasm");
    let replay = Command::new(program()).args(["replay", "-", "--module"]).arg(module);
    replay.stdin(history).assert().success();
}

#[test]
fn completions_name_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let assert = Command::new(program()).args(["completions", shell]).assert().success();
        let script = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
        for word in ["instances", "terminate", "if-exists", "use-existing-if-live"] {
            assert!(script.contains(word), "{word} is not in the completions for {shell}");
        }
    }
}

#[test]
fn key_is_sent_and_never_shown() {
    let loopback = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", loopback.local_addr().expect("it has an address"));
    let server = std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        let (mut stream, _) = loopback.accept().expect("a connection");
        let mut request = Vec::new();
        let mut part = [0; 1024];
        while !request.windows(4).any(|end| end == b"\r\n\r\n") {
            let read = stream.read(&mut part).expect("a request");
            request.extend_from_slice(&part[..read]);
        }
        stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").expect("an answer");
        String::from_utf8_lossy(&request).into_owned()
    });
    let arguments = ["instances", "show", "x", "--to", &url];
    let command = Command::new(program()).args(arguments).env("DURANCE_KEY", "secret-of-the-test");
    let output = command.stderr_to_stdout().output().expect("the program can be started");
    assert!(server.join().expect("the server ends").contains("x-functions-key: secret-of-the-test"));
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("does not answer as a Durance host does") && !said.contains("secret"), "{said}");
    let help = Command::new(program()).args(["instances", "--help"]).env("DURANCE_KEY", "secret-of-the-test");
    let help = help.assert().success().get_output().stdout.clone();
    assert!(!String::from_utf8_lossy(&help).contains("secret-of-the-test"));
}
