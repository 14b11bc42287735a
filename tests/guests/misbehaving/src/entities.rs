//! An entity whose operations go wrong, and orchestrators that use it.

use durance_sdk::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
struct Fragile(i64);

#[entity(name = "Fragile")]
impl Fragile {
    fn set(&mut self, value: i64) {
        self.0 = value;
    }

    fn get(&self) -> i64 {
        self.0
    }

    /// Does all that it can, and then fails.
    fn fail(&mut self, context: &mut EntityContext) -> Result<()> {
        self.0 = -1;
        context.signal_entity(("Fragile", "never"), "set", 1)?;
        context.start_new_with_id("CallEntity", "never", ())?;
        Err(Error::new("Broken", "it was to be expected"))
    }

    fn trap(&mut self) {
        self.0 = -1;
        panic!("a trap");
    }

    fn use_client(&mut self) -> Result<()> {
        self.0 = -1;
        Ok(OrchestrationClient::new().signal_entity(("Fragile", "never"), "set", 1)?)
    }

    /// Sets another one, at once and again later, and starts an orchestration that gets it.
    fn pass_on(&self, key: String, context: &mut EntityContext) -> Result<String> {
        context.signal_entity(("Fragile", &*key), "set", self.0)?;
        context.signal_entity_at(("Fragile", &*key), "set", self.0 + 1, Duration::from_millis(50))?;
        context.start_new("CallEntity", json!({ "key": key, "operation": "get" }))
    }

    fn vanish(&mut self, context: &mut EntityContext) {
        context.delete_state();
    }
}

#[derive(Deserialize)]
struct Call {
    #[serde(default = "fragile")]
    name: String,
    key: String,
    operation: String,
    #[serde(default)]
    input: Value,
}

fn fragile() -> String {
    "Fragile".to_owned()
}

/// Calls any operation: `{"key":"a","operation":"get"}`. A failure is answered as its type.
#[orchestrator(name = "CallEntity")]
async fn call_entity(ctx: OrchestrationContext, call: Call) -> Value {
    let result = ctx.call_entity::<Value>((call.name, call.key), &call.operation, call.input).await;
    result.unwrap_or_else(|error| json!({ "errorType": error.error_type(), "message": error.message() }))
}

/// Signals any operation, and ends: `{"key":"a","operation":"set","input":1}`.
#[orchestrator(name = "SignalEntity")]
async fn signal_entity(ctx: OrchestrationContext, call: Call) -> Result<()> {
    ctx.signal_entity((&*call.name, &*call.key), &call.operation, &call.input)?;
    ctx.signal_entity_at((call.name, call.key), &call.operation, call.input, Duration::from_millis(1))
}

/// Locks the entities of these keys, and holds them until the event `go`.
#[orchestrator(name = "HoldLocks")]
async fn hold_locks(ctx: OrchestrationContext, keys: Vec<String>) -> Result<Value> {
    let _lock = ctx.lock_entities(keys.iter().map(|key| ("Fragile", &**key))).await?;
    ctx.set_custom_status("locked")?;
    ctx.wait_for_external_event("go").await
}

/// Waits for a lock no longer than so many milliseconds, then uses the entity without it.
#[orchestrator(name = "LockOrGiveUp")]
async fn lock_or_give_up(ctx: OrchestrationContext, (key, timeout_ms): (String, u64)) -> Result<Value> {
    let lock = ctx.lock_entities([("Fragile", &*key)]);
    let timeout = ctx.create_timer(Duration::from_millis(timeout_ms));
    match select(lock, timeout).await {
        Either::Left((lock, _)) => {
            drop(lock?);
            Ok(json!("locked"))
        }
        Either::Right((fired, lock)) => {
            fired?;
            drop(lock);
            ctx.call_entity::<Value>(("Fragile", "free"), "get", ()).await?;
            Ok(json!("gave up"))
        }
    }
}

/// Breaks a rule of critical sections.
#[orchestrator(name = "BreakLockingRule")]
async fn break_locking_rule(ctx: OrchestrationContext, rule: String) -> Result<()> {
    let _lock = ctx.lock_entities([("Fragile", "rule")]).await?;
    match &*rule {
        "nested" => drop(ctx.lock_entities([("Fragile", "other")]).await?),
        "other" => ctx.call_entity(("Fragile", "other"), "get", ()).await?,
        "signal" => ctx.signal_entity(("Fragile", "rule"), "set", 1)?,
        "child" => ctx.call_sub_orchestrator("CallEntity", ()).await?,
        _ => {
            let calls = (0..2).map(|_| ctx.call_entity::<Value>(("Fragile", "rule"), "get", ()));
            let _results = join_all(calls).await;
        }
    }
    Ok(())
}
