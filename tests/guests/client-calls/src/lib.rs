//! The orchestration client, call by call, over HTTP.

use std::collections::BTreeMap;

use durance_sdk::prelude::*;
use durance_sdk::{EntityQuery, InstanceQuery, OrchestrationStatus};

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
