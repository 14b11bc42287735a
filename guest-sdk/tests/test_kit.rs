//! The test kit, on orchestrators made for it.

#![expect(clippy::panic, reason = "one that crashes is among them")]

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use durance_sdk::prelude::*;
use durance_sdk::testing::{CallKind, TestHub};
use durance_sdk::{ContinueAsNewOptions, RuntimeStatus};

const DAY: Duration = Duration::from_secs(24 * 3600);
const SECOND: Duration = Duration::from_secs(1);

#[orchestrator]
async fn sums(ctx: OrchestrationContext, numbers: Vec<u32>) -> Result<u32> {
    let squares = numbers.iter().map(|number| ctx.call_activity::<u32>("square", number));
    Ok(try_join_all(squares).await?.into_iter().sum())
}

#[activity]
fn square(number: u32) -> u32 {
    number * number
}

#[activity]
fn third_time(_input: (), context: ActivityContext) -> Result<(u32, String)> {
    if context.attempt() < 3 {
        return Err(Error::new("NotYet", "come back later"));
    }
    Ok((context.attempt(), context.instance_id().unwrap_or_default()))
}

#[orchestrator]
async fn persistent(ctx: OrchestrationContext) -> Result<(u32, String)> {
    let policy = RetryPolicy::new(5, 10 * SECOND).backoff_coefficient(2.0);
    ctx.call_activity_with("third_time", (), policy).await
}

/// Reminds once a day, until somebody answers or the month is over.
#[orchestrator]
async fn monthly(ctx: OrchestrationContext) -> Result<String> {
    let mut answer = ctx.wait_for_external_event::<String>("Answer");
    for day in 1..=30 {
        ctx.set_custom_status(day)?;
        match select(answer, ctx.create_timer(DAY)).await {
            Either::Left((answer, _)) => return answer,
            Either::Right((_, still_open)) => answer = still_open,
        }
        ctx.call_activity::<()>("remind", day).await?;
    }
    Ok("nobody answered".to_owned())
}

#[orchestrator]
async fn eternal(ctx: OrchestrationContext, round: u32) -> Result<()> {
    ctx.create_timer(DAY).await?;
    ctx.continue_as_new_with(round + 1, ContinueAsNewOptions::default().discard_unprocessed_events())
}

#[orchestrator]
async fn parent(ctx: OrchestrationContext, names: Vec<String>) -> Result<Vec<String>> {
    let children = names.iter().map(|name| ctx.call_sub_orchestrator("child", name));
    try_join_all(children).await
}

#[orchestrator]
async fn child(ctx: OrchestrationContext, name: String) -> Result<String> {
    ctx.create_timer(SECOND).await?;
    match ctx.parent() {
        Some(parent) if name != "bad" => Ok(format!("{name} of {}", parent.instance_id)),
        _ => Err(Error::new("BadChild", name)),
    }
}

/// A global that changes from run to run.
#[orchestrator]
async fn forgetful(ctx: OrchestrationContext) -> Result<()> {
    thread_local! {
        static RUNS: Cell<u32> = const { Cell::new(0) };
    }
    RUNS.set(RUNS.get() + 1);
    ctx.call_activity::<u32>("square", RUNS.get()).await?;
    ctx.create_timer(SECOND).await
}

#[orchestrator]
async fn crashing(ctx: OrchestrationContext) -> Result<()> {
    ctx.create_timer(SECOND).await?;
    panic!("what now?")
}

#[test]
fn activities_of_the_crate_and_fakes_run() {
    let run = TestHub::new().run("sums", vec![1, 2, 3]);
    assert_eq!((run.output::<u32>(), run.elapsed()), (14, Duration::ZERO));
    assert_eq!(run.activity_inputs("Square"), [json!(1), json!(2), json!(3)]);

    let hub = TestHub::new().slow_activity("square", 5 * SECOND, |number: u32| Ok(number * 100));
    let run = hub.run("sums", vec![1, 2, 3]);
    assert_eq!((run.output::<u32>(), run.elapsed()), (600, 5 * SECOND));
}

#[test]
fn retries_wait_in_virtual_time() {
    let run = TestHub::new().instance_id("job").run("persistent", ());
    assert_eq!(run.output::<(u32, String)>(), (3, "job".to_owned()));
    assert_eq!(run.elapsed(), 30 * SECOND);
    assert_eq!(run.calls().len(), 1, "one task, whatever the number of its attempts");
}

