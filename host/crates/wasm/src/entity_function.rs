//! One operation of an entity.

use crate::{
    activity_function::invalid_output,
    bindings::{EntityRef, EntityRequest, RunEntityParams, RunEntityResult, types},
    call_state::{CallState, Trigger},
    component::{ReadyComponent, call_store},
    error::{Stop, failure_from_guest},
    shared::Shared,
};
use durance_durable::{
    EntityAction, EntityId, EntitySignal, InstanceId, Json, NAME_BYTES_MAX, TaskFailureDetails, Timestamp,
};
use durance_taskhub::{EntityAnswer, EntityCall};
use std::sync::Arc;
use uuid::Uuid;

pub(crate) async fn run(
    shared: &Arc<Shared>,
    component: &ReadyComponent,
    function: Arc<str>,
    call: EntityCall,
) -> Result<EntityAnswer, TaskFailureDetails> {
    let export = component.exports.run_entity.as_ref().expect("a component with entities has the export");
    let trigger = Trigger::Entity(call.entity.clone());
    let state = CallState::new(Arc::clone(shared), Arc::clone(&function), Uuid::new_v4(), trigger);
    let mut store = call_store(&component.calls, state);
    let operation_id = call.operation_id.simple().to_string();
    let answer = async {
        let instance = component.calls.instantiate_async(&mut store).await?;
        let run = instance.get_typed_func::<RunEntityParams<'_>, RunEntityResult>(&mut store, export)?;
        run.call_async(&mut store, (&function, request(&call, &operation_id))).await
    };
    match answer.await {
        Ok((Ok(response),)) => answer_of(shared, response),
        Ok((Err(failure),)) => Err(failure_from_guest(failure)),
        Err(error) => {
            let state = store.data();
            let stop = Stop::of(&error, state.limiter.refused(), state.log());
            Err(stop.into_failure(shared.settings.memory_bytes_max))
        }
    }
}

fn request<'a>(call: &'a EntityCall, operation_id: &'a str) -> EntityRequest<'a> {
    EntityRequest {
        entity: EntityRef { name: call.entity.name(), key: call.entity.key() },
        operation: &call.operation,
        operation_id,
        input: call.input.as_str(),
        state: call.state.as_ref().map(Json::as_str),
        time: call.time.as_nanos(),
    }
}

fn answer_of(shared: &Shared, response: types::EntityResponse) -> Result<EntityAnswer, TaskFailureDetails> {
    Ok(EntityAnswer {
        state: response.state.map(|state| value(shared, "the entity's state", state)).transpose()?,
        result: value(shared, "the operation's result", response.result)?,
        actions: response
            .actions
            .into_iter()
            .map(|action| action_of(shared, action))
            .collect::<Result<_, _>>()?,
    })
}

fn action_of(shared: &Shared, action: types::EntityAction) -> Result<EntityAction, TaskFailureDetails> {
    match action {
        types::EntityAction::Signal(signal) => signal_of(shared, signal).map(EntityAction::Signal),
        types::EntityAction::Start(start) => Ok(EntityAction::Start {
            name: start.orchestrator.into(),
            instance: InstanceId::new(&start.instance_id).map_err(|error| invalid(error.to_string()))?,
            input: value(shared, "the input of an orchestration", start.input)?,
        }),
    }
}

fn signal_of(shared: &Shared, signal: types::EntitySignal) -> Result<EntitySignal, TaskFailureDetails> {
    if signal.operation.len() > NAME_BYTES_MAX {
        return Err(invalid(format!("the name of an operation has at most {NAME_BYTES_MAX} bytes")));
    }
    Ok(EntitySignal {
        entity: EntityId::new(&signal.entity.name, &signal.entity.key)
            .map_err(|error| invalid(error.to_string()))?,
        operation: signal.operation.into(),
        input: value(shared, "the input of a signal", signal.input)?,
        due: signal.at.map(Timestamp::from_nanos),
    })
}

fn value(shared: &Shared, what: &str, text: String) -> Result<Json, TaskFailureDetails> {
    shared.value(what, text).map_err(invalid_output)
}

fn invalid(text: String) -> TaskFailureDetails {
    TaskFailureDetails::non_retriable("InvalidArgument", text)
}
