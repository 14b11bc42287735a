//! Durable entities over HTTP and from functions: `Counter`, `Account` and `Transfer`, and `Fragile`, which fails.

use durance_tests::{AppFolder, Client, Launch, MANAGEMENT, eventually, guests, is_finished, samples};
use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};

fn path(name: &str, key: &str) -> String {
    format!("{MANAGEMENT}/entities/{name}/{key}")
}

async fn signal(client: &Client, name: &str, key: &str, operation: &str, input: Value) {
    let path = format!("{}?op={operation}", path(name, key));
    let client = client.with_header("content-type", "application/json");
    let _accepted = client.post(&path, input.to_string()).await.expect(202);
}

/// The state; `null` where there is none.
async fn state(client: &Client, name: &str, key: &str) -> Value {
    let reply = client.get(&path(name, key)).await;
    if reply.status == 404 { Value::Null } else { reply.expect(200).json() }
}

async fn becomes(client: &Client, name: &str, key: &str, expected: &Value) {
    let look = async || (state(client, name, key).await == *expected).then_some(());
    eventually(|| format!("@{name}@{key} becomes {expected}"), look).await;
}

/// The output of `CallEntity`.
async fn call(client: &Client, id: &str, key: &str, operation: &str, input: Value) -> Value {
    let call = json!({ "key": key, "operation": operation, "input": input });
    let _started = client.start("CallEntity", id, &call).await.expect(202);
    client.output(id).await
}

#[tokio::test]
async fn counter_counts_what_it_is_sent() {
    let host = samples();
    let client = host.client();
    let nothing = client.get(&path("Counter", "http")).await;
    assert!(nothing.expect_problem(404).contains("@counter@http"));
    let adds = (1..=100).map(|_| signal(&client, "Counter", "http", "add", json!(2)));
    join_all(adds).await;
    becomes(&client, "counter", "http", &json!(200)).await;
    // Operations without regard to case, keys with it.
    signal(&client, "COUNTER", "http", "Add", json!(1)).await;
    signal(&client, "Counter", "HTTP", "add", json!(7)).await;
    becomes(&client, "Counter", "http", &json!(201)).await;
    becomes(&client, "Counter", "HTTP", &json!(7)).await;
    signal(&client, "Counter", "$", "add", json!(1)).await;
    becomes(&client, "Counter", "$", &json!(1)).await;
    signal(&client, "Counter", "http", "reset", Value::Null).await;
    becomes(&client, "Counter", "http", &json!(0)).await;
    let _accepted = client.delete(&path("Counter", "http")).await.expect(202);
    becomes(&client, "Counter", "http", &Value::Null).await;
}

#[tokio::test]
async fn failed_signals_change_nothing_and_stop_nothing() {
    let host = samples();
    let client = host.client();
    signal(&client, "Counter", "fails", "multiply", json!(2)).await;
    signal(&client, "Counter", "fails", "add", json!("two")).await;
    signal(&client, "Counter", "fails", "add", json!(5)).await;
    signal(&client, "Counter", "fails", "add", json!(i64::MAX)).await;
    signal(&client, "Counter", "fails", "add", json!(1)).await;
    becomes(&client, "Counter", "fails", &json!(6)).await;
}

#[tokio::test]
async fn wrong_requests_to_entities_are_refused() {
    let host = samples();
    let client = host.client();
    let json = client.with_header("content-type", "application/json");
    let add = format!("{}?op=add", path("Counter", "wrong"));
    let _not_json = json.post(&add, "{").await.expect_problem(400);
    assert!(json.post(&path("Nobody", "x"), "1").await.expect_problem(400).contains("Counter"));
    assert!(json.post(&path("Coun%40ter", "x"), "1").await.expect_problem(400).contains("'@'"));
    for (method, path, status) in [
        (Method::POST, path("Counter", "a%2Fb"), 400),
        (Method::POST, format!("{add}&operation=x"), 400),
        (Method::POST, format!("{add}&signalTime=soon"), 400),
        (Method::GET, format!("{MANAGEMENT}/entities?fetchState=perhaps"), 400),
        (Method::GET, format!("{MANAGEMENT}/entities?top=0"), 400),
        (Method::POST, format!("{MANAGEMENT}/entities/Counter"), 405),
        (Method::GET, format!("{}/more", path("Counter", "x")), 404),
    ] {
        let reply = client.send(method, &path, "").await;
        assert!(!reply.expect_problem(status).is_empty(), "{path}");
    }
    assert_eq!(state(&client, "Counter", "wrong").await, Value::Null);
}

