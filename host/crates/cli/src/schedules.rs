//! `durance schedules`: schedules from the command line.

use crate::{
    CommandError, Exit, HostArgs, HostClient, Output,
    args::read_optional_json,
    client::{Request, segment},
    output::{cell, json_array, print, properties, table},
};
use clap::{Args, Subcommand};
use http::Method;
use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

/// Arguments of `durance schedules`.
#[derive(Debug, Args)]
pub struct SchedulesArgs {
    #[command(flatten)]
    host: HostArgs,
    #[command(subcommand)]
    command: SchedulesCommand,
}

#[derive(Debug, Subcommand)]
enum SchedulesCommand {
    /// List schedules.
    #[command(visible_alias = "ls")]
    List {
        /// At most so many
        #[arg(long, value_name = "COUNT", default_value_t = 100)]
        top: usize,
    },
    /// Show a schedule, with what its last ticks did.
    Show(ScheduleArgs),
    /// Make a schedule; refused if there is one of that ID.
    Create(DefinitionArgs),
    /// Make a schedule, or change the one of that ID.
    Put(DefinitionArgs),
    /// Delete a schedule; what it has started goes on.
    Delete(ScheduleArgs),
    /// Hold a schedule.
    Pause {
        #[command(flatten)]
        schedule: ScheduleArgs,
        /// Shown with the schedule
        #[arg(long)]
        reason: Option<String>,
    },
    /// Let a paused schedule go on.
    Resume(ScheduleArgs),
    /// Do now what a tick does.
    Trigger(ScheduleArgs),
}

#[derive(Debug, Args)]
struct ScheduleArgs {
    /// The schedule.
    id: String,
}

#[derive(Debug, Args)]
struct DefinitionArgs {
    #[command(flatten)]
    schedule: ScheduleArgs,

    /// What each tick starts.
    orchestrator: String,

    /// Six fields (second, minute, hour, day of month, month, day of week), or five without the second
    #[arg(long, required_unless_present = "every", conflicts_with = "every")]
    cron: Option<String>,

    /// Whose calendar that is, by its name in the IANA database [default: UTC]
    #[arg(long, value_name = "ZONE", requires = "cron")]
    time_zone: Option<String>,

    /// Instead of a calendar: so many seconds apart
    #[arg(long, value_name = "SECONDS")]
    every: Option<f64>,

    /// The input of each run: JSON, @file, or - for standard input [default: null]
    #[arg(long, short, value_name = "JSON")]
    input: Option<String>,

    /// The runs' instance IDs, with {schedule} and {time} in them
    #[arg(long, value_name = "TEMPLATE")]
    instance_id: Option<String>,

    /// What a tick does while the run before is not over
    #[arg(long, value_parser = ["skip", "queue", "allow", "terminate"])]
    overlap: Option<String>,

    /// How old a missed tick may be to be made up for
    #[arg(long, value_name = "SECONDS")]
    catch_up: Option<f64>,

    /// Not before this time
    #[arg(long, value_name = "TIME")]
    from: Option<String>,

    /// Not after this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Schedule {
    id: String,
    status: String,
    orchestrator: Option<String>,
    function: Option<String>,
    cron: Option<String>,
    time_zone: Option<String>,
    interval_seconds: Option<f64>,
    overlap: String,
    next_time: Option<String>,
    paused_reason: Option<String>,
    run_count: u64,
    skipped_count: u64,
    #[serde(default)]
    runs: Vec<Map<String, Value>>,
}

/// Speaks to the host about schedules.
struct Schedules {
    client: HostClient,
    output: Output,
}

pub(crate) fn run(args: SchedulesArgs) -> Result<Exit, CommandError> {
    let schedules = Schedules { client: args.host.client()?, output: Output { json: args.host.json } };
    let done = match args.command {
        SchedulesCommand::List { top } => schedules.list(top),
        SchedulesCommand::Show(ScheduleArgs { id }) => schedules.show(on(Method::GET, &id, "")),
        SchedulesCommand::Create(args) => schedules.define(Method::POST, &args),
        SchedulesCommand::Put(args) => schedules.define(Method::PUT, &args),
        SchedulesCommand::Delete(ScheduleArgs { id }) => {
            schedules.told(on(Method::DELETE, &id, ""), &format!("Schedule '{id}' is deleted."))
        }
        SchedulesCommand::Pause { schedule: ScheduleArgs { id }, reason } => schedules.told(
            on(Method::POST, &id, "/pause").optional("reason", reason),
            &format!("Schedule '{id}' holds."),
        ),
        SchedulesCommand::Resume(ScheduleArgs { id }) => {
            schedules.told(on(Method::POST, &id, "/resume"), &format!("Schedule '{id}' goes on."))
        }
        SchedulesCommand::Trigger(ScheduleArgs { id }) => {
            schedules.told(on(Method::POST, &id, "/trigger"), &format!("Schedule '{id}' is triggered."))
        }
    };
    done.map(|()| Exit::Done)
}

