//! Arguments that several commands take.

use crate::{CommandError, HostClient};
use clap::Args;
use std::{fmt, fs, io, str::FromStr};

/// Which host a command speaks to.
#[derive(Debug, Clone, Args)]
pub struct HostArgs {
    /// The host
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "DURANCE_TO",
        default_value = "http://127.0.0.1:7071"
    )]
    pub to: String,

    /// The admin key; a host on loopback asks for none by default
    #[arg(long, global = true, value_name = "KEY", env = "DURANCE_KEY", hide_env_values = true)]
    pub key: Option<Secret>,

    /// Print JSON, as the host answers it
    #[arg(long, global = true)]
    pub json: bool,
}

impl HostArgs {
    /// A client for the host.
    ///
    /// # Errors
    /// The URL or the key cannot be one.
    pub fn client(&self) -> Result<HostClient, CommandError> {
        HostClient::new(&self.to, self.key.as_ref())
    }
}

/// A text that is never shown.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// The text itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl FromStr for Secret {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A JSON value as the command line takes it: itself, `@file`, or `-` for standard input.
pub(crate) fn read_json(argument: &str) -> Result<String, CommandError> {
    let cannot_read = |error: io::Error| CommandError::Usage(format!("cannot read '{argument}': {error}"));
    let text = match argument.strip_prefix('@') {
        Some(file) => fs::read_to_string(file).map_err(cannot_read)?,
        None if argument == "-" => io::read_to_string(io::stdin()).map_err(cannot_read)?,
        None => argument.to_owned(),
    };
    match serde_json::from_str::<&serde_json::value::RawValue>(&text) {
        Ok(_) => Ok(text),
        Err(error) => Err(CommandError::Usage(format!(
            "'{argument}' is not JSON: {error}; a text needs its quotes ('\"text\"'), a file @ before its name"
        ))),
    }
}

/// The JSON value of an argument that may be left out.
pub(crate) fn read_optional_json(argument: Option<&str>) -> Result<Option<String>, CommandError> {
    argument.map(read_json).transpose()
}

/// `name=value`, for arguments that may be given more than once.
pub(crate) fn parse_pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("it must be NAME=VALUE".to_owned()),
    }
}
