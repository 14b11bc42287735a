//! `durance instances show` and `history`.

use super::{Instances, on, status::InstanceStatus};
use crate::{
    CommandError,
    output::{cell, print, table},
};
use clap::Args;
use http::Method;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

/// Arguments of `durance instances show`.
#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// The instance.
    id: String,

    /// An earlier execution that is still kept
    #[arg(long, value_name = "EXECUTION ID")]
    execution: Option<String>,
}

/// Arguments of `durance instances history`.
#[derive(Debug, Args)]
pub(super) struct HistoryArgs {
    /// The instance.
    id: String,

    /// An earlier execution that is still kept
    #[arg(long, value_name = "EXECUTION ID")]
    execution: Option<String>,

    /// Print it as JSON lines, for `durance replay`
    #[arg(long, conflicts_with = "json")]
    export: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WithHistory<'a> {
    #[serde(borrow)]
    history_events: &'a RawValue,
}

impl Instances {
    pub(super) fn show(&self, args: &ShowArgs) -> Result<(), CommandError> {
        let request = on(Method::GET, &args.id, "").optional("executionId", args.execution.as_ref());
        let answer = self.client.call(request)?;
        let status: InstanceStatus = self.client.read(&answer)?;
        self.output.either(&answer.body, || status.details())
    }

    pub(super) fn history(&self, args: &HistoryArgs) -> Result<(), CommandError> {
        if args.export {
            let request = on(Method::GET, &args.id, "/history");
            let answer = self.client.call(request.optional("executionId", args.execution.as_ref()))?;
            return print(&answer.body);
        }
        let request =
            on(Method::GET, &args.id, "").query("showHistory", "true").flag("showHistoryOutput", true);
        let answer = self.client.call(request.optional("executionId", args.execution.as_ref()))?;
        let events = self.client.parse::<WithHistory<'_>>(&answer.body)?.history_events.get();
        let shown: Vec<Value> = self.client.parse(events)?;
        let rows = shown.iter().map(row);
        self.output.either(events, || table(["TIME", "EVENT", "NAME", "VALUE"], rows))
    }
}

/// The fields of the model's events that say most.
fn row(event: &Value) -> [String; 4] {
    let first = |names: &[&str]| cell(names.iter().find_map(|name| event.get(name)));
    [
        first(&["Timestamp"]),
        first(&["EventType"]),
        first(&["FunctionName", "Name", "OrchestrationStatus", "FireAt"]),
        first(&["Reason", "Result", "Input"]),
    ]
}
