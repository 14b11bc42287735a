//! Money moves between accounts while the host is killed again and again: none is lost, none is made, no lock stays.

use crate::{CALLERS, LIFETIME_MS, PATIENCE, random_seed};
use durance_tests::{AppFolder, Client, Host, Launch, MANAGEMENT, NoAnswer, eventually_within};
use http::Method;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

const ACCOUNTS: [&str; 5] = ["ada", "bob", "cleo", "dan", "eve"];
const TRANSFERS: usize = 400;
const DEPOSITS: usize = 100;
const CRASHES: usize = 12;
/// So many actions become possible in each life of the host: all of its lives see some.
const ACTIONS_PER_LIFE: usize = (TRANSFERS + DEPOSITS) / CRASHES;
const DEPOSIT_MAX: i64 = 100;
/// Some find the balance too low.
const TRANSFER_MAX: i64 = 500;

/// Something that a caller does until it is acknowledged.
#[derive(Debug, Clone)]
enum Action {
    Deposit { key: String, account: &'static str, amount: i64 },
    Transfer { id: String, from: &'static str, to: &'static str, amount: i64 },
}

impl Action {
    async fn perform(&self, client: &Client) -> Result<(), NoAnswer> {
        let (client, path, body) = match self {
            Self::Deposit { key, account, amount } => {
                let path = format!("{MANAGEMENT}/entities/Account/{account}?op=deposit");
                (client.with_header("idempotency-key", key), path, amount.to_string())
            }
            Self::Transfer { id, from, to, amount } => {
                let input = json!({ "from": from, "to": to, "amount": amount });
                (client.clone(), format!("/api/orchestrators/Transfer/{id}"), input.to_string())
            }
        };
        let client = client.with_header("content-type", "application/json");
        let reply = client.try_send(Method::POST, &path, body).await?;
        // A transfer that was acknowledged, but the answer was lost, is refused.
        assert!([202, 409].contains(&reply.status), "{path}: {} {}", reply.status, reply.text());
        Ok(())
    }
}

/// What is still to be done, shared by all callers.
type Actions = Arc<Mutex<Vec<Action>>>;

fn actions(random: &mut fastrand::Rng) -> Vec<Action> {
    let mut actions = Vec::new();
    for number in 0..DEPOSITS {
        let (key, amount) = (format!("deposit-{number}"), random.i64(0..=DEPOSIT_MAX));
        actions.push(Action::Deposit { key, account: account(random), amount });
    }
    for number in 0..TRANSFERS {
        let (id, amount) = (format!("transfer-{number}"), random.i64(0..=TRANSFER_MAX));
        actions.push(Action::Transfer { id, from: account(random), to: account(random), amount });
    }
    random.shuffle(&mut actions);
    actions
}

fn account(random: &mut fastrand::Rng) -> &'static str {
    random.choice(ACCOUNTS).expect("one of them")
}

#[tokio::test]
async fn money_is_neither_lost_nor_made_and_no_lock_outlives_a_crash() {
    let mut random = fastrand::Rng::with_seed(random_seed());
    let all = actions(&mut random);
    let open = Actions::default();
    let mut lives = all.chunks(ACTIONS_PER_LIFE);
    let mut launch = Launch::of(&AppFolder::samples());
    for _ in 0..CRASHES {
        let host = launch.start();
        lock(&open).extend(lives.next().unwrap_or_default().iter().cloned());
        launch = live_and_crash(host, &open, Duration::from_millis(random.u64(LIFETIME_MS))).await;
    }

    let host = launch.start();
    let client = host.client();
    lock(&open).extend(lives.flatten().cloned());
    act(&client, &open).await.expect("this host is not killed");
    let expected = expected_balances(&client, &all).await;
    for (account, expected) in &expected {
        let what = || format!("{account} has {expected}");
        eventually_within(PATIENCE, what, async || {
            (balance(&client, account).await == *expected).then_some(())
        })
        .await;
    }
    check_that_locks_are_free(&client).await;
}

/// Lets callers act for so long, then kills the host under them.
async fn live_and_crash(host: Host, open: &Actions, lifetime: Duration) -> Launch {
    let callers = (0..CALLERS).map(|_| {
        let (client, open) = (host.client(), Arc::clone(open));
        tokio::spawn(async move { act(&client, &open).await })
    });
    let callers: Vec<_> = callers.collect();
    tokio::time::sleep(lifetime).await;
    let launch = host.crash();
    for caller in callers {
        // An error is how a caller learns of the crash.
        let _crashed = caller.await.expect("a caller does not panic");
    }
    launch
}

/// Does what is to be done until nothing is left or the host is gone.
async fn act(client: &Client, open: &Actions) -> Result<(), NoAnswer> {
    loop {
        let Some(action) = lock(open).pop() else { return Ok(()) };
        if let Err(gone) = action.perform(client).await {
            lock(open).push(action);
            return Err(gone);
        }
    }
}

/// Waits for every transfer; what each account has after those that went well.
async fn expected_balances(client: &Client, all: &[Action]) -> BTreeMap<&'static str, i64> {
    let mut balances: BTreeMap<_, _> = ACCOUNTS.into_iter().map(|account| (account, 0)).collect();
    let mut add = |account, amount| *balances.get_mut(account).expect("one of them") += amount;
    for action in all {
        match action {
            Action::Deposit { account, amount, .. } => add(*account, *amount),
            Action::Transfer { id, from, to, amount } => {
                let moved = client.output(id).await;
                assert_eq!(client.status(id).await["generation"], 1, "{id}");
                if moved.as_bool().expect("true or false") {
                    add(*from, -*amount);
                    add(*to, *amount);
                }
            }
        }
    }
    balances
}

async fn balance(client: &Client, account: &str) -> i64 {
    let reply = client.get(&format!("{MANAGEMENT}/entities/Account/{account}")).await;
    if reply.status == 404 {
        return 0;
    }
    reply.expect(200).json()["balance"].as_i64().expect("a number")
}

/// A transfer from each to the next one gets its locks.
async fn check_that_locks_are_free(client: &Client) {
    for (from, to) in ACCOUNTS.iter().zip(ACCOUNTS.iter().cycle().skip(1)) {
        let id = format!("last-{from}");
        let input = json!({ "from": from, "to": to, "amount": 0 });
        let _started = client.start("Transfer", &id, &input).await.expect(202);
        assert_eq!(client.output(&id).await, Value::Bool(true), "{id}");
    }
}

fn lock(actions: &Actions) -> std::sync::MutexGuard<'_, Vec<Action>> {
    actions.lock().unwrap_or_else(PoisonError::into_inner)
}
