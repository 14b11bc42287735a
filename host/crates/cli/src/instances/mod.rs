//! `durance instances`: orchestrations from the command line.

mod change;
mod list;
mod purge;
mod show;
mod start;
mod status;
mod wait;

use crate::{
    CommandError, Exit, HostArgs, HostClient, Output,
    client::{Request, segment},
};
use clap::{Args, Subcommand};
use http::Method;

/// Arguments of `durance instances`.
#[derive(Debug, Args)]
pub struct InstancesArgs {
    #[command(flatten)]
    host: HostArgs,
    #[command(subcommand)]
    command: InstancesCommand,
}

#[derive(Debug, Subcommand)]
enum InstancesCommand {
    /// Start an orchestration.
    Start(start::StartArgs),
    /// List instances.
    #[command(visible_alias = "ls")]
    List(list::ListArgs),
    /// Show how many instances have each status.
    Counts,
    /// Show one instance: its status, input and output.
    Show(show::ShowArgs),
    /// Show what an instance has done, or export it for `durance replay`.
    History(show::HistoryArgs),
    /// Send an event to a live instance.
    Raise(change::RaiseArgs),
    /// End a live instance; its activities are not waited for.
    Terminate(change::TerminateArgs),
    /// Hold a live instance.
    Suspend(change::ReasonArgs),
    /// Let a suspended instance go on.
    Resume(change::ReasonArgs),
    /// Let a failed instance go on from where it failed.
    Rewind(change::ReasonArgs),
    /// Start an instance's orchestrator again, with the same input.
    Restart(change::RestartArgs),
    /// Delete finished instances, with their histories.
    Purge(purge::PurgeArgs),
    /// Wait for the end of an instance and print its output.
    Wait(wait::WaitArgs),
    /// Print each change of an instance's status until it is over.
    Watch(wait::WatchArgs),
}

/// Speaks to the host about instances.
struct Instances {
    client: HostClient,
    output: Output,
}

pub(crate) fn run(args: InstancesArgs) -> Result<Exit, CommandError> {
    let instances = Instances { client: args.host.client()?, output: Output { json: args.host.json } };
    let done = match args.command {
        InstancesCommand::Start(args) => return instances.start(&args),
        InstancesCommand::Wait(args) => return instances.wait(&args.id, args.timeout),
        InstancesCommand::List(args) => instances.list(&args),
        InstancesCommand::Counts => instances.counts(),
        InstancesCommand::Show(args) => instances.show(&args),
        InstancesCommand::History(args) => instances.history(&args),
        InstancesCommand::Raise(args) => instances.raise(&args),
        InstancesCommand::Terminate(args) => instances.terminate(&args),
        InstancesCommand::Suspend(args) => instances.change("suspend", &args, "is told to hold"),
        InstancesCommand::Resume(args) => instances.change("resume", &args, "goes on"),
        InstancesCommand::Rewind(args) => instances.change("rewind", &args, "goes on from where it failed"),
        InstancesCommand::Restart(args) => instances.restart(&args),
        InstancesCommand::Purge(args) => instances.purge(&args),
        InstancesCommand::Watch(args) => instances.watch(&args),
    };
    done.map(|()| Exit::Done)
}

/// A request about one instance; `rest` comes after its id.
fn on(method: Method, id: &str, rest: &str) -> Request {
    Request::management(method, &format!("/instances/{}{rest}", segment(id)))
}
