//! `durance keys`: who may do what on a host.

use crate::{
    CommandError, Exit, HostArgs, HostClient, Output,
    client::{Request, segment},
    output::table,
};
use clap::{Args, Subcommand, ValueEnum};
use http::Method;
use serde::Deserialize;

/// Arguments of `durance keys`.
#[derive(Debug, Args)]
pub struct KeysArgs {
    #[command(flatten)]
    host: HostArgs,
    #[command(subcommand)]
    command: KeysCommand,
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    /// List the host's keys, without their values: nobody has those.
    #[command(visible_alias = "ls")]
    List,
    /// Make a key and print its value, which is shown only now.
    Create {
        /// The key's name.
        name: String,
        /// What it opens
        #[arg(long, value_enum, default_value = "function")]
        level: Level,
    },
    /// Give a key another value, and print it; `_links` is what signs links, `_master` the host's own admin key.
    Rotate {
        /// The key's name.
        name: String,
        /// For `_links`: links that were given out open nothing any more, instead of until they expire
        #[arg(long)]
        revoke: bool,
    },
    /// Delete a key: it opens nothing any more.
    Delete {
        /// The key's name.
        name: String,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Level {
    /// Functions of level `function`.
    Function,
    /// Everything.
    Admin,
}

#[derive(Deserialize)]
struct Listed {
    keys: Vec<Key>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Key {
    name: String,
    level: String,
    created_time: String,
    value: Option<String>,
}

pub(crate) fn run(args: KeysArgs) -> Result<Exit, CommandError> {
    let (client, output) = (args.host.client()?, Output { json: args.host.json });
    match args.command {
        KeysCommand::List => list(&client, output)?,
        KeysCommand::Create { name, level } => {
            let level = level.to_possible_value();
            let request =
                on(Method::POST, &name, "").optional("level", level.as_ref().map(|level| level.get_name()));
            show(&client, output, request)?;
        }
        KeysCommand::Rotate { name, revoke } => {
            show(&client, output, on(Method::POST, &name, "/rotate").flag("revoke", revoke))?;
        }
        KeysCommand::Delete { name } => {
            let answer = client.call(on(Method::DELETE, &name, ""))?;
            output.done(&answer.body, &format!("Key '{name}' is deleted."))?;
        }
    }
    Ok(Exit::Done)
}

fn on(method: Method, name: &str, rest: &str) -> Request {
    Request::new(method, format!("/admin/host/keys/{}{rest}", segment(name)))
}

fn list(client: &HostClient, output: Output) -> Result<(), CommandError> {
    let answer = client.call(Request::new(Method::GET, "/admin/host/keys"))?;
    let listed: Listed = client.read(&answer)?;
    let rows = listed.keys.into_iter().map(|key| [key.name, key.level, key.created_time]);
    output.either(&answer.body, || table(["KEY", "LEVEL", "CREATED"], rows))
}

/// The value alone, so that a script can take it.
fn show(client: &HostClient, output: Output, request: Request) -> Result<(), CommandError> {
    let answer = client.call(request)?;
    let key: Key = client.read(&answer)?;
    output.either(&answer.body, || {
        key.value.unwrap_or_else(|| format!("'{}' is another one from now on.", key.name))
    })
}