fn on(method: Method, id: &str, rest: &str) -> Request {
    Request::management(method, &format!("/schedules/{}{rest}", segment(id)))
}

impl Schedules {
    fn list(&self, top: usize) -> Result<(), CommandError> {
        let request =
            Request::management(Method::GET, "/schedules").query("top", &top.clamp(1, 1_000).to_string());
        let found: Vec<Box<RawValue>> = self.client.list(&request, Some(top))?;
        if self.output.json {
            return print(&json_array(&found));
        }
        let mut rows = Vec::new();
        for schedule in &found {
            let schedule: Schedule = self.client.parse(schedule.get())?;
            let next = schedule.next_time.clone().unwrap_or_default();
            let counts = [schedule.run_count.to_string(), schedule.skipped_count.to_string()];
            let [runs, skipped] = counts;
            rows.push([
                schedule.id.clone(),
                schedule.target(),
                schedule.timing(),
                schedule.status,
                next,
                runs,
                skipped,
            ]);
        }
        print(&table(["SCHEDULE", "STARTS", "WHEN", "STATUS", "NEXT", "RUNS", "SKIPPED"], rows))
    }

    fn show(&self, request: Request) -> Result<(), CommandError> {
        let answer = self.client.call(request)?;
        let schedule: Schedule = self.client.read(&answer)?;
        self.output.either(&answer.body, || schedule.details())
    }

    fn define(&self, method: Method, args: &DefinitionArgs) -> Result<(), CommandError> {
        let body = definition(args)?;
        self.show(on(method, &args.schedule.id, "").body(body))
    }

    fn told(&self, request: Request, done: &str) -> Result<(), CommandError> {
        let answer = self.client.call(request)?;
        self.output.done(&answer.body, done)
    }
}

/// The schedule as the management API takes it.
fn definition(args: &DefinitionArgs) -> Result<String, CommandError> {
    let mut body = Map::new();
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(name.to_owned(), value);
        }
    };
    let text = |value: &Option<String>| value.clone().map(Value::from);
    set("orchestrator", Some(args.orchestrator.clone().into()));
    set("cron", text(&args.cron));
    set("timeZone", text(&args.time_zone));
    set("intervalSeconds", args.every.map(Value::from));
    set("instanceId", text(&args.instance_id));
    set("overlap", text(&args.overlap));
    set("catchUpSeconds", args.catch_up.map(Value::from));
    set("startTime", text(&args.from));
    set("endTime", text(&args.until));
    let body = Value::Object(body).to_string();
    // The input goes in as it was written: a number may have more digits than this program keeps.
    match read_optional_json(args.input.as_deref())? {
        None => Ok(body),
        Some(input) => Ok(format!(r#"{{"input":{input},{}"#, body.trim_start_matches('{'))),
    }
}

impl Schedule {
    fn target(&self) -> String {
        self.orchestrator.clone().or_else(|| self.function.clone()).unwrap_or_default()
    }

    fn timing(&self) -> String {
        match (&self.cron, &self.time_zone, self.interval_seconds) {
            (Some(cron), zone, _) => format!("[{cron}] {}", zone.as_deref().unwrap_or("UTC")),
            (None, _, Some(seconds)) => format!("every {seconds} s"),
            (None, _, None) => String::new(),
        }
    }

    fn details(&self) -> String {
        let details = properties([
            ("Schedule", Some(self.id.clone())),
            ("Starts", Some(self.target())),
            ("When", Some(self.timing())),
            ("Status", Some(self.status.clone())),
            ("Reason", self.paused_reason.clone().filter(|reason| !reason.is_empty())),
            ("Overlap", Some(self.overlap.clone())),
            ("Next", self.next_time.clone()),
            ("Runs", Some(self.run_count.to_string())),
            ("Skipped", Some(self.skipped_count.to_string())),
        ]);
        if self.runs.is_empty() {
            return details;
        }
        let rows = self
            .runs
            .iter()
            .map(|run| ["scheduledTime", "outcome", "instanceId"].map(|name| cell(run.get(name))));
        format!("{details}\n\n{}", table(["TICK", "OUTCOME", "INSTANCE"], rows))
    }
}
