//! Purging many instances.

use super::{ManagementApi, read};
use crate::{
    problem::Problem,
    query::{Query, idempotency_key},
    response::{self, HttpResponse},
};
use durance_durable::InstanceId;
use durance_taskhub::{PurgeFilter, PurgeOptions, PurgeSelection};
use http::{HeaderMap, StatusCode};
use serde_json::json;

/// Those that a list of IDs cannot go with.
const FILTERS: [&str; 3] = ["createdTimeFrom", "createdTimeTo", "runtimeStatus"];

impl ManagementApi {
    /// 200 with the number of instances; 404 if there was none to delete.
    pub(super) async fn purge_many(
        &self,
        headers: &HeaderMap,
        query: &Query<'_>,
    ) -> Result<HttpResponse, Problem> {
        if idempotency_key(headers)?.is_some() {
            return Err(bad_request(
                "a purge of many takes no idempotency key: repeated, it deletes what is left",
            ));
        }
        let options = PurgeOptions {
            recursive: query.flag("recursive", false)?,
            dry_run: query.flag("dryRun", false)?,
        };
        let count = self.client.purge_instances(selection(query)?, options).await?;
        if options.dry_run {
            let counted = json!({ "instancesDeleted": 0, "instancesMatched": count });
            return Ok(response::json(StatusCode::OK, &counted));
        }
        if count == 0 {
            let detail = "no finished instance matches; live ones are never purged";
            return Err(Problem::new(StatusCode::NOT_FOUND, detail));
        }
        Ok(response::json(StatusCode::OK, &json!({ "instancesDeleted": count })))
    }
}

fn selection(query: &Query<'_>) -> Result<PurgeSelection, Problem> {
    let ids = query.all("instanceId", "an instance ID", |id| InstanceId::new(id).ok())?;
    if ids.is_empty() {
        let missing =
            || bad_request("a purge of many needs 'createdTimeFrom', or 'instanceId' once for each instance");
        return Ok(PurgeSelection::Matching(PurgeFilter {
            created_from: query.time("createdTimeFrom")?.ok_or_else(missing)?,
            created_to: query.time("createdTimeTo")?,
            statuses: read::statuses(query)?,
        }));
    }
    match FILTERS.into_iter().find(|name| query.text(name).is_some()) {
        Some(filter) => Err(bad_request(&format!(
            "'instanceId' and '{filter}' do not go together: give one or the other"
        ))),
        None => Ok(PurgeSelection::Instances(ids)),
    }
}

fn bad_request(detail: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, detail)
}
