//! The orchestration client, call by call, over HTTP.

use std::collections::BTreeMap;

use durance_sdk::prelude::*;
use durance_sdk::{
    EntityQuery, InstanceQuery, OrchestrationStatus, OverlapPolicy, PurgeFilter, PurgeOptions,
    PurgeSelection, Schedule, ScheduleClient, ScheduleDefinition, TickOutcome,
};

/// `POST client/{operation}/{instanceId}`: the body is the event's data; `?name=` is the event's name or the orchestrator's.
#[http_trigger(
    name = "ClientCall",
    auth = "anonymous",
    methods("post"),
    route = "client/{operation}/{instanceId}"
)]
fn client_call(request: Request, client: OrchestrationClient) -> Result<Response> {
    let instance_id = request.param("instanceId").unwrap_or_default();
    let name = request.query("name").unwrap_or_default();
    let body = || request.json::<RawJson>();
    match request.param("operation").unwrap_or_default() {
        "status" => return status(&client, instance_id),
        "wait" => {
            let status = client.wait_for_completion(instance_id, Duration::from_secs(10))?;
            return Response::json(&summary(&status)?);
        }
        "list" => return list(&client, instance_id),
        "start" => return start(&request, &client, instance_id, &name),
        "event" => client.raise_event(instance_id, &name, body()?)?,
        "terminate" => client.terminate(instance_id, "by a test")?,
        "suspend" => client.suspend(instance_id, "by a test")?,
        "resume" => client.resume(instance_id, "by a test")?,
        "purge" => client.purge(instance_id)?,
        "purge-tree" => return Response::json(&client.purge_tree(instance_id)?),
        "purge-many" => return purge_many(&request, &client),
        "terminate-tree" => client.terminate_tree(instance_id, "by a test")?,
        "rewind" => client.rewind(instance_id, "by a test")?,
        "restart" => return Response::json(&client.restart(instance_id)?),
        "restart-same" => {
            let started = matches!(client.restart_same_id(instance_id)?, StartOutcome::Started(_));
            return Response::json(&started);
        }
        "drop-queue" => return Response::json(&client.drop_queue(instance_id)?),
        "start-and-raise" => {
            let options = StartOptions::default().instance_id(instance_id);
            let started = client.start_and_raise(&name, 3, options, ("Go", body()?))?;
            return Response::json(&matches!(started, StartOutcome::Started(_)));
        }
        "counts" => {
            let counts = client.count_instances()?;
            let of = |(status, count)| (format!("{status:?}"), count);
            return Response::json(&counts.into_iter().map(of).collect::<BTreeMap<_, _>>());
        }
        unknown => return Err(Problem::new(404).detail(format!("no '{unknown}'")).into()),
    }
    Ok(Response::new(204))
}

/// The body has the ids; without one, all that are finished are only counted.
fn purge_many(request: &Request, client: &OrchestrationClient) -> Result<Response> {
    let ids: Vec<String> = request.json()?;
    let created_time_from = 0;
    let all = PurgeFilter { created_time_from, created_time_to: None, runtime_status: Vec::new() };
    let (selection, dry_run) = match ids[..] {
        [] => (PurgeSelection::Matching(all), true),
        _ => (PurgeSelection::Instances(ids), false),
    };
    Response::json(&client.purge_instances(&selection, PurgeOptions { recursive: true, dry_run })?)
}

fn status(client: &OrchestrationClient, instance_id: &str) -> Result<Response> {
    let snapshot = client.get_status(instance_id)?;
    let status = snapshot.status.as_ref().map(summary).transpose()?;
    Response::json(&json!({ "token": snapshot.token, "status": status }))
}

/// Header `idempotency-key` and query `ifExists` go to the client as they are.
fn start(
    request: &Request,
    client: &OrchestrationClient,
    instance_id: &str,
    orchestrator: &str,
) -> Result<Response> {
    let mut options = StartOptions::default().instance_id(instance_id);
    options.idempotency_key = request.header("idempotency-key").map(str::to_owned);
    if let Some(policy) = request.query("ifExists") {
        options = options.if_exists(policy.parse()?);
    }
    let outcome = client.start_new_with(orchestrator, request.json::<RawJson>()?, options)?;
    let (outcome, holder) = match outcome {
        StartOutcome::Started(holder) => ("started", Some(holder)),
        StartOutcome::Existing(holder) => ("existing", Some(holder)),
        StartOutcome::Queued(queued) => ("queued", Some(queued.holder)),
        StartOutcome::AlreadyExists(holder) => ("alreadyExists", Some(holder)),
        StartOutcome::Changed(holder) => ("changed", holder),
    };
    let holder = holder.map(|holder| {
        json!({
            "instanceId": holder.instance_id,
            "executionId": holder.execution_id,
            "generation": holder.generation,
        })
    });
    Response::json(&json!({ "outcome": outcome, "holder": holder }))
}

