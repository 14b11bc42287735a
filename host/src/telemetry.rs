//! Log lines: what they look like and where they go.

use crate::{
    cli::LogFormat,
    log_lines::{Flusher, LogLines},
};
use tracing_subscriber::EnvFilter;

/// What the store's libraries say of their own work is for those who ask for it.
const QUIET: &str = "fjall=warn,lsm_tree=warn";

/// Sends log lines to standard error through a buffer: standard output is for the banner. The flusher writes what is
/// left when it is dropped.
///
/// # Errors
/// `filter` is not a log filter; the text says why.
pub(crate) fn start(format: LogFormat, filter: &str) -> Result<Flusher, String> {
    let filter = EnvFilter::try_new(format!("{QUIET},{filter}"))
        .map_err(|error| format!("the log filter '{filter}' is wrong: {error}"))?;
    let (lines, flusher) =
        LogLines::start().map_err(|error| format!("cannot start the thread that writes the log: {error}"))?;
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(move || lines.clone()).with_ansi(false);
    match format {
        LogFormat::Text => builder.compact().init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
    Ok(flusher)
}
