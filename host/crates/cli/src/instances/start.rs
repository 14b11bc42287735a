//! `durance instances start`.

use super::Instances;
use crate::{
    CommandError, Exit,
    args::{parse_pair, read_json, read_optional_json},
    client::{Request, segment},
};
use clap::{Args, ValueEnum};
use http::Method;
use serde::Deserialize;

/// Arguments of `durance instances start`.
#[derive(Debug, Args)]
pub(super) struct StartArgs {
    /// The orchestrator.
    #[arg(value_name = "ORCHESTRATOR")]
    pub(super) name: String,

    /// The instance ID [default: a random one]
    #[arg(long)]
    pub(super) id: Option<String>,

    /// The input: JSON, @file, or - for standard input [default: null]
    #[arg(long, short, value_name = "JSON")]
    pub(super) input: Option<String>,

    /// What an existing instance of the ID means [default: replace-finished]
    #[arg(long, value_name = "POLICY", value_enum, requires = "id")]
    if_exists: Option<IfExists>,

    /// A tag; may be given more than once
    #[arg(long = "tag", value_name = "NAME=VALUE", value_parser = parse_pair)]
    tags: Vec<(String, String)>,

    /// The version that the run is given
    #[arg(long)]
    version: Option<String>,

    /// How long the finished run is kept
    #[arg(long, value_name = "SECONDS")]
    retention: Option<u64>,

    /// A start that is repeated with the same key within 24 hours has the first one's outcome
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,

    /// An event to send to the instance, whether it is started now or lives already
    #[arg(long, value_name = "NAME", requires = "id", conflicts_with = "if_exists")]
    raise: Option<String>,

    /// The event's data: JSON, @file, or - for standard input [default: null]
    #[arg(long, value_name = "JSON", requires = "raise")]
    data: Option<String>,

    /// Wait for the end, at most so many seconds if a number is given, and print the output
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "inf", require_equals = true)]
    wait: Option<f64>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum IfExists {
    /// Refuse beside any.
    Reject,
    /// Refuse beside a live one, replace a finished one.
    ReplaceFinished,
    /// Take any for the answer.
    UseExisting,
    /// Take a live one for the answer, replace a finished one.
    UseExistingIfLive,
    /// Terminate a live one and start.
    TerminateAndReplace,
}

/// What a start answers, as far as it is read here.
#[derive(Debug, Deserialize)]
pub(super) struct Started {
    pub(super) id: String,
}

impl Instances {
    pub(super) fn start(&self, args: &StartArgs) -> Result<Exit, CommandError> {
        let answer = self.client.call(start_request(args)?)?;
        let started: Started = self.client.read(&answer)?;
        match args.wait {
            None => self.output.either(&answer.body, || {
                format!("Instance '{}' of {} is accepted.", started.id, args.name)
            })?,
            Some(seconds) => {
                return self.wait(&started.id, Some(seconds).filter(|seconds| seconds.is_finite()));
            }
        }
        Ok(Exit::Done)
    }
}

fn start_request(args: &StartArgs) -> Result<Request, CommandError> {
    let input = read_optional_json(args.input.as_deref())?.unwrap_or_default();
    let id = args.id.as_deref().map(|id| format!("/{}", segment(id))).unwrap_or_default();
    let base = format!("/orchestrators/{}{id}", segment(&args.name));
    let (path, body) = match &args.raise {
        None => (base, input),
        Some(event) => (format!("{base}/raiseEvent/{}", segment(event)), start_and_raise(&input, args)?),
    };
    let policy = args.if_exists.and_then(|policy| policy.to_possible_value());
    let mut request = Request::management(Method::POST, &path)
        .optional("ifExists", policy.as_ref().map(|value| value.get_name()))
        .optional("version", args.version.as_ref())
        .optional("retentionSeconds", args.retention.map(|seconds| seconds.to_string()));
    for (name, value) in &args.tags {
        request = request.query("tag", &format!("{name}:{value}"));
    }
    if let Some(key) = &args.idempotency_key {
        request = request.header("idempotency-key", key)?;
    }
    Ok(request.body(body))
}

/// The body of a start that also sends an event.
fn start_and_raise(input: &str, args: &StartArgs) -> Result<String, CommandError> {
    let data = args.data.as_deref().map_or(Ok("null".to_owned()), read_json)?;
    let input = if input.is_empty() { "null" } else { input };
    Ok(format!(r#"{{"input":{input},"eventData":{data}}}"#))
}
