//! Human interaction: an event from outside, or a time-out.
//!
//! ```text
//! curl -i -X POST http://127.0.0.1:7071/api/orchestrators/WaitForApproval/order-7 -d '{"timeoutSeconds":300}'
//! ```
//!
//! Then post `true` or `false` to the answer's `sendEventPostUri`, with `Approval` for `{eventName}`.

use durance_sdk::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    timeout_seconds: f64,
}

#[orchestrator(name = "WaitForApproval")]
async fn wait_for_approval(ctx: OrchestrationContext, input: Input) -> Result<&'static str> {
    let timeout = Duration::try_from_secs_f64(input.timeout_seconds)?;
    let approval = ctx.wait_for_external_event::<bool>("Approval");
    match select(approval, ctx.create_timer(timeout)).await {
        Either::Left((is_approved, _)) => Ok(if is_approved? { "approved" } else { "rejected" }),
        Either::Right(_) => Ok("timed out"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use durance_sdk::testing::TestHub;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn input() -> Value {
        json!({ "timeoutSeconds": (30 * DAY).as_secs() })
    }

    #[test]
    fn an_answer_decides() {
        for (answer, output) in [(true, "approved"), (false, "rejected")] {
            let run = TestHub::new()
                .raise_event_after(29 * DAY, "approval", answer)
                .run("WaitForApproval", input());
            assert_eq!(run.output::<String>(), output);
        }
    }

    #[test]
    fn without_an_answer_it_times_out_after_a_month() {
        let run =
            TestHub::new().raise_event_after(31 * DAY, "approval", true).run("WaitForApproval", input());
        assert_eq!((run.output::<String>().as_str(), run.elapsed()), ("timed out", 30 * DAY));
    }

    #[test]
    fn an_answer_that_is_no_boolean_fails_it() {
        let run = TestHub::new().raise_event_after(DAY, "Approval", "yes").run("WaitForApproval", input());
        assert_eq!(run.failure().map(|failure| failure.error_type.as_str()), Some("InvalidResult"));
    }
}
