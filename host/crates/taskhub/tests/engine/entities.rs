//! Entities: operations in order, one at a time; critical sections.

use crate::support::{App, Context, Hub, Result, entity, instance, json, signal};
use durance_durable::{EntitySignal, Json, RuntimeStatus, TaskFailureDetails};
use durance_store::MemoryStore;
use durance_taskhub::{
    ClientError, Clock as _, EntityAction, EntityAnswer, EntityCall, EntityQuery, SystemClock,
    TaskHubSettings,
};
use futures_util::future::join_all;
use std::{sync::Arc, time::Duration};

fn number(text: &Json) -> i64 {
    text.as_str().parse().unwrap()
}

fn fails(what: &str) -> TaskFailureDetails {
    TaskFailureDetails::new(what, format!("it is {what}"))
}

/// An operation without actions.
fn answers(state: Option<i64>, result: i64) -> Result<EntityAnswer> {
    Ok(EntityAnswer {
        state: state.map(|state| Json::of(&state)),
        result: Json::of(&result),
        actions: Vec::new(),
    })
}

fn counter(call: EntityCall) -> Result<EntityAnswer> {
    let count = call.state.as_ref().map_or(0, number);
    match &*call.operation {
        "add" => answers(Some(count + number(&call.input)), count + number(&call.input)),
        "get" => answers(call.state.as_ref().map(number), count),
        "delete" => answers(None, count),
        // Would signal another one, but fails.
        "fail" => Err(fails("Broken")),
        "panic" => unreachable!("an executor must not do this"),
        "forward" => {
            let signal = signal(entity("counter", "other"), "add", call.input.as_str());
            let start = EntityAction::Start {
                name: "Get".into(),
                instance: instance("from-entity"),
                input: json("\"other\""),
            };
            Ok(EntityAnswer { actions: vec![EntityAction::Signal(signal), start], ..answers(Some(0), 0)? })
        }
        "start-unknown" => {
            let start =
                EntityAction::Start { name: "Nobody".into(), instance: instance("x"), input: Json::null() };
            Ok(EntityAnswer { actions: vec![start], ..answers(Some(99), 0)? })
        }
        unknown => Err(fails(unknown)),
    }
}

/// The balance may not fall below zero.
fn account(call: EntityCall) -> Result<EntityAnswer> {
    let balance = call.state.as_ref().map_or(0, number);
    match &*call.operation {
        "deposit" => answers(Some(balance + number(&call.input)), 0),
        "withdraw" if balance < number(&call.input) => Err(fails("Short")),
        "withdraw" => answers(Some(balance - number(&call.input)), 0),
        _ => answers(call.state.as_ref().map(number), balance),
    }
}

/// Moves money between the accounts of its input, `[from,to,amount]`, in a critical section.
async fn transfer(context: Context) -> Result<Json> {
    let [from, to, amount]: [i64; 3] = serde_json::from_str(context.input().as_str()).unwrap();
    let (from, to) = (entity("account", &from.to_string()), entity("account", &to.to_string()));
    let lock = context.lock(&[from.clone(), to.clone()]).await?;
    let balance = number(&context.call(from.clone(), "balance", "null").await?);
    if balance < amount {
        context.release(lock)?;
        return Ok(Json::of(&false));
    }
    context.call(from, "withdraw", &amount.to_string()).await?;
    context.call(to, "deposit", &amount.to_string()).await?;
    Ok(Json::of(&true))
}

fn app() -> App {
    App::default()
        .entity("counter", counter)
        .entity("account", account)
        .orchestrator("Transfer", transfer)
        .orchestrator("Get", |context| async move {
            let key: String = serde_json::from_str(context.input().as_str()).unwrap();
            context.call(entity("counter", &key), "get", "null").await
        })
        .orchestrator("Holds", |context| async move {
            context.lock(&[entity("account", "1"), entity("account", "2")]).await?;
            let event = context.event("go")?;
            context.result(event).await
        })
}

impl Hub {
    async fn signal(&self, key: &str, operation: &str, input: &str) {
        self.client.signal_entity(signal(entity("Counter", key), operation, input)).await.unwrap();
    }

    /// What a counter says after all that was sent to it before.
    async fn count(&self, id: &str, key: &str) -> String {
        self.start("Get", id, &Json::of(key).to_string()).await;
        self.output(id).await
    }

