//! Starts an orchestration over HTTP: the singleton pattern, and a start under a random id.
//!
//! ```text
//! curl -i -X POST http://127.0.0.1:7071/api/orchestrators/HelloSequence/greetings
//! curl -i -X POST http://127.0.0.1:7071/api/orchestrators/BackgroundJob/nightly -d '{"steps":30,"stepMs":1000}'
//! curl -i -X POST 'http://127.0.0.1:7071/api/orchestrators/BackgroundJob/nightly?ifExists=use-existing'
//! curl -i -X POST http://127.0.0.1:7071/api/orchestrators/HelloSequence
//! curl -i -X POST http://127.0.0.1:7071/api/orchestrators/HelloSequence -H 'Idempotency-Key: order-17'    # and again
//! ```

use durance_sdk::prelude::*;

/// At most one orchestration of an id runs at a time, whatever the number of callers.
#[http_trigger(
    name = "HttpStartSingle",
    auth = "function",
    methods("post"),
    route = "orchestrators/{functionName}/{instanceId}"
)]
fn http_start_single(request: Request, client: OrchestrationClient) -> Result<Response> {
    let function_name = request.param("functionName").unwrap_or_default();
    let instance_id = request.param("instanceId").unwrap_or_default();
    let input = request.json::<RawJson>()?;
    let if_exists = match request.query("ifExists") {
        Some(policy) => policy.parse()?,
        None => IfExists::ReplaceFinished,
    };

    let mut options = StartOptions::default().instance_id(instance_id).if_exists(if_exists);
    if let Some(key) = request.header("idempotency-key") {
        // A retry must ask for the same as the first request: without a token, which has changed since.
        options = options.idempotency_key(key);
    } else if matches!(if_exists, IfExists::Reject | IfExists::ReplaceFinished) {
        // The policies that refuse also refuse when another caller was quicker since the status was read.
        options = options.token(client.get_status(instance_id)?.token);
    }
    match client.start_new_with(function_name, input, options)? {
        StartOutcome::Started(_) => println!("Started orchestration with ID = '{instance_id}'."),
        StartOutcome::Existing(_) => {}
        StartOutcome::AlreadyExists(_) | StartOutcome::Changed(_) => {
            let links = client.create_http_management_payload(instance_id)?;
            let detail = format!("An instance with ID '{instance_id}' already exists.");
            return Err(Problem::new(409).detail(detail).members(links).into());
        }
    }
    Ok(client.create_check_status_response(&request, instance_id)?)
}

#[http_trigger(
    name = "HttpStart",
    auth = "function",
    methods("post"),
    route = "orchestrators/{functionName}"
)]
fn http_start(request: Request, client: OrchestrationClient) -> Result<Response> {
    let function_name = request.param("functionName").unwrap_or_default();
    let mut options = StartOptions::default();
    if let Some(key) = request.header("idempotency-key") {
        options = options.idempotency_key(key);
    }
    let outcome = client.start_new_with(function_name, request.json::<RawJson>()?, options)?;
    let instance_id = outcome.instance_id().expect("a start without a token compares nothing");
    println!("Started orchestration with ID = '{instance_id}'.");
    Ok(client.create_check_status_response(&request, instance_id)?)
}
