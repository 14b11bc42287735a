//! One attempt of an activity.

use crate::{
    bindings::{RunParams, RunResult},
    call_state::{CallState, Trigger},
    component::{ReadyComponent, call_store},
    error::{Stop, failure_from_guest},
    shared::{InvalidValue, Shared},
};
use durance_durable::{Json, TaskFailureDetails};
use durance_taskhub::ActivityCall;
use std::sync::Arc;
use uuid::Uuid;

pub(crate) async fn run(
    shared: &Arc<Shared>,
    component: &ReadyComponent,
    function: Arc<str>,
    call: ActivityCall,
) -> Result<Json, TaskFailureDetails> {
    let export = component.exports.run_activity.as_ref().expect("a component with activities has the export");
    let input = call.call.input.clone();
    let trigger = Trigger::Activity(Box::new(call));
    let state = CallState::new(Arc::clone(shared), Arc::clone(&function), Uuid::new_v4(), trigger);
    let mut store = call_store(&component.calls, state);
    let answer = async {
        let instance = component.calls.instantiate_async(&mut store).await?;
        let run = instance.get_typed_func::<RunParams<'_>, RunResult>(&mut store, export)?;
        run.call_async(&mut store, (&function, input.as_str())).await
    };
    match answer.await {
        Ok((Ok(output),)) => shared.value("the activity's output", output).map_err(invalid_output),
        Ok((Err(failure),)) => Err(failure_from_guest(failure)),
        Err(error) => {
            let state = store.data();
            let stop = Stop::of(&error, state.limiter.refused(), state.log());
            Err(stop.into_failure(shared.settings.memory_bytes_max))
        }
    }
}

pub(crate) fn invalid_output(invalid: InvalidValue) -> TaskFailureDetails {
    match invalid {
        InvalidValue::TooLarge(text) => TaskFailureDetails::non_retriable("OutputTooLarge", text),
        InvalidValue::NotJson(text) => TaskFailureDetails::non_retriable("InvalidOutput", text),
    }
}
