//! `durance instances wait` and `watch`.

use super::{Instances, on, status::InstanceStatus};
use crate::{
    CommandError, Exit,
    client::{Answer, Request},
    output::{pretty, print},
};
use clap::Args;
use http::Method;
use std::{
    thread,
    time::{Duration, Instant},
};

/// One request waits at most this long, so that nothing on the way takes it for dead. Unit: seconds.
const WAIT_SECONDS_MAX: f64 = 30.0;

/// Between two looks at a status.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// Arguments of `durance instances wait`.
#[derive(Debug, Args)]
pub(super) struct WaitArgs {
    /// The instance.
    pub(super) id: String,

    /// At most so long [default: until it is over]
    #[arg(long, value_name = "SECONDS")]
    pub(super) timeout: Option<f64>,
}

/// Arguments of `durance instances watch`.
#[derive(Debug, Args)]
pub(super) struct WatchArgs {
    /// The instance.
    id: String,
}

impl Instances {
    /// Prints the output of a completed instance; of another the whole status.
    pub(super) fn wait(&self, id: &str, timeout: Option<f64>) -> Result<Exit, CommandError> {
        let begun = Instant::now();
        loop {
            let left = timeout.map_or(f64::INFINITY, |timeout| timeout - begun.elapsed().as_secs_f64());
            let wait = left.clamp(0.0, WAIT_SECONDS_MAX).to_string();
            let (status, answer) = self.status(on(Method::GET, id, "").query("wait", &wait))?;
            if status.is_finished() {
                return self.ended(&status, &answer);
            }
            if left <= WAIT_SECONDS_MAX {
                self.output.either(&answer.body, || status.details())?;
                return Ok(Exit::TimedOut);
            }
        }
    }

    fn ended(&self, status: &InstanceStatus, answer: &Answer) -> Result<Exit, CommandError> {
        if status.runtime_status == "Completed" {
            self.output.either(&answer.body, || pretty(&status.output).unwrap_or_default())?;
            return Ok(Exit::Done);
        }
        self.output.either(&answer.body, || status.details())?;
        Ok(Exit::RunFailed)
    }

    pub(super) fn watch(&self, args: &WatchArgs) -> Result<(), CommandError> {
        let mut last = String::new();
        loop {
            let (status, answer) = self.status(on(Method::GET, &args.id, ""))?;
            let line = if self.output.json { answer.body } else { status.line() };
            if line != last {
                print(&line)?;
                last = line;
            }
            if status.is_finished() {
                return Ok(());
            }
            thread::sleep(LOOK_INTERVAL);
        }
    }

    fn status(&self, request: Request) -> Result<(InstanceStatus, Answer), CommandError> {
        let answer = self.client.call(request)?;
        Ok((self.client.read(&answer)?, answer))
    }
}