/// The ids of every instance whose id begins so, two a page.
fn list(client: &OrchestrationClient, prefix: &str) -> Result<Response> {
    let mut query = InstanceQuery {
        instance_id_prefix: Some(prefix.to_owned()),
        page_size: 2,
        ..InstanceQuery::default()
    };
    let mut ids = Vec::new();
    loop {
        let page = client.list_instances(&query)?;
        ids.extend(page.instances.into_iter().map(|instance| instance.instance_id));
        query.continuation_token = page.continuation_token;
        if query.continuation_token.is_none() {
            return Response::json(&ids);
        }
    }
}

fn summary(status: &OrchestrationStatus) -> Result<Value> {
    Ok(json!({
        "name": status.name,
        "runtimeStatus": format!("{:?}", status.runtime_status),
        "generation": status.generation,
        "input": status.read_input::<Value>()?,
        "output": status.read_output::<Value>()?,
        "customStatus": status.read_custom_status::<Value>()?,
        "failure": status.failure.as_ref().map(|failure| &failure.message),
    }))
}

/// `POST schedule-client/{operation}/{id}`: a schedule of `CollectEvents`, paused for ever by its start time. Header
/// `x-key` is the call's idempotency key.
#[http_trigger(
    name = "ScheduleClientCall",
    auth = "anonymous",
    methods("post"),
    route = "schedule-client/{operation}/{id}"
)]
fn schedule_client_call(request: Request) -> Result<Response> {
    let id = request.param("id").unwrap_or_default();
    let client = match request.header("x-key") {
        Some(key) => ScheduleClient::new().with_idempotency_key(key),
        None => ScheduleClient::new(),
    };
    let definition = ScheduleDefinition::every("CollectEvents", Duration::from_secs(3_600))
        .start(Duration::from_secs(365 * 24 * 3_600))
        .overlap(OverlapPolicy::Allow)
        .instance_id("{schedule}-{time}-run")
        .catch_up(Duration::from_secs(5))
        .input(1)?;
    let schedule = match request.param("operation").unwrap_or_default() {
        "create" => client.create(id, &definition)?,
        "put" => client.put(id, &ScheduleDefinition { input: "2".to_owned(), ..definition })?,
        "get" => client.get(id)?,
        "pause" => client.pause(id, "by a test")?,
        "resume" => client.resume(id)?,
        "trigger" => {
            let TickOutcome::Started(instance_id) = client.trigger(id)?.outcome else {
                return Err(Problem::new(409).into());
            };
            return Response::json(&instance_id);
        }
        "delete" => {
            client.delete(id)?;
            return Ok(Response::new(204));
        }
        _ => return list_schedules(&client),
    };
    Response::json(&summary_of(&schedule))
}

fn summary_of(schedule: &Schedule) -> Value {
    let definition = schedule.definition.as_ref();
    json!({
        "orchestrator": definition.map(|definition| &definition.orchestrator),
        "input": definition.map(|definition| &definition.input),
        "instanceId": definition.and_then(|definition| definition.instance_id.as_ref()),
        "timing": definition.map(|definition| format!("{:?}", definition.timing)),
        "status": format!("{:?}", schedule.status),
        "pausedReason": schedule.paused_reason,
        "runCount": schedule.run_count,
    })
}

/// The ids of every schedule, one a page.
fn list_schedules(client: &ScheduleClient) -> Result<Response> {
    let (mut ids, mut token) = (Vec::new(), None);
    loop {
        let page = client.list(1, token.as_deref())?;
        ids.extend(page.schedules.into_iter().map(|schedule| schedule.id));
        token = page.continuation_token;
        if token.is_none() {
            return Response::json(&ids);
        }
    }
}

/// `POST entity-client/{operation}/{key}` on entities `Fragile`: the body is the input, `?name=` the operation's name.
#[http_trigger(
    name = "EntityClientCall",
    auth = "anonymous",
    methods("post"),
    route = "entity-client/{operation}/{key}"
)]
fn entity_client_call(request: Request, client: OrchestrationClient) -> Result<Response> {
    let key = request.param("key").unwrap_or_default();
    let entity = EntityId::new(request.query("of").as_deref().unwrap_or("Fragile"), key);
    let name = request.query("name").unwrap_or_default();
    match request.param("operation").unwrap_or_default() {
        "signal" => client.signal_entity(entity, &name, request.json::<RawJson>()?)?,
        "state" => return Response::json(&client.read_entity_state::<Value>(entity)?),
        _ => return list_entities(&client),
    }
    Ok(Response::new(204))
}

/// The keys and states of every entity `Fragile`, one a page.
fn list_entities(client: &OrchestrationClient) -> Result<Response> {
    let name = Some("Fragile".to_owned());
    let mut query = EntityQuery { name, fetch_state: true, page_size: 1, ..EntityQuery::default() };
    let mut found = Vec::new();
    loop {
        let page = client.list_entities(&query)?;
        found.extend(page.entities.into_iter().map(|one| (one.entity.key, one.state)));
        query.continuation_token = page.continuation_token;
        if query.continuation_token.is_none() {
            return Response::json(&found);
        }
    }
}
