//! The import `orchestration-context` of orchestrators: every call is handed to the [`RuntimeState`].
//!
//! [`RuntimeState`]: durance_durable::RuntimeState

use crate::{
    bindings::{orchestration_context as wit, types},
    error::{GuestStop, failure_for_guest},
    orchestrator_state::OrchestratorState,
};
use durance_durable::{
    ActivityOptions, ContinueAsNew, EntityId, GuestFault, HttpCall, HttpContent, HttpHeaders, HttpRequest,
    Json, RetryPolicy, RuntimeState, TaskId, Timestamp,
};
use std::{future::poll_fn, sync::Arc, task::Poll, time::Duration};
use wasmtime::Result;

impl OrchestratorState {
    fn json(&self, what: &str, text: String) -> Result<Json, GuestStop> {
        self.shared.value(what, text).map_err(GuestStop::from)
    }
}

impl OrchestratorState {
    /// Suspends the guest until there is an answer.
    async fn wait(
        &mut self,
        answer: impl Fn(&mut RuntimeState) -> Result<Option<TaskId>, GuestFault> + Send,
    ) -> Result<u32> {
        drop(self.context()?);
        let (context, control) = (self.context.clone(), Arc::clone(&self.control));
        let context = context.expect("without one, the line above returns");
        let done = poll_fn(|_| match answer(&mut context.lock()) {
            Ok(Some(task)) => Poll::Ready(Ok(task.0)),
            Ok(None) => {
                // Nothing wakes the guest: the next turn polls it again.
                control.park();
                Poll::Pending
            }
            Err(fault) => Poll::Ready(Err(stop(fault))),
        });
        done.await
    }
}

/// A fault of the orchestrator stops it.
fn stop(fault: GuestFault) -> wasmtime::Error {
    GuestStop::Fault(fault).into()
}

fn entity_id(id: &types::EntityId) -> Result<EntityId, GuestStop> {
    EntityId::new(&id.name, &id.key).map_err(|invalid| GuestStop::InvalidArgument(invalid.to_string()))
}

fn retry_policy(policy: wit::RetryPolicy) -> RetryPolicy {
    RetryPolicy {
        first_retry_interval: Duration::from_millis(policy.first_retry_interval_ms),
        max_attempts: policy.max_attempts,
        backoff_coefficient: policy.backoff_coefficient,
        max_retry_interval: policy.max_retry_interval_ms.map(Duration::from_millis),
        retry_timeout: policy.retry_timeout_ms.map(Duration::from_millis),
        jitter: policy.jitter,
        handle: policy.handle,
    }
}

fn http_request(
    request: types::HttpRequest,
    asynchronous_pattern_enabled: bool,
    status_codes_to_retry: Option<Vec<u16>>,
) -> Result<HttpRequest, GuestStop> {
    let header = |(name, value): (String, Vec<u8>)| {
        let invalid = |_| GuestStop::InvalidArgument(format!("the header {name:?} is not text in UTF-8"));
        let value = String::from_utf8(value).map_err(invalid)?;
        Ok((name, value))
    };
    Ok(HttpRequest {
        method: request.method,
        uri: request.uri,
        headers: request.headers.into_iter().map(header).collect::<Result<HttpHeaders, GuestStop>>()?,
        content: HttpContent::of(request.body),
        asynchronous_pattern_enabled,
        status_codes_to_retry,
    })
}

impl wit::Host for OrchestratorState {
    fn name(&mut self) -> Result<String> {
        Ok(self.context()?.name().to_owned())
    }

    fn instance_id(&mut self) -> Result<String> {
        Ok(self.context()?.instance().to_string())
    }

    fn execution_id(&mut self) -> Result<String> {
        Ok(self.context()?.execution().to_string())
    }

    fn parent(&mut self) -> Result<Option<wit::ParentInstance>> {
        let state = self.context()?;
        Ok(state.parent().map(|parent| wit::ParentInstance {
            name: parent.name.as_ref().to_owned(),
            instance_id: parent.instance.to_string(),
        }))
    }

    fn current_utc_date_time(&mut self) -> Result<u64> {
        Ok(self.context()?.now().as_nanos())
    }

    fn is_replaying(&mut self) -> Result<bool> {
        Ok(self.context()?.is_replaying())
    }

    fn new_guid(&mut self) -> Result<String> {
        Ok(self.context()?.new_guid().to_string())
    }

    fn call_activity(&mut self, name: String, input: String, options: wit::ActivityOptions) -> Result<u32> {
        let input = self.json("the input of an activity", input)?;
        let options = ActivityOptions {
            retry: options.retry.map(retry_policy),
            timeout: options.timeout_ms.map(Duration::from_millis),
            concurrency_key: options.concurrency_key.map(Into::into),
            priority: options.priority,
            heartbeat_timeout: options.heartbeat_timeout_ms.map(Duration::from_millis),
        };
        let task = self.context()?.call_activity(&name, input, options).map_err(stop)?;
        Ok(task.0)
    }