#[test]
fn month_passes_at_once_and_everything_is_recorded() {
    let reminded = Rc::new(RefCell::new(Vec::new()));
    let hub = || {
        let reminded = Rc::clone(&reminded);
        TestHub::new().activity("remind", move |day: u32| {
            reminded.borrow_mut().push(day);
            Ok(())
        })
    };
    let run = hub().run("monthly", ());
    assert_eq!(run.output::<String>(), "nobody answered");
    assert_eq!(run.elapsed(), 30 * DAY);
    assert_eq!(*reminded.borrow(), (1..=30).collect::<Vec<_>>());
    assert_eq!(run.custom_status::<u32>(), Some(30));
    assert_eq!(run.custom_statuses().len(), 30);

    let run = hub().raise_event_after(2 * DAY + SECOND, "answer", "yes").run("monthly", ());
    assert_eq!((run.output::<String>().as_str(), run.elapsed()), ("yes", 2 * DAY + SECOND));
    let timers = run.calls().iter().filter(|call| call.kind == CallKind::Timer);
    assert_eq!(timers.map(|timer| timer.after).collect::<Vec<_>>(), [Duration::ZERO, DAY, 2 * DAY]);
}

#[test]
fn eternal_orchestration_is_looked_at_for_a_time() {
    let run = TestHub::new().run_for(3 * DAY, "eternal", 7);
    assert_eq!(run.status(), RuntimeStatus::Running);
    assert_eq!(run.inputs(), [json!(7), json!(8), json!(9), json!(10)]);
}

#[test]
fn sub_orchestrations_run_and_fail_as_in_the_host() {
    let run = TestHub::new().run("parent", ["a", "b"]);
    assert_eq!(run.output::<Vec<String>>(), ["a of test", "b of test"]);
    let run = TestHub::new().run("parent", ["a", "bad"]);
    assert_eq!(run.failure().map(|failure| failure.error_type.as_str()), Some("BadChild"));
    let run = TestHub::new().sub_orchestrator("Child", |name: String| Ok(name)).run("parent", ["a"]);
    assert_eq!((run.output::<Vec<String>>(), run.elapsed()), (vec!["a".to_owned()], Duration::ZERO));
}

#[test]
fn orchestrator_that_does_not_do_the_same_again_fails() {
    let run = TestHub::new().run("forgetful", ());
    let failure = run.failure().expect("it fails");
    assert_eq!(failure.error_type, "NonDeterministicOrchestration");
    assert!(failure.message.contains("input 1") && failure.message.contains("input 2"), "{failure:?}");
}

#[test]
fn panic_is_a_trap_and_a_missing_activity_says_what_to_do() {
    let run = TestHub::new().run("crashing", ());
    let failure = run.failure().expect("it fails");
    assert_eq!((failure.error_type.as_str(), run.status()), ("Trap", RuntimeStatus::Failed));
    assert!(failure.message.contains("what now?"), "{failure:?}");

    let run = TestHub::new().raise_event_after(DAY, "unheard", ()).run("monthly", ());
    let failure = run.failure().expect("it fails");
    assert_eq!(failure.error_type, "UnknownActivity");
    assert!(failure.message.contains("give the hub a fake"), "{failure:?}");
}

#[test]
fn suspended_orchestration_goes_on_when_it_is_resumed_and_a_terminated_one_never() {
    let hub = || TestHub::new().activity("remind", |_: u32| Ok(()));
    let run = hub()
        .suspend_after(SECOND)
        .raise_event_after(2 * SECOND, "Answer", "late")
        .resume_after(DAY / 2)
        .run("monthly", ());
    assert_eq!((run.output::<String>().as_str(), run.elapsed()), ("late", DAY / 2));
    let run = hub().suspend_after(SECOND).run("monthly", ());
    assert_eq!(run.status(), RuntimeStatus::Suspended);
    let run = hub().terminate_after(DAY, "enough").run("monthly", ());
    assert_eq!((run.status(), run.elapsed()), (RuntimeStatus::Terminated, DAY));
}

#[orchestrator]
async fn sender(ctx: OrchestrationContext) -> Result<String> {
    let receiver = ctx.start_new_orchestration("receiver", ctx.instance_id())?;
    for number in 1..=3 {
        ctx.send_event(&receiver, "number", number)?;
    }
    ctx.wait_for_external_event("sum").await
}

#[orchestrator]
async fn receiver(ctx: OrchestrationContext, sender: String) -> Result<()> {
    let mut sum = 0;
    for _ in 0..3 {
        sum += ctx.wait_for_external_event::<u32>("number").await?;
    }
    ctx.send_event(&sender, "sum", format!("{sum}"))
}

#[test]
fn orchestrations_that_go_their_own_way_are_started_and_send_each_other_events() {
    let run = TestHub::new().run("sender", ());
    assert_eq!(run.output::<String>(), "6");
    let kinds: Vec<_> = run.calls().iter().map(|call| (call.kind, call.name.as_str())).collect();
    let number = (CallKind::Event, "number");
    assert_eq!(kinds, [(CallKind::Start, "receiver"), number, number, number, (CallKind::Event, "sum")]);
}