#[tokio::test]
async fn entities_are_listed_with_their_states_page_by_page() {
    // Without `Heartbeat`, which makes an entity of its own.
    let app = AppFolder::temporary("").sample("counter.wasm").sample("account.wasm");
    let host = Launch::of(&app).start();
    let client = host.client();
    for (key, amount) in [("a", 1), ("b", 2), ("c", 3)] {
        signal(&client, "Counter", key, "add", json!(amount)).await;
        becomes(&client, "Counter", key, &json!(amount)).await;
    }
    signal(&client, "Account", "ada", "deposit", json!(5)).await;
    becomes(&client, "Account", "ada", &json!({ "balance": 5 })).await;

    let all = client.get(&format!("{MANAGEMENT}/entities")).await.expect(200).json();
    assert_eq!(all.as_array().map(Vec::len), Some(4), "{all}");
    assert_eq!(all[0]["entityId"], json!({ "name": "account", "key": "ada" }));
    assert_eq!(all[0]["state"], Value::Null);
    assert!(all[0]["lastOperationTime"].as_str().is_some_and(|time| time.ends_with('Z')), "{all}");
    let list = format!("{MANAGEMENT}/entities/Counter?fetchState=true&top=2");
    let first = client.get(&list).await.expect(200);
    let token = first.header("x-ms-continuation-token").expect("there is more").to_owned();
    let second = client.with_header("x-ms-continuation-token", &token).get(&list).await.expect(200);
    assert_eq!(second.header("x-ms-continuation-token"), None);
    let states: Vec<_> =
        [first.json(), second.json()].iter().flat_map(|page| page.as_array().cloned().unwrap()).collect();
    assert_eq!(states.iter().map(|row| &row["state"]).collect::<Vec<_>>(), [1, 2, 3]);
    let since = states[2]["lastOperationTime"].as_str().unwrap();
    let late = format!("{MANAGEMENT}/entities/counter?lastOperationTimeFrom={since}");
    assert_eq!(client.get(&late).await.expect(200).json().as_array().map(Vec::len), Some(1));
}

/// Starts this many transfers between accounts `{prefix}0` to `{prefix}3`, at the same time.
async fn start_transfers(client: &Client, prefix: &str, count: u64) -> Vec<String> {
    let start = async |number: u64| {
        let (from, to) = (number % 4, (number + 1 + number % 3) % 4);
        let id = format!("{prefix}-transfer-{number}");
        let input = json!({
            "from": format!("{prefix}{from}"), "to": format!("{prefix}{to}"), "amount": 60 + 2 * number,
        });
        let _started = client.start("Transfer", &id, &input).await.expect(202);
        id
    };
    join_all((0..count).map(start)).await
}

async fn total(client: &Client, prefix: &str) -> i64 {
    let mut total = 0;
    for account in 0..4 {
        let balance = state(client, "Account", &format!("{prefix}{account}")).await["balance"].as_i64();
        let balance = balance.expect("it has money, or had some");
        assert!(balance >= 0, "{balance}");
        total += balance;
    }
    total
}

#[tokio::test]
async fn transfers_at_the_same_time_conserve_the_total() {
    let host = samples();
    let client = host.client();
    for account in 0..4 {
        signal(&client, "Account", &format!("t{account}"), "deposit", json!(100)).await;
    }
    let ids = start_transfers(&client, "t", 64).await;
    let outputs = join_all(ids.iter().map(|id| client.output(id))).await;
    assert!(outputs.contains(&json!(true)) && outputs.contains(&json!(false)), "{outputs:?}");
    assert_eq!(total(&client, "t").await, 400);
    let history = client.history(&ids[0]).await;
    let kinds: Vec<_> = history.iter().filter_map(|event| event["EventType"].as_str()).collect();
    assert!(kinds.contains(&"EntityLockGranted") && kinds.contains(&"EntityUnlockSent"), "{kinds:?}");
}

#[tokio::test]
async fn account_does_not_give_what_it_does_not_have() {
    let host = samples();
    let client = host.client();
    signal(&client, "Account", "poor", "deposit", json!(5)).await;
    signal(&client, "Account", "poor", "withdraw", json!(6)).await;
    signal(&client, "Account", "poor", "deposit", json!(-1)).await;
    signal(&client, "Account", "poor", "withdraw", json!(2)).await;
    becomes(&client, "Account", "poor", &json!({ "balance": 3 })).await;
}

#[tokio::test]
async fn entities_and_their_locks_survive_a_crash() {
    let host = Launch::of(&AppFolder::samples()).start();
    let client = host.client();
    for account in 0..4 {
        signal(&client, "Account", &format!("k{account}"), "deposit", json!(100)).await;
    }
    join_all((0..200).map(|_| signal(&client, "Counter", "k", "add", json!(1)))).await;
    let later = format!("{}?op=add&signalTime=2020-01-01", path("Counter", "past"));
    let _accepted = client.post(&later, "1").await.expect(202);
    let ids = start_transfers(&client, "k", 32).await;
    let host = host.crash().start();
    let client = host.client();
    becomes(&client, "Counter", "k", &json!(200)).await;
    becomes(&client, "Counter", "past", &json!(1)).await;
    for id in &ids {
        assert!(client.output(id).await.is_boolean(), "{id}");
    }
    assert_eq!(total(&client, "k").await, 400);
}

