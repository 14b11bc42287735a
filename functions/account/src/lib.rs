//! A critical section: money moves between two accounts, and nobody sees it on neither or on both.
//!
//! ```text
//! curl -X POST 'http://127.0.0.1:7071/runtime/webhooks/durabletask/entities/Account/ada?op=deposit' \
//!   -H 'content-type: application/json' -d 100
//! curl -i -X POST http://127.0.0.1:7071/api/orchestrators/Transfer/rent -d '{"from":"ada","to":"bob","amount":30}'
//! curl http://127.0.0.1:7071/runtime/webhooks/durabletask/entities/Account/bob
//! ```
//!
//! The output is whether the money was there: `true`.

use durance_sdk::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
struct Account {
    balance: i64,
}

#[entity(name = "Account")]
impl Account {
    fn deposit(&mut self, amount: i64) -> Result<i64> {
        let sum = self.balance.checked_add(positive(amount)?);
        self.balance = sum.ok_or_else(|| Error::non_retriable("Overflow", "the account is full"))?;
        Ok(self.balance)
    }

    fn withdraw(&mut self, amount: i64) -> Result<i64> {
        if positive(amount)? > self.balance {
            let message = format!("the balance is {}, which is less than {amount}", self.balance);
            return Err(Error::non_retriable("InsufficientFunds", message));
        }
        self.balance -= amount;
        Ok(self.balance)
    }

    fn balance(&self) -> i64 {
        self.balance
    }
}

fn positive(amount: i64) -> Result<i64> {
    if amount < 0 {
        return Err(Error::non_retriable("InvalidAmount", format!("{amount} is less than nothing")));
    }
    Ok(amount)
}

#[derive(Deserialize)]
struct TransferInput {
    from: String,
    to: String,
    amount: i64,
}

#[orchestrator(name = "Transfer")]
async fn transfer(ctx: OrchestrationContext, input: TransferInput) -> Result<bool> {
    let from = EntityId::new("Account", input.from);
    let to = EntityId::new("Account", input.to);
    // Whoever transfers between the same accounts at the same time waits here, in whatever order they are named.
    let _lock = ctx.lock_entities([&from, &to]).await?;
    let balance: i64 = ctx.call_entity(&from, "balance", ()).await?;
    if balance < input.amount {
        return Ok(false);
    }
    ctx.call_entity::<i64>(&from, "withdraw", input.amount).await?;
    ctx.call_entity::<i64>(&to, "deposit", input.amount).await?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use durance_sdk::testing::{TestHub, TestRun};

    fn transfer(amount: i64) -> TestRun {
        TestHub::new()
            .entity_state(("Account", "ada"), json!({ "balance": 100 }))
            .run("Transfer", json!({ "from": "ada", "to": "bob", "amount": amount }))
    }

    fn balance(run: &TestRun, key: &str) -> i64 {
        run.entity_state::<Account>(("Account", key)).unwrap_or_default().balance
    }

    #[test]
    fn money_moves_if_it_is_there() {
        for (amount, moves) in [(30, true), (100, true), (101, false)] {
            let run = transfer(amount);
            assert_eq!(run.output::<bool>(), moves, "{amount}");
            let moved = if moves { amount } else { 0 };
            assert_eq!((balance(&run, "ada"), balance(&run, "bob")), (100 - moved, moved));
        }
    }

    #[test]
    fn less_than_nothing_is_not_moved() {
        let run = transfer(-1);
        assert_eq!(run.failure().map(|failure| failure.error_type.as_str()), Some("InvalidAmount"));
        assert_eq!((balance(&run, "ada"), balance(&run, "bob")), (100, 0));
    }
}
