//! `durance instances purge`.

use super::{Instances, on};
use crate::{CommandError, client::Request};
use clap::Args;
use http::Method;
use serde::Deserialize;

/// Arguments of `durance instances purge`: instances, or a filter.
#[derive(Debug, Args)]
pub(super) struct PurgeArgs {
    /// The instances.
    #[arg(value_name = "ID", required_unless_present = "created_from", conflicts_with = "created_from")]
    ids: Vec<String>,

    /// Their sub-orchestrations too
    #[arg(long)]
    recursive: bool,

    /// Instead of some instances: all finished ones that were created at or after this time
    #[arg(long, value_name = "TIME")]
    created_from: Option<String>,

    /// … and at or before this one
    #[arg(long, value_name = "TIME", requires = "created_from")]
    created_to: Option<String>,

    /// … and that have one of these statuses
    #[arg(long, value_name = "STATUS", value_delimiter = ',', requires = "created_from")]
    status: Vec<String>,

    /// Only count them
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Purged {
    instances_deleted: u64,
    #[serde(default)]
    instances_matched: Option<u64>,
}

impl Instances {
    pub(super) fn purge(&self, args: &PurgeArgs) -> Result<(), CommandError> {
        let request = match &args.ids[..] {
            // By itself, so that a missing or live one is told apart.
            [id] if !args.dry_run => on(Method::DELETE, id, ""),
            ids => Request::management(Method::DELETE, "/instances")
                .repeated("instanceId", ids)
                .optional("createdTimeFrom", args.created_from.as_ref())
                .optional("createdTimeTo", args.created_to.as_ref())
                .optional("runtimeStatus", (!args.status.is_empty()).then(|| args.status.join(",")))
                .flag("dryRun", args.dry_run),
        };
        let answer = self.client.call(request.flag("recursive", args.recursive))?;
        let purged: Purged = self.client.read(&answer)?;
        let text = match purged.instances_matched {
            Some(count) => format!("Would delete {count} instances."),
            None => format!("Deleted {} instances.", purged.instances_deleted),
        };
        self.output.either(&answer.body, || text.replace(" 1 instances", " 1 instance"))
    }
}