/// Gives the activity a minute.
#[orchestrator]
async fn impatient(ctx: OrchestrationContext) -> Result<&'static str> {
    let policy = RetryPolicy::new(9, 45 * SECOND);
    let activity = ctx.call_activity_with::<()>("remind", 1, policy);
    match select(activity, ctx.create_timer(60 * SECOND)).await {
        Either::Left(_) => return Ok("done"),
        Either::Right((_, activity)) => drop(activity),
    }
    ctx.create_timer(DAY).await?;
    Ok("given up")
}

#[test]
fn an_activity_that_is_given_up_is_not_tried_again() {
    let attempts = Rc::new(Cell::new(0));
    let counted = Rc::clone(&attempts);
    let hub = TestHub::new().activity("remind", move |_: u32| {
        counted.set(counted.get() + 1);
        Err::<(), _>(Error::new("Deaf", "nobody hears it"))
    });
    assert_eq!(hub.run("impatient", ()).output::<String>(), "given up");
    assert_eq!(attempts.get(), 2, "at once, and after 45 s");
}

#[test]
fn an_activity_that_takes_too_long_fails_after_its_timeout() {
    let hub = TestHub::new().slow_activity("square", 10 * SECOND, |number: u32| Ok(number));
    let run = hub.run("hasty", ());
    assert_eq!(run.failure().map(|failure| failure.error_type.as_str()), Some("Timeout"));
    assert_eq!(run.elapsed(), 3 * SECOND);
}

#[test]
fn an_activity_that_gives_no_heartbeat_is_tried_again() {
    let hub = TestHub::new().slow_activity("square", 10 * SECOND, |number: u32| Ok(number));
    let run = hub.run("anxious", ());
    assert_eq!(run.failure().map(|failure| failure.error_type.as_str()), Some("HeartbeatTimeout"));
    assert_eq!(run.elapsed(), (2 + 1 + 2) * SECOND, "two attempts, and the wait between them");
}

#[orchestrator]
async fn anxious(ctx: OrchestrationContext) -> Result<u32> {
    let options = ActivityOptions::default()
        .heartbeat_timeout(2 * SECOND)
        .timeout(3 * SECOND)
        .concurrency_key("squares")
        .priority(1)
        .retry(RetryPolicy::new(2, SECOND));
    ctx.call_activity_with("square", 1, options).await
}

#[test]
fn a_sub_orchestration_is_tried_again_by_its_policy() {
    let mut failures = 2;
    let hub = TestHub::new().sub_orchestrator("child", move |name: String| {
        if failures > 0 {
            failures -= 1;
            return Err(Error::new("NotYet", "come back later"));
        }
        Ok(name)
    });
    let run = hub.run("patient_parent", ());
    assert_eq!((run.output::<String>().as_str(), run.elapsed()), ("a", 2 * SECOND));
    let children = run.calls().iter().filter(|call| call.kind == CallKind::SubOrchestration);
    assert_eq!(children.map(|child| child.after).collect::<Vec<_>>(), [0, 1, 2].map(Duration::from_secs));
}

#[orchestrator]
async fn patient_parent(ctx: OrchestrationContext) -> Result<String> {
    ctx.call_sub_orchestrator_with("child", "a", RetryPolicy::new(3, SECOND)).await
}

#[orchestrator]
async fn hasty(ctx: OrchestrationContext) -> Result<u32> {
    ctx.call_activity_with("square", 1, ActivityOptions::default().timeout(3 * SECOND)).await
}

#[orchestrator(name = "Order")]
async fn order(ctx: OrchestrationContext) -> Result<String> {
    let request = Request::new("POST", "https://shop.example/orders").with_body("2 apples");
    let response = ctx.call_http(request.with_header("Authorization", "secret")).await?;
    Ok(format!("{} {}", response.status(), String::from_utf8_lossy(response.bytes())))
}

#[test]
fn requests_and_their_polls_are_answered_by_a_closure() {
    let mut polls = 0;
    let run = TestHub::new()
        .http(move |request| {
            if request.method() == "POST" {
                assert_eq!(
                    (request.body(), request.header("authorization")),
                    (&b"2 apples"[..], Some("secret"))
                );
                return Ok(Response::new(202)
                    .header("location", "https://shop.example/orders/7")
                    .header("retry-after", "60"));
            }
            assert_eq!(request.uri(), "https://shop.example/orders/7");
            polls += 1;
            Ok(if polls < 3 {
                Response::new(202).header("location", "https://shop.example/orders/7")
            } else {
                Response::text("sent")
            })
        })
        .run("Order", ());
    assert_eq!(run.output::<String>(), "200 sent");
}