#[tokio::test]
async fn operation_that_fails_or_traps_leaves_no_trace() {
    let host = guests();
    let client = host.client();
    assert_eq!(call(&client, "e-set", "trace", "set", json!(7)).await, Value::Null);
    for (operation, error_type) in [
        ("fail", "Broken"),
        ("trap", "Trap"),
        ("use_client", "ClientError"),
        ("nonsense", "UnknownOperation"),
    ] {
        let failure = call(&client, &format!("e-{operation}"), "trace", operation, Value::Null).await;
        assert_eq!(failure["errorType"], error_type, "{failure}");
        assert_eq!(call(&client, &format!("e-get-{operation}"), "trace", "get", Value::Null).await, 7);
    }
    let unknown = json!({ "name": "Nobody", "key": "x", "operation": "get" });
    let _started = client.start("CallEntity", "e-nobody", &unknown).await.expect(202);
    let failure = client.output("e-nobody").await;
    assert_eq!(failure["errorType"], "UnknownEntity");
    assert!(failure["message"].as_str().is_some_and(|text| text.contains("Fragile")), "{failure}");
    assert_eq!(state(&client, "Fragile", "never").await, Value::Null);
    let _nothing = client.get(&format!("{MANAGEMENT}/instances/never")).await.expect(404);
    assert_eq!(call(&client, "e-vanish", "trace", "vanish", Value::Null).await, Value::Null);
    assert_eq!(state(&client, "Fragile", "trace").await, Value::Null);
}

#[tokio::test]
async fn entity_signals_and_starts_when_its_operation_is_durable() {
    let host = guests();
    let client = host.client();
    let _set = call(&client, "p-set", "source", "set", json!(3)).await;
    let started = call(&client, "p-pass", "source", "pass_on", json!("target")).await;
    let id = started.as_str().expect("the id of what was started");
    assert!([json!(3), json!(4)].contains(&client.output(id).await));
    becomes(&client, "Fragile", "target", &json!(4)).await;
    let signal = json!({ "key": "signalled", "operation": "set", "input": 9 });
    let _started = client.start("SignalEntity", "p-signal", &signal).await.expect(202);
    becomes(&client, "Fragile", "signalled", &json!(9)).await;
}

#[tokio::test]
async fn functions_signal_read_and_list_entities() {
    let host = guests();
    let client = host.client();
    let ask = async |operation: &str, query: &str, body: &str| {
        client.post(&format!("/api/entity-client/{operation}/client{query}"), body.to_owned()).await
    };
    assert_eq!(ask("state", "", "").await.expect(200).json(), Value::Null);
    let _sent = ask("signal", "?name=set", "5").await.expect(204);
    becomes(&client, "Fragile", "client", &json!(5)).await;
    assert_eq!(ask("state", "", "").await.expect(200).json(), 5);
    let listed = ask("list", "", "").await.expect(200).json();
    assert!(listed.as_array().unwrap().contains(&json!(["client", "5"])), "{listed}");
    // `EntityClientCall` answers as the client says.
    assert!(ask("signal", "?name=set&of=Nobody", "5").await.expect_problem(404).contains("Fragile"));
    let _wrong = ask("signal", "?name=set&of=a%40b", "5").await.expect_problem(400);
}

#[tokio::test]
async fn end_of_a_lock_holder_frees_its_locks() {
    let host = guests();
    let client = host.client();
    let keys = json!(["l1", "l2"]);
    let _started = client.start("HoldLocks", "l-holder", &keys).await.expect(202);
    client.wait_for("l-holder", "has the locks", |status| status["customStatus"] == "locked").await;
    let _started = client.start("HoldLocks", "l-next", &json!(["l2", "l1"])).await.expect(202);
    let _started = client.start("LockOrGiveUp", "l-impatient", &json!(["l1", 20])).await.expect(202);
    assert_eq!(client.output("l-impatient").await, "gave up");
    signal(&client, "Fragile", "l1", "set", json!(1)).await;
    assert!(!is_finished(&client.status("l-next").await));
    assert_eq!(state(&client, "Fragile", "l1").await, Value::Null);

    let terminate = format!("{MANAGEMENT}/instances/l-holder/terminate");
    let _accepted = client.post(&terminate, "").await.expect(202);
    client.wait_for("l-next", "has the locks", |status| status["customStatus"] == "locked").await;
    client.raise_event("l-next", "go", &json!("done")).await;
    assert_eq!(client.output("l-next").await, "done");
    becomes(&client, "Fragile", "l1", &json!(1)).await;
    let _started = client.start("LockOrGiveUp", "l-patient", &json!(["l1", 60_000])).await.expect(202);
    assert_eq!(client.output("l-patient").await, "locked");
}

#[tokio::test]
async fn broken_rule_of_critical_sections_fails_the_orchestration_and_frees_its_locks() {
    let host = guests();
    let client = host.client();
    for (rule, says) in [
        ("nested", "lock more entities"),
        ("other", "is not locked"),
        ("signal", "can only call it"),
        ("child", "call a sub-orchestrator"),
        ("twice", "is not done"),
    ] {
        let id = format!("rule-{rule}");
        let _started = client.start("BreakLockingRule", &id, &json!(rule)).await.expect(202);
        let failure = client.failure(&id).await;
        assert!(failure.contains("LockingRulesViolation") && failure.contains(says), "{rule}: {failure}");
        let free = call(&client, &format!("free-{rule}"), "rule", "get", Value::Null).await;
        assert_eq!(free, 0, "{rule}");
    }
}
