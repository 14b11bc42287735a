//! Log lines: what they look like and where they go.

use crate::cli::LogFormat;
use tracing_appender::non_blocking::WorkerGuard;
use tracing_subscriber::EnvFilter;

/// Sends log lines to standard error from a thread of their own: standard output is for the banner. The guard writes
/// what is left when it is dropped.
///
/// # Errors
/// `filter` is not a log filter; the text says why.
pub(crate) fn start(format: LogFormat, filter: &str) -> Result<WorkerGuard, String> {
    let filter =
        EnvFilter::try_new(filter).map_err(|error| format!("the log filter '{filter}' is wrong: {error}"))?;
    let (lines, guard) = tracing_appender::non_blocking(std::io::stderr());
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(lines).with_ansi(false);
    match format {
        LogFormat::Text => builder.compact().init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
    Ok(guard)
}