    fn state(&self, name: &str, key: &str) -> Option<String> {
        let record = self.client.read_entity(&entity(name, key)).unwrap();
        record.and_then(|record| record.state).map(|state| state.to_string())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_run_one_at_a_time_and_none_is_lost() {
    let hub = Hub::open(app());
    join_all((0..500).map(|_| hub.signal("a", "add", "2"))).await;
    assert_eq!(hub.count("get", "a").await, "1000");
    assert_eq!(hub.state("counter", "a").as_deref(), Some("1000"));
    let all = EntityQuery { page_size: 10, ..EntityQuery::default() };
    assert_eq!(hub.client.list_entities(all).await.unwrap().entities.len(), 1);

    hub.signal("a", "delete", "null").await;
    assert_eq!(hub.count("get-again", "a").await, "0");
    assert_eq!(hub.state("counter", "a"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_operation_leaves_nothing_but_its_failure() {
    let app = app().orchestrator("Fails", |context| async move {
        let a = entity("counter", "a");
        context.call(a.clone(), "add", "1").await?;
        let failure = context.call(a.clone(), "fail", "1").await.unwrap_err();
        context.call(a.clone(), "start-unknown", "1").await.unwrap_err();
        context.signal(a.clone(), "nonsense", "1")?;
        let unknown = context.call(entity("nobody", "a"), "add", "1").await.unwrap_err();
        let count = context.call(a, "add", "1").await?;
        Ok(Json::of(&(failure.error_type, unknown.error_type, number(&count))))
    });
    let hub = Hub::open(app);
    hub.start("Fails", "f", "null").await;
    assert_eq!(hub.output("f").await, r#"["Broken","UnknownEntity",2]"#);
    let refused = hub.client.signal_entity(signal(entity("nobody", "a"), "add", "1")).await;
    assert!(matches!(refused, Err(ClientError::UnknownEntity { .. })), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn entity_signals_others_and_starts_orchestrations() {
    let hub = Hub::open(app());
    hub.signal("a", "forward", "5").await;
    assert_eq!(hub.count("wait-for-a", "a").await, "0");
    // Sent before the orchestration was started, hence before its call.
    assert_eq!(hub.output("from-entity").await, "5");
}

#[tokio::test(flavor = "multi_thread")]
async fn signals_and_their_times_outlive_the_hub() {
    let hub = Hub::open(app());
    let due = SystemClock.now().saturating_add(Duration::from_millis(300));
    let later = EntitySignal { due: Some(due), ..signal(entity("counter", "a"), "add", "10") };
    hub.client.signal_entity(later).await.unwrap();
    hub.signal("a", "add", "1").await;
    let hub = hub.reopen(app()).await;
    assert_eq!(hub.count("early", "a").await, "1");
    let added = async {
        while hub.state("counter", "a").as_deref() != Some("11") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), added).await.unwrap();
    assert!(SystemClock.now() >= due);
}

#[tokio::test(flavor = "multi_thread")]
async fn transfers_in_critical_sections_conserve_the_total() {
    const ACCOUNTS: i64 = 4;
    let settings = TaskHubSettings { hot_instances: 8, ..TaskHubSettings::default() };
    let hub = Arc::new(Hub::open_on(Arc::new(MemoryStore::new(16)), app(), &settings));
    for key in 0..ACCOUNTS {
        let deposit = signal(entity("account", &key.to_string()), "deposit", "100");
        hub.client.signal_entity(deposit).await.unwrap();
    }
    let transfers = (0..64_i64).map(|n| {
        let hub = Arc::clone(&hub);
        tokio::spawn(async move {
            let (id, from, to) = (format!("t{n}"), n % ACCOUNTS, (n + 1 + n % 3) % ACCOUNTS);
            hub.start("Transfer", &id, &format!("[{from},{to},{}]", 60 + 2 * n)).await;
            hub.output(&id).await
        })
    });
    let outputs: Vec<_> = join_all(transfers).await.into_iter().map(|output| output.unwrap()).collect();
    assert!(outputs.iter().any(|output| output == "true") && outputs.iter().any(|output| output == "false"));
    let balances: Vec<i64> = (0..ACCOUNTS)
        .map(|key| hub.state("account", &key.to_string()).map_or(0, |text| text.parse().unwrap()))
        .collect();
    assert_eq!(balances.iter().sum::<i64>(), ACCOUNTS * 100, "{balances:?}");
    assert!(balances.iter().all(|balance| *balance >= 0), "{balances:?}");
    for key in 0..ACCOUNTS {
        let record = hub.client.read_entity(&entity("account", &key.to_string())).unwrap();
        assert_eq!(record.and_then(|record| record.lock), None, "{key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn end_of_a_lock_holder_frees_its_locks() {
    let hub = Hub::open(app());
    hub.start("Holds", "holder", "null").await;
    let locked = async {
        let holds = |hub: &Hub| hub.store.entity(&entity("account", "2")).unwrap();
        while holds(&hub).is_none_or(|record| record.lock.is_none()) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), locked).await.unwrap();
    hub.start("Transfer", "waits", "[1,2,0]").await;
    let hub = hub.reopen(app()).await;
    assert_eq!(
        hub.client.wait_for_completion(&instance("waits"), Duration::ZERO).await.unwrap().output,
        None
    );
    hub.client.terminate(&instance("holder"), "enough").await.unwrap();
    assert_eq!(hub.output("waits").await, "true");
    assert_eq!(hub.finished("holder").await.runtime_status, RuntimeStatus::Terminated);
    for key in ["1", "2"] {
        let record = hub.store.entity(&entity("account", key)).unwrap();
        assert_eq!(record.and_then(|record| record.lock), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn operation_that_breaks_the_host_is_tried_again_and_stops_nobody_else() {
    let hub = Hub::open(app());
    hub.signal("bad", "panic", "1").await;
    hub.signal("good", "add", "1").await;
    assert_eq!(hub.count("get", "good").await, "1");
    assert_eq!(hub.state("counter", "bad"), None);
}
