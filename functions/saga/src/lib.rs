//! A saga: when a step fails, what was done before it is undone, the last first.
//!
//! ```text
//! curl -i -X POST http://127.0.0.1:7071/api/orchestrators/Saga -d '{"failAt":3}'
//! ```
//!
//! Then get the answer's `statusQueryGetUri`: the output is `["CancelFlight","CancelHotel"]`.

use durance_sdk::prelude::*;
use serde::Deserialize;

/// What is done, in order, and what undoes it.
const STEPS: [(&str, &str); 3] =
    [("BookHotel", "CancelHotel"), ("BookFlight", "CancelFlight"), ("BookCar", "CancelCar")];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    /// The number of the step that fails, from 1; without it, none does.
    fail_at: Option<usize>,
}

/// Its output is what it did in the end: the bookings, or how they were undone.
#[orchestrator(name = "Saga")]
async fn saga(ctx: OrchestrationContext, input: Input) -> Result<Vec<&'static str>> {
    let mut undo = Vec::new();
    for (number, (book, cancel)) in (1..).zip(STEPS) {
        let is_to_fail = input.fail_at == Some(number);
        match ctx.call_activity::<()>(book, is_to_fail).await {
            Ok(()) => undo.push(cancel),
            Err(error) => {
                ctx.set_custom_status(error.message())?;
                return compensate(ctx, undo).await;
            }
        }
    }
    Ok(STEPS.map(|(book, _)| book).to_vec())
}

async fn compensate(ctx: OrchestrationContext, mut undo: Vec<&'static str>) -> Result<Vec<&'static str>> {
    undo.reverse();
    for cancel in &undo {
        // It must succeed in the end: the customer pays for what is not cancelled.
        let policy = RetryPolicy::new(10, Duration::from_secs(1)).backoff_coefficient(2.0);
        ctx.call_activity_with::<()>(cancel, (), policy).await?;
    }
    Ok(undo)
}

fn book(what: &str, is_to_fail: bool) -> Result<()> {
    if is_to_fail { Err(Error::new("SoldOut", format!("there is no {what} left"))) } else { Ok(()) }
}

#[activity(name = "BookHotel")]
fn book_hotel(is_to_fail: bool) -> Result<()> {
    book("room", is_to_fail)
}

#[activity(name = "BookFlight")]
fn book_flight(is_to_fail: bool) -> Result<()> {
    book("seat", is_to_fail)
}

#[activity(name = "BookCar")]
fn book_car(is_to_fail: bool) -> Result<()> {
    book("car", is_to_fail)
}

#[activity(name = "CancelHotel")]
fn cancel_hotel() {}

#[activity(name = "CancelFlight")]
fn cancel_flight() {}

#[activity(name = "CancelCar")]
fn cancel_car() {}

#[cfg(test)]
mod tests {
    use super::*;
    use durance_sdk::testing::{CallKind, TestHub};

    #[test]
    fn what_was_booked_is_undone_in_reverse() {
        let run = TestHub::new().run("Saga", json!({ "failAt": 3 }));
        assert_eq!(run.output::<Vec<String>>(), ["CancelFlight", "CancelHotel"]);
        assert_eq!(run.custom_status::<String>().as_deref(), Some("there is no car left"));
        let called = run.calls().iter().filter(|call| call.kind == CallKind::Activity);
        let called: Vec<_> = called.map(|call| call.name.as_str()).collect();
        assert_eq!(called, ["BookHotel", "BookFlight", "BookCar", "CancelFlight", "CancelHotel"]);
    }

    #[test]
    fn a_cancellation_is_tried_until_it_succeeds() {
        let mut failures = 3;
        let hub = TestHub::new().activity("CancelHotel", move |_: ()| {
            failures -= 1;
            if failures > 0 { Err(Error::new("Unreachable", "the hotel does not answer")) } else { Ok(()) }
        });
        let run = hub.run("Saga", json!({ "failAt": 2 }));
        assert_eq!(run.output::<Vec<String>>(), ["CancelHotel"]);
        assert_eq!(run.elapsed(), Duration::from_secs(1 + 2), "two intervals, the second twice as long");
    }
}
