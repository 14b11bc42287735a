//! The imports of functions in native tests. A call is handed to the same rules as in the host. What is
//! not there panics outside of WebAssembly.

pub(crate) mod orchestration_context {
    use std::time::Duration;

    use durance_durable as rules;
    use durance_durable::{ContinueAsNew, GuestFault, Json, TaskId, Timestamp};

    pub(crate) use crate::bindings::durance::functions::orchestration_context::*;
    use crate::bindings::durance::functions::types::{EntityId, Failure, HttpRequest};
    use crate::testing::{convert, guest};

    pub(crate) fn name() -> String {
        guest::ask(|state| Ok(state.name().to_owned()))
    }

    pub(crate) fn instance_id() -> String {
        guest::ask(|state| Ok(state.instance().to_string()))
    }

    pub(crate) fn execution_id() -> String {
        guest::ask(|state| Ok(state.execution().to_string()))
    }

    pub(crate) fn parent() -> Option<ParentInstance> {
        let of = |parent: &rules::Parent| ParentInstance {
            name: parent.name.as_ref().to_owned(),
            instance_id: parent.instance.to_string(),
        };
        guest::ask(|state| Ok(state.parent().map(of)))
    }

    pub(crate) fn current_utc_date_time() -> u64 {
        guest::ask(|state| Ok(state.now().as_nanos()))
    }

    pub(crate) fn is_replaying() -> bool {
        guest::ask(|state| Ok(state.is_replaying()))
    }

    pub(crate) fn new_guid() -> String {
        guest::ask(|state| Ok(state.new_guid().to_string()))
    }

    pub(crate) fn call_activity(name: &str, input: &str, options: &ActivityOptions) -> u32 {
        let options = rules::ActivityOptions {
            retry: options.retry.as_ref().map(retry_policy),
            timeout: options.timeout_ms.map(Duration::from_millis),
            heartbeat_timeout: options.heartbeat_timeout_ms.map(Duration::from_millis),
            concurrency_key: options.concurrency_key.as_deref().map(Into::into),
            priority: options.priority,
        };
        guest::ask(|state| state.call_activity(name, json(input)?, options)).0
    }

    pub(crate) fn call_sub_orchestrator(name: &str, input: &str, options: &SubOrchestrationOptions) -> u32 {
        let (instance, retry) = (options.instance_id.as_deref(), options.retry.as_ref().map(retry_policy));
        guest::ask(|state| state.call_sub_orchestrator(name, instance, json(input)?, retry)).0
    }

    pub(crate) fn call_http(request: &HttpRequest, options: &HttpOptions) -> u32 {
        let HttpRequest { method, uri, headers, body } = request.clone();
        let header = |(name, value)| Some((name, String::from_utf8(value).ok()?));
        let retry = options.retry.as_ref();
        let call = rules::HttpCall {
            request: rules::HttpRequest {
                method,
                uri,
                headers: headers.into_iter().filter_map(header).collect(),
                content: rules::HttpContent::of(body),
                asynchronous_pattern_enabled: options.asynchronous_pattern,
                status_codes_to_retry: retry.map(|retry| retry.status_codes.clone()),
            },
            retry: retry.map(|retry| retry_policy(&retry.policy)),
            timeout: options.timeout_ms.map(Duration::from_millis),
        };
        guest::ask(|state| state.call_http(call)).0
    }

    pub(crate) fn create_timer(fire_at: u64) -> u32 {
        guest::ask(|state| state.create_timer(Timestamp::from_nanos(fire_at))).0
    }

    pub(crate) fn wait_for_external_event(name: &str) -> u32 {
        guest::ask(|state| state.wait_for_external_event(name)).0
    }

    pub(crate) fn call_entity(entity: &EntityId, operation: &str, input: &str) -> u32 {
        guest::ask(|state| state.call_entity(entity_id(entity)?, operation, json(input)?)).0
    }

    pub(crate) fn signal_entity(entity: &EntityId, operation: &str, input: &str, at: Option<u64>) {
        let due = at.map(Timestamp::from_nanos);
        guest::ask(|state| state.signal_entity(entity_id(entity)?, operation, json(input)?, due));
    }

