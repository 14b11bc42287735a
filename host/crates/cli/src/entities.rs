//! `durance entities`: durable entities from the command line.

use crate::{
    CommandError, Exit, HostArgs, HostClient, Output,
    args::read_optional_json,
    client::{Request, segment},
    output::{cell, json_array, print, table},
};
use clap::{Args, Subcommand};
use http::Method;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

/// How a path names the empty key.
const EMPTY_KEY: &str = "$";

/// Arguments of `durance entities`.
#[derive(Debug, Args)]
pub struct EntitiesArgs {
    #[command(flatten)]
    host: HostArgs,
    #[command(subcommand)]
    command: EntitiesCommand,
}

#[derive(Debug, Subcommand)]
enum EntitiesCommand {
    /// List entities.
    #[command(visible_alias = "ls")]
    List(ListArgs),
    /// Print the state of an entity, as JSON.
    Show(EntityArgs),
    /// Let an entity do something, without waiting for it.
    Signal(SignalArgs),
    /// Delete the state of an entity, after what it was told before.
    #[command(visible_alias = "clean")]
    Delete(EntityArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Only those of this name.
    name: Option<String>,

    /// Show their states
    #[arg(long)]
    state: bool,

    /// Last used at or after
    #[arg(long, value_name = "TIME")]
    used_from: Option<String>,

    /// Last used at or before
    #[arg(long, value_name = "TIME")]
    used_to: Option<String>,

    /// At most so many
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    top: usize,
}

#[derive(Debug, Args)]
struct EntityArgs {
    /// The entity's name: its kind.
    name: String,

    /// Its key: which one.
    // Another argument, of all commands, is called `key`.
    #[arg(id = "entity_key", value_name = "KEY")]
    key: String,
}

#[derive(Debug, Args)]
struct SignalArgs {
    #[command(flatten)]
    entity: EntityArgs,

    /// What it is to do.
    operation: String,

    /// The operation's input: JSON, @file, or - for standard input [default: null]
    #[arg(long, short, value_name = "JSON")]
    input: Option<String>,

    /// Not before this time
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EntityRow {
    entity_id: EntityId,
    last_operation_time: String,
    #[serde(default)]
    state: Value,
}

#[derive(Deserialize)]
struct EntityId {
    name: String,
    key: String,
}

/// Speaks to the host about entities.
struct Entities {
    client: HostClient,
    output: Output,
}

pub(crate) fn run(args: EntitiesArgs) -> Result<Exit, CommandError> {
    let entities = Entities { client: args.host.client()?, output: Output { json: args.host.json } };
    let done = match args.command {
        EntitiesCommand::List(args) => entities.list(&args),
        EntitiesCommand::Show(entity) => entities.show(&entity),
        EntitiesCommand::Signal(args) => entities.signal(&args),
        EntitiesCommand::Delete(entity) => entities.delete(&entity),
    };
    done.map(|()| Exit::Done)
}

impl Entities {
    fn list(&self, args: &ListArgs) -> Result<(), CommandError> {
        let name = args.name.as_deref().map(|name| format!("/{}", segment(name))).unwrap_or_default();
        let request = Request::management(Method::GET, &format!("/entities{name}"))
            .flag("fetchState", args.state)
            .optional("lastOperationTimeFrom", args.used_from.as_ref())
            .optional("lastOperationTimeTo", args.used_to.as_ref())
            .query("top", &args.top.clamp(1, 1_000).to_string());
        let found: Vec<Box<RawValue>> = self.client.list(&request, Some(args.top))?;
        if self.output.json {
            return print(&json_array(&found));
        }
        let mut rows = Vec::new();
        for entity in &found {
            let EntityRow { entity_id, last_operation_time, state } = self.client.parse(entity.get())?;
            rows.push([entity_id.name, entity_id.key, last_operation_time, cell(Some(&state))]);
        }
        print(&table(["NAME", "KEY", "LAST USED", "STATE"], rows))
    }

    /// The state is JSON anyway.
    fn show(&self, entity: &EntityArgs) -> Result<(), CommandError> {
        let answer = self.client.call(entity.request(Method::GET))?;
        print(&answer.body)
    }

    fn signal(&self, args: &SignalArgs) -> Result<(), CommandError> {
        let input = read_optional_json(args.input.as_deref())?.unwrap_or_default();
        let request = args.entity.request(Method::POST).query("op", &args.operation);
        let answer = self.client.call(request.optional("signalTime", args.at.as_ref()).body(input))?;
        let EntityArgs { name, key } = &args.entity;
        self.output.done(&answer.body, &format!("Entity @{name}@{key} is told to '{}'.", args.operation))
    }

    fn delete(&self, entity: &EntityArgs) -> Result<(), CommandError> {
        let answer = self.client.call(entity.request(Method::DELETE))?;
        self.output
            .done(&answer.body, &format!("Entity @{}@{} is told to 'delete'.", entity.name, entity.key))
    }
}

impl EntityArgs {
    fn request(&self, method: Method) -> Request {
        let key = if self.key.is_empty() { EMPTY_KEY } else { &self.key };
        Request::management(method, &format!("/entities/{}/{}", segment(&self.name), segment(key)))
    }
}
