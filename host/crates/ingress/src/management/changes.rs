//! A stream of the statuses that an instance comes to have.

use super::{
    ManagementApi,
    status::{HistoryValues, StatusJson},
};
use crate::{
    problem::Problem,
    query::Query,
    response::{self, BodyFailure, HttpResponse},
};
use bytes::Bytes;
use durance_durable::InstanceId;
use durance_taskhub::{ClientError, OrchestrationClient, OrchestrationStatus, StatusOptions};
use futures_util::stream;
use hyper::body::Frame;
use std::{sync::Arc, time::Duration};
use tokio::sync::OwnedSemaphorePermit;

/// The most streams at one time; more are answered 429.
pub(crate) const CHANGE_STREAMS_MAX: usize = 1024;

/// Where nothing changes a comment is sent so often, so that nobody on the way takes the connection for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// What a stream goes on with.
struct Watch {
    client: OrchestrationClient,
    instance: InstanceId,
    show_input: bool,
    /// The last status that was sent.
    seen: OrchestrationStatus,
    stage: Stage,
    _place: OwnedSemaphorePermit,
}

enum Stage {
    First,
    Next,
    /// The last one was that of an instance which is over.
    Over,
}

impl ManagementApi {
    /// 200 with server-sent events: `status` with the present status, then with each that differs in status, custom status or
    /// run. It ends when the instance is over or purged, or the host stops. Of changes that follow close on each other only
    /// the last may be sent.
    pub(super) fn changes(&self, query: &Query<'_>, instance: InstanceId) -> Result<HttpResponse, Problem> {
        let show_input = query.flag("showInput", true)?;
        let options = StatusOptions { show_input, ..StatusOptions::default() };
        let place = Arc::clone(&self.change_streams).try_acquire_owned().map_err(|_| ClientError::Busy)?;
        let seen = self.client.get_status(&instance, options)?.status;
        let seen = seen.ok_or_else(|| ClientError::NotFound(instance.clone()))?;
        let client = self.client.clone();
        let watch = Watch { client, instance, show_input, seen, stage: Stage::First, _place: place };
        Ok(response::events(stream::unfold(watch, next)))
    }
}

async fn next(mut watch: Watch) -> Option<(Result<Frame<Bytes>, BodyFailure>, Watch)> {
    match watch.stage {
        Stage::First => {}
        Stage::Over => return None,
        Stage::Next => {
            let changed = watch.client.wait_for_change(&watch.instance, &watch.seen, KEEP_ALIVE).await;
            let status = changed.ok()?;
            if !status.has_changed(&watch.seen) {
                return Some((Ok(Frame::data(Bytes::from_static(b": nothing new\n\n"))), watch));
            }
            watch.seen = status;
        }
    }
    if !watch.show_input {
        watch.seen.input = None;
    }
    let is_over = watch.seen.runtime_status.is_finished();
    watch.stage = if is_over { Stage::Over } else { Stage::Next };
    let event = response::event("status", &StatusJson::new(&watch.seen, HistoryValues::Hidden));
    Some((Ok(event), watch))
}