    pub(crate) fn lock_entities(entities: &[EntityId]) -> u32 {
        guest::ask(|state| state.lock_entities(entities.iter().map(entity_id).collect::<Result<_, _>>()?)).0
    }

    pub(crate) fn release_locks(task: u32) {
        // A turn that is over is unwound: what is dropped then stays locked.
        if !std::thread::panicking() {
            guest::ask(|state| state.release_locks(TaskId(task)));
        }
    }

    pub(crate) fn send_event(instance_id: &str, name: &str, data: &str) {
        guest::ask(|state| state.send_event(instance_id, name, json(data)?));
    }

    pub(crate) fn start_orchestration(name: &str, input: &str, instance_id: Option<&str>) -> String {
        guest::ask(|state| state.start_orchestration(name, instance_id, json(input)?)).to_string()
    }

    pub(crate) fn cancel_task(task: u32) {
        // A turn that is over is unwound: what is dropped then is not given up.
        if !std::thread::panicking() {
            guest::ask(|state| state.cancel_task(TaskId(task)));
        }
    }

    pub(crate) fn wait_next(added: &[u32]) -> u32 {
        let added: Vec<_> = added.iter().copied().map(TaskId).collect();
        guest::wait(|state| {
            state.await_tasks(&added)?;
            state.wait_next()
        })
        .0
    }

    pub(crate) fn take_result(task: u32) -> Result<String, Failure> {
        let result = guest::ask(|state| state.take_result(TaskId(task)));
        result.map(|value| value.as_str().to_owned()).map_err(convert::to_guest)
    }

    pub(crate) fn set_custom_status(status: &str) {
        guest::ask(|state| state.set_custom_status(json(status)?));
    }

    pub(crate) fn continue_as_new(input: &str, options: ContinueAsNewOptions) {
        let ContinueAsNewOptions { preserve_unprocessed_events, keep_version } = options;
        guest::ask(|state| {
            let input = json(input)?;
            state.continue_as_new(ContinueAsNew { input, preserve_unprocessed_events, keep_version });
            Ok(())
        });
    }

    fn entity_id(id: &EntityId) -> Result<rules::EntityId, GuestFault> {
        rules::EntityId::new(&id.name, &id.key)
            .map_err(|invalid| GuestFault::InvalidArgument(invalid.to_string()))
    }

    fn json(text: &str) -> Result<Json, GuestFault> {
        Json::parse(text).map_err(|invalid| GuestFault::InvalidArgument(invalid.to_string()))
    }

    fn retry_policy(policy: &RetryPolicy) -> rules::RetryPolicy {
        rules::RetryPolicy {
            first_retry_interval: Duration::from_millis(policy.first_retry_interval_ms),
            max_attempts: policy.max_attempts,
            backoff_coefficient: policy.backoff_coefficient,
            max_retry_interval: policy.max_retry_interval_ms.map(Duration::from_millis),
            retry_timeout: policy.retry_timeout_ms.map(Duration::from_millis),
            jitter: policy.jitter,
            handle: policy.handle.clone(),
        }
    }
}

pub(crate) mod invocation {
    use crate::testing::guest;

    pub(crate) fn attempt() -> u32 {
        guest::with_attempt(|call| call.attempt)
    }

    pub(crate) fn idempotency_key() -> Option<String> {
        Some(guest::with_attempt(|call| format!("{}:{}", call.execution, call.task)))
    }

    pub(crate) fn invocation_id() -> String {
        guest::with_attempt(|call| format!("{}:{}:{}", call.execution, call.task, call.attempt))
    }

    pub(crate) fn instance_id() -> Option<String> {
        Some(guest::with_attempt(|call| call.instance.to_string()))
    }

    pub(crate) fn generation() -> Option<u64> {
        Some(guest::with_attempt(|call| call.generation))
    }

    pub(crate) fn is_cancelled() -> bool {
        false
    }

    pub(crate) fn heartbeat(details: &str) {
        guest::with_attempt(|call| call.heartbeat = Some(details.to_owned()));
    }

    pub(crate) fn heartbeat_details() -> Option<String> {
        guest::with_attempt(|call| call.heartbeat.clone())
    }
}
