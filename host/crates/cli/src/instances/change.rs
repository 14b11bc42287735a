//! Commands that change one instance.

use super::{Instances, on, start::Started};
use crate::{CommandError, args::read_optional_json, client::segment};
use clap::Args;
use http::Method;

/// Arguments of `durance instances raise`.
#[derive(Debug, Args)]
pub(super) struct RaiseArgs {
    /// The instance.
    id: String,

    /// The event's name.
    event: String,

    /// The event's data: JSON, @file, or - for standard input [default: null]
    #[arg(long, short, value_name = "JSON")]
    data: Option<String>,

    /// An event that is sent again with the same key within 24 hours is the same one
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
}

/// Arguments of the commands that take a reason.
#[derive(Debug, Args)]
pub(super) struct ReasonArgs {
    /// The instance.
    id: String,

    /// For the history
    #[arg(long)]
    reason: Option<String>,
}

/// Arguments of `durance instances terminate`.
#[derive(Debug, Args)]
pub(super) struct TerminateArgs {
    /// The instance.
    id: String,

    /// For the history, and the output of the instance
    #[arg(long)]
    reason: Option<String>,

    /// Its sub-orchestrations too
    #[arg(long)]
    recursive: bool,
}

/// Arguments of `durance instances restart`.
#[derive(Debug, Args)]
pub(super) struct RestartArgs {
    /// The instance.
    id: String,

    /// Under its own ID, if it is over [default: under a random one]
    #[arg(long)]
    same_id: bool,
}

impl Instances {
    pub(super) fn raise(&self, args: &RaiseArgs) -> Result<(), CommandError> {
        let path = format!("/raiseEvent/{}", segment(&args.event));
        let data = read_optional_json(args.data.as_deref())?.unwrap_or_default();
        let mut request = on(Method::POST, &args.id, &path).body(data);
        if let Some(key) = &args.idempotency_key {
            request = request.header("idempotency-key", key)?;
        }
        let answer = self.client.call(request)?;
        self.output.done(&answer.body, &format!("Event '{}' is sent to '{}'.", args.event, args.id))
    }

    pub(super) fn terminate(&self, args: &TerminateArgs) -> Result<(), CommandError> {
        let request = on(Method::POST, &args.id, "/terminate").optional("reason", args.reason.as_ref());
        let answer = self.client.call(request.flag("recursive", args.recursive))?;
        self.output.done(&answer.body, &format!("Instance '{}' is told to end.", args.id))
    }

    /// An operation that takes a reason only.
    pub(super) fn change(&self, operation: &str, args: &ReasonArgs, done: &str) -> Result<(), CommandError> {
        let request = on(Method::POST, &args.id, &format!("/{operation}"));
        let answer = self.client.call(request.optional("reason", args.reason.as_ref()))?;
        self.output.done(&answer.body, &format!("Instance '{}' {done}.", args.id))
    }

    pub(super) fn restart(&self, args: &RestartArgs) -> Result<(), CommandError> {
        let request = on(Method::POST, &args.id, "/restart");
        let request = request.optional("restartWithNewInstanceId", args.same_id.then_some("false"));
        let answer = self.client.call(request)?;
        let started: Started = self.client.read(&answer)?;
        self.output
            .either(&answer.body, || format!("Instance '{}' is started again as '{}'.", args.id, started.id))
    }
}
