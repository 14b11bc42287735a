//! One call of a timer-triggered function.

use crate::{
    bindings::{RunTimerParams, RunTimerResult, TimerInfo},
    call_state::{CallState, Trigger},
    component::{ReadyComponent, call_store},
    error::{Stop, failure_from_guest},
    shared::Shared,
};
use durance_durable::TaskFailureDetails;
use durance_taskhub::TimerCall;
use std::sync::Arc;
use uuid::Uuid;

pub(crate) async fn run(
    shared: &Arc<Shared>,
    component: &ReadyComponent,
    function: Arc<str>,
    call: &TimerCall,
) -> Result<(), TaskFailureDetails> {
    let export =
        component.exports.run_timer.as_ref().expect("a component with such functions has the export");
    let state = CallState::new(Arc::clone(shared), Arc::clone(&function), Uuid::new_v4(), Trigger::Timer);
    let mut store = call_store(&component.calls, state);
    let timer = TimerInfo { scheduled_time: call.scheduled.as_nanos(), is_past_due: call.is_past_due };
    let answer = async {
        let instance = component.calls.instantiate_async(&mut store).await?;
        let run = instance.get_typed_func::<RunTimerParams<'_>, RunTimerResult>(&mut store, export)?;
        run.call_async(&mut store, (&function, timer)).await
    };
    match answer.await {
        Ok((Ok(()),)) => Ok(()),
        Ok((Err(failure),)) => Err(failure_from_guest(failure)),
        Err(error) => {
            let state = store.data();
            let stop = Stop::of(&error, state.limiter.refused(), state.log());
            Err(stop.into_failure(shared.settings.memory_bytes_max))
        }
    }
}
