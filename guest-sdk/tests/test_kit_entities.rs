//! The test kit, on entities made for it.

#![expect(
    clippy::panic,
    clippy::mem_forget,
    reason = "one that crashes and one that is careless are among them"
)]

use durance_sdk::RuntimeStatus;
use durance_sdk::prelude::*;
use durance_sdk::testing::{CallKind, TestHub};
use serde::{Deserialize, Serialize};

const SECOND: Duration = Duration::from_secs(1);

#[derive(Default, Serialize, Deserialize)]
struct Purse(i64);

#[entity(name = "Purse")]
impl Purse {
    fn put(&mut self, amount: i64) -> i64 {
        self.0 += amount;
        self.0
    }

    fn take(&mut self, amount: i64) -> Result<i64> {
        self.0 -= amount;
        if self.0 < 0 {
            return Err(Error::non_retriable("Empty", format!("it lacks {}", -self.0)));
        }
        Ok(self.0)
    }

    /// Gives all that it has to another one, in a second.
    fn give(&mut self, other: String, context: &mut EntityContext) -> Result<()> {
        context.signal_entity_at(("purse", other), "put", self.0, SECOND)?;
        context.delete_state();
        Ok(())
    }

    fn begin(&mut self, orchestrator: String, context: &mut EntityContext) -> Result<String> {
        self.0 = 99;
        context.start_new(&orchestrator, "x")
    }

    fn crash(&mut self) {
        self.0 = 99;
        panic!("no bottom")
    }
}

#[orchestrator(name = "Pay")]
async fn pay(ctx: OrchestrationContext, amount: i64) -> Result<i64> {
    ctx.call_entity(("Purse", "mine"), "take", amount).await
}

#[test]
fn operations_change_the_state_and_failed_ones_leave_it() {
    let hub = || TestHub::new().entity_state(("purse", "mine"), 10);
    let run = hub().run("Pay", 4);
    assert_eq!((run.output::<i64>(), run.entity_state::<i64>(("Purse", "mine"))), (6, Some(6)));
    let [call] = run.calls() else { panic!("one call: {:?}", run.calls()) };
    assert_eq!((call.kind, &*call.name, &call.input), (CallKind::EntityCall, "take", &json!(4)));
    assert_eq!(call.entity, Some(EntityId::new("purse", "mine")));

    let run = hub().run("Pay", 11);
    assert_eq!(run.failure().map(|failure| &*failure.message), Some("it lacks 1"));
    assert_eq!(run.entity_state::<i64>(("purse", "mine")), Some(10));
}

#[orchestrator(name = "Call")]
async fn call(ctx: OrchestrationContext, (operation, input): (String, Value)) -> Result<Value> {
    ctx.call_entity(("Purse", "mine"), &operation, input).await
}

#[test]
fn signals_of_entities_come_when_they_are_due_and_deleted_states_are_gone() {
    let run = TestHub::new().entity_state(("purse", "mine"), 10).run("GiveAndWait", ());
    assert_eq!(run.output::<(i64, i64)>(), (0, 10));
    assert_eq!(run.entity_state::<i64>(("purse", "mine")), None);
}

#[orchestrator(name = "GiveAndWait")]
async fn give_and_wait(ctx: OrchestrationContext) -> Result<(i64, i64)> {
    ctx.signal_entity(("Purse", "mine"), "give", "yours")?;
    let before = ctx.call_entity(("Purse", "yours"), "put", 0).await?;
    ctx.create_timer(2 * SECOND).await?;
    Ok((before, ctx.call_entity(("Purse", "yours"), "put", 0).await?))
}

