//! `durance instances list` and `counts`.

use super::{Instances, status::InstanceStatus};
use crate::{
    CommandError,
    args::parse_pair,
    client::Request,
    output::{cell, json_array, print, table},
};
use clap::Args;
use http::Method;
use serde_json::{Map, Value, value::RawValue};

/// How many are listed unless more are asked for.
const LIMIT_DEFAULT: usize = 100;

/// The longest page of a host.
const PAGE_MAX: usize = 1_000;

/// Arguments of `durance instances list`. Times are as in ISO 8601; without an offset they are UTC.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Only these statuses: Pending, Running, Suspended, Completed, Failed, Terminated, …
    #[arg(long, value_name = "STATUS", value_delimiter = ',')]
    status: Vec<String>,

    /// Only these orchestrators
    #[arg(long, value_name = "ORCHESTRATOR", value_delimiter = ',')]
    name: Vec<String>,

    /// Only IDs that begin with this
    #[arg(long, value_name = "TEXT")]
    prefix: Option<String>,

    /// Only those with this tag; may be given more than once
    #[arg(long = "tag", value_name = "NAME=VALUE", value_parser = parse_pair)]
    tags: Vec<(String, String)>,

    /// Only sub-orchestrations of this instance
    #[arg(long, value_name = "ID")]
    parent: Option<String>,

    /// Only those whose custom status has this text in it
    #[arg(long, value_name = "TEXT")]
    custom_status: Option<String>,

    /// Created at or after
    #[arg(long, value_name = "TIME")]
    created_from: Option<String>,

    /// Created at or before
    #[arg(long, value_name = "TIME")]
    created_to: Option<String>,

    /// Ended at or after
    #[arg(long, value_name = "TIME")]
    completed_from: Option<String>,

    /// Ended at or before
    #[arg(long, value_name = "TIME")]
    completed_to: Option<String>,

    /// Changed at or after
    #[arg(long, value_name = "TIME")]
    updated_from: Option<String>,

    /// Changed at or before
    #[arg(long, value_name = "TIME")]
    updated_to: Option<String>,

    /// In the order of this
    #[arg(long, value_parser = ["id", "created", "updated"])]
    sort: Option<String>,

    /// The last first
    #[arg(long)]
    desc: bool,

    /// At most so many
    #[arg(long, value_name = "COUNT", default_value_t = LIMIT_DEFAULT)]
    top: usize,

    /// All that there are
    #[arg(long, conflicts_with = "top")]
    all: bool,
}

impl Instances {
    pub(super) fn list(&self, args: &ListArgs) -> Result<(), CommandError> {
        let limit = (!args.all).then_some(args.top);
        let found: Vec<Box<RawValue>> = self.client.list(&request(args, limit), limit)?;
        if self.output.json {
            return print(&json_array(&found));
        }
        let mut rows = Vec::new();
        for instance in &found {
            rows.push(row(&self.client.parse(instance.get())?));
        }
        print(&table(
            ["INSTANCE", "ORCHESTRATOR", "STATUS", "CREATED", "LAST UPDATED", "CUSTOM STATUS"],
            rows,
        ))
    }

    pub(super) fn counts(&self) -> Result<(), CommandError> {
        let answer = self.client.call(Request::management(Method::GET, "/counts"))?;
        let counts: Map<String, Value> = self.client.read(&answer)?;
        let rows = counts.iter().map(|(status, count)| [status.clone(), count.to_string()]);
        self.output.either(&answer.body, || table(["STATUS", "INSTANCES"], rows))
    }
}

fn request(args: &ListArgs, limit: Option<usize>) -> Request {
    let list = |items: &[String]| (!items.is_empty()).then(|| items.join(","));
    let page = limit.unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX);
    let mut request = Request::management(Method::GET, "/instances")
        .optional("runtimeStatus", list(&args.status))
        .optional("name", list(&args.name))
        .optional("instanceIdPrefix", args.prefix.as_ref())
        .optional("parentInstanceId", args.parent.as_ref())
        .optional("customStatus", args.custom_status.as_ref())
        .optional("createdTimeFrom", args.created_from.as_ref())
        .optional("createdTimeTo", args.created_to.as_ref())
        .optional("completedTimeFrom", args.completed_from.as_ref())
        .optional("completedTimeTo", args.completed_to.as_ref())
        .optional("lastUpdatedTimeFrom", args.updated_from.as_ref())
        .optional("lastUpdatedTimeTo", args.updated_to.as_ref())
        .optional("sort", args.sort.as_ref())
        .optional("order", args.desc.then_some("desc"))
        .query("top", &page.to_string());
    for (name, value) in &args.tags {
        request = request.query("tag", &format!("{name}:{value}"));
    }
    request
}

fn row(status: &InstanceStatus) -> [String; 6] {
    [
        status.instance_id.clone(),
        status.name.clone(),
        status.label(),
        status.created_time.clone(),
        status.last_updated_time.clone(),
        cell(Some(&status.custom_status)),
    ]
}