    fn call_sub_orchestrator(
        &mut self,
        name: String,
        input: String,
        options: wit::SubOrchestrationOptions,
    ) -> Result<u32> {
        let input = self.json("the input of a sub-orchestration", input)?;
        let (instance, retry) = (options.instance_id.as_deref(), options.retry.map(retry_policy));
        let task = self.context()?.call_sub_orchestrator(&name, instance, input, retry).map_err(stop)?;
        Ok(task.0)
    }

    fn send_event(&mut self, instance_id: String, name: String, data: String) -> Result<()> {
        let data = self.json("the data of an event", data)?;
        self.context()?.send_event(&instance_id, &name, data).map_err(stop)
    }

    fn start_orchestration(
        &mut self,
        name: String,
        input: String,
        instance_id: Option<String>,
    ) -> Result<String> {
        let input = self.json("the input of an orchestration", input)?;
        let started = self.context()?.start_orchestration(&name, instance_id.as_deref(), input);
        Ok(started.map_err(stop)?.to_string())
    }

    fn call_http(&mut self, request: types::HttpRequest, options: wit::HttpOptions) -> Result<u32> {
        let (policy, codes) = options.retry.map(|retry| (retry.policy, retry.status_codes)).unzip();
        let call = HttpCall {
            request: http_request(request, options.asynchronous_pattern, codes)?,
            retry: policy.map(retry_policy),
            timeout: options.timeout_ms.map(Duration::from_millis),
        };
        self.json("an HTTP request", Json::of(&call.request).as_str().to_owned())?;
        let task = self.context()?.call_http(call).map_err(stop)?;
        Ok(task.0)
    }

    fn create_timer(&mut self, fire_at: u64) -> Result<u32> {
        let task = self.context()?.create_timer(Timestamp::from_nanos(fire_at)).map_err(stop)?;
        Ok(task.0)
    }

    fn wait_for_external_event(&mut self, name: String) -> Result<u32> {
        let task = self.context()?.wait_for_external_event(&name).map_err(stop)?;
        Ok(task.0)
    }

    fn call_entity(&mut self, entity: types::EntityId, operation: String, input: String) -> Result<u32> {
        let input = self.json("the input of an operation", input)?;
        let task = self.context()?.call_entity(entity_id(&entity)?, &operation, input).map_err(stop)?;
        Ok(task.0)
    }

    fn signal_entity(
        &mut self,
        entity: types::EntityId,
        operation: String,
        input: String,
        at: Option<u64>,
    ) -> Result<()> {
        let input = self.json("the input of an operation", input)?;
        let (entity, due) = (entity_id(&entity)?, at.map(Timestamp::from_nanos));
        self.context()?.signal_entity(entity, &operation, input, due).map_err(stop)
    }

    fn lock_entities(&mut self, entities: Vec<types::EntityId>) -> Result<u32> {
        let entities = entities.iter().map(entity_id).collect::<Result<_, _>>()?;
        let task = self.context()?.lock_entities(entities).map_err(stop)?;
        Ok(task.0)
    }

    fn release_locks(&mut self, task: u32) -> Result<()> {
        self.context()?.release_locks(TaskId(task)).map_err(stop)
    }

    fn cancel_task(&mut self, task: u32) -> Result<()> {
        self.context()?.cancel_task(TaskId(task)).map_err(stop)
    }

    fn take_result(&mut self, task: u32) -> Result<Result<String, types::Failure>> {
        let result = self.context()?.take_result(TaskId(task)).map_err(stop)?;
        Ok(result.map(|value| value.as_str().to_owned()).map_err(failure_for_guest))
    }

    fn set_custom_status(&mut self, status: String) -> Result<()> {
        let status = self.json("the custom status", status)?;
        self.context()?.set_custom_status(status).map_err(stop)
    }

    fn continue_as_new(&mut self, input: String, options: wit::ContinueAsNewOptions) -> Result<()> {
        let input = self.json("the input to continue with", input)?;
        self.context()?.continue_as_new(ContinueAsNew {
            input,
            preserve_unprocessed_events: options.preserve_unprocessed_events,
            keep_version: options.keep_version,
        });
        Ok(())
    }

    async fn wait_any(&mut self, tasks: Vec<u32>) -> Result<u32> {
        let tasks: Vec<TaskId> = tasks.into_iter().map(TaskId).collect();
        self.wait(|state| state.wait_any(&tasks)).await
    }

    async fn wait_next(&mut self, added: Vec<u32>) -> Result<u32> {
        let added: Vec<TaskId> = added.into_iter().map(TaskId).collect();
        self.context()?.await_tasks(&added).map_err(stop)?;
        self.wait(RuntimeState::wait_next).await
    }
}