#[test]
fn entities_start_orchestrations_crash_and_are_missed_as_in_the_host() {
    let mut started = Vec::new();
    let (sender, receiver) = std::sync::mpsc::channel();
    let hub = TestHub::new().sub_orchestrator("Other", move |input: String| Ok(sender.send(input)?));
    let run = hub.run("Call", json!(["begin", "Other"]));
    started.extend(receiver.try_iter());
    assert_eq!((started, run.entity_state::<i64>(("purse", "mine"))), (vec!["x".to_owned()], Some(99)));

    for (operation, input, error_type) in
        [("begin", json!("Nobody"), "UnknownOrchestrator"), ("crash", json!(null), "Trap")]
    {
        let run = TestHub::new().run("Call", json!([operation, input]));
        assert_eq!(run.failure().map(|failure| &*failure.error_type), Some(error_type));
        assert_eq!(run.entity_state::<i64>(("purse", "mine")), None);
    }
    let run = TestHub::new().run("Locks", json!([["Absent", "a"]]));
    assert_eq!(run.failure().map(|failure| &*failure.error_type), Some("UnknownEntity"));
}

#[test]
fn a_fake_takes_the_place_of_all_entities_of_a_name() {
    let hub = TestHub::new().entity("purse", |operation, input| Ok(format!("{operation} {input}")));
    let run = hub.run("Call", json!(["take", 3]));
    assert_eq!(run.output::<String>(), "take 3");
    assert_eq!(run.entity_state::<i64>(("purse", "mine")), None);
}

/// Calls each of the entities that it locks, and holds the locks for a second.
#[orchestrator(name = "Locks")]
async fn locks(ctx: OrchestrationContext, entities: Vec<(String, String)>) -> Result<Duration> {
    let began = ctx.current_utc_date_time();
    let _lock = ctx.lock_entities(entities.clone()).await?;
    let waited = ctx.current_utc_date_time().duration_since(began)?;
    for entity in entities {
        ctx.call_entity::<i64>(entity, "put", 1).await?;
    }
    ctx.create_timer(SECOND).await?;
    Ok(waited)
}

#[orchestrator(name = "Rivals")]
async fn rivals(ctx: OrchestrationContext, both: [Vec<(String, String)>; 2]) -> Result<Vec<Duration>> {
    let rivals = both.map(|entities| ctx.call_sub_orchestrator("Locks", entities));
    try_join_all(rivals).await
}

#[test]
fn locks_are_held_by_one_at_a_time_and_waited_for_without_deadlock() {
    let rivals = json!([[["Purse", "a"], ["Purse", "b"]], [["Purse", "c"], ["Purse", "b"], ["Purse", "a"]]]);
    let run = TestHub::new().signal_entity_after(SECOND / 2, ("Purse", "a"), "put", 10).run("Rivals", rivals);
    assert_eq!(run.output::<Vec<Duration>>(), [Duration::ZERO, SECOND]);
    assert_eq!(run.elapsed(), 2 * SECOND);
    assert_eq!(run.entity_state::<i64>(("purse", "a")), Some(12));
    let locks: Vec<_> = run.calls().iter().filter(|call| call.kind == CallKind::Lock).collect();
    assert_eq!(locks[1].input, json!(["@purse@a", "@purse@b", "@purse@c"]));
}

/// Ends without giving its locks back, then calls what was locked.
#[orchestrator(name = "Careless")]
async fn careless(ctx: OrchestrationContext, round: u32) -> Result<i64> {
    let lock = ctx.lock_entities([("Purse", "a")]).await?;
    std::mem::forget(lock);
    if round == 0 {
        ctx.continue_as_new(1)?;
        return Ok(0);
    }
    ctx.call_entity(("Purse", "a"), "put", 1).await
}

#[test]
fn locks_end_with_their_holder_and_the_rules_are_those_of_the_host() {
    assert_eq!(TestHub::new().run("Careless", 0).output::<i64>(), 1);
    let run = TestHub::new().run("RuleBreaker", ());
    assert_eq!(run.status(), RuntimeStatus::Failed);
    assert_eq!(run.failure().map(|failure| &*failure.error_type), Some("LockingRulesViolation"));
}

#[orchestrator(name = "RuleBreaker")]
async fn rule_breaker(ctx: OrchestrationContext) -> Result<i64> {
    let _lock = ctx.lock_entities([("Purse", "a")]).await?;
    ctx.call_entity(("Purse", "b"), "put", 1).await
}
