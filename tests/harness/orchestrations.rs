//! What tests do with orchestrations, through the management API.

use crate::{Client, Reply, wait::eventually};
use serde_json::Value;

/// Where the management API is.
pub const MANAGEMENT: &str = "/runtime/webhooks/durabletask";

/// Whether this status is of an instance that is over.
#[must_use]
pub fn is_finished(status: &Value) -> bool {
    ["Completed", "Failed", "Terminated"].iter().any(|finished| status["runtimeStatus"] == *finished)
}

/// The names of the activities that a history has as done, in order.
#[must_use]
pub fn run_of(history: &[Value]) -> Vec<&str> {
    let completed = history.iter().filter(|event| event["EventType"] == "TaskCompleted");
    completed.filter_map(|event| event["FunctionName"].as_str()).collect()
}

impl Client {
    /// Starts an orchestration through the management API.
    ///
    /// # Panics
    /// It is refused.
    pub async fn start(&self, orchestrator: &str, instance_id: &str, input: &Value) -> Reply {
        let path = format!("{MANAGEMENT}/orchestrators/{orchestrator}/{instance_id}");
        self.post(&path, input.to_string()).await.expect(202)
    }

    /// The status of an instance.
    ///
    /// # Panics
    /// There is none.
    pub async fn status(&self, instance_id: &str) -> Value {
        let reply = self.get(&format!("{MANAGEMENT}/instances/{instance_id}")).await;
        assert!(matches!(reply.status, 200 | 202), "{instance_id}: {} {}", reply.status, reply.text());
        reply.json()
    }

    /// Waits until the status of an instance is as asked for, and gives it.
    ///
    /// # Panics
    /// It does not become so in time, or there is no such instance.
    pub async fn wait_for(&self, instance_id: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let last = std::cell::RefCell::new(Value::Null);
        let what = || format!("'{instance_id}' {what}; last seen: {}", last.borrow());
        eventually(what, async || {
            let status = self.status(instance_id).await;
            last.replace(status.clone());
            is_so(&status).then_some(status)
        })
        .await
    }

    /// Waits until an instance is over, and gives its status.
    ///
    /// # Panics
    /// It does not end in time, or there is no such instance.
    pub async fn finished(&self, instance_id: &str) -> Value {
        self.wait_for(instance_id, "is over", is_finished).await
    }

    /// Waits until an instance has completed, and gives its output.
    ///
    /// # Panics
    /// It ends otherwise, or not in time.
    pub async fn output(&self, instance_id: &str) -> Value {
        let mut status = self.finished(instance_id).await;
        assert_eq!(status["runtimeStatus"], "Completed", "{status}");
        status["output"].take()
    }

    /// Waits until an instance has failed, and gives why.
    ///
    /// # Panics
    /// It ends otherwise, or not in time.
    pub async fn failure(&self, instance_id: &str) -> String {
        let status = self.finished(instance_id).await;
        assert_eq!(status["runtimeStatus"], "Failed", "{status}");
        status["output"].as_str().unwrap_or_else(|| panic!("{status}")).to_owned()
    }

    /// The history of an instance, with inputs and results.
    ///
    /// # Panics
    /// There is no such instance.
    pub async fn history(&self, instance_id: &str) -> Vec<Value> {
        let query = "showHistory=true&showHistoryOutput=true";
        let reply = self.get(&format!("{MANAGEMENT}/instances/{instance_id}?{query}")).await;
        assert!(matches!(reply.status, 200 | 202), "{instance_id}: {} {}", reply.status, reply.text());
        let mut status = reply.json();
        match status["historyEvents"].take() {
            Value::Array(events) => events,
            other => panic!("{instance_id} has the history {other}"),
        }
    }

    /// Sends an external event to an instance.
    ///
    /// # Panics
    /// It is refused.
    pub async fn raise_event(&self, instance_id: &str, name: &str, data: &Value) {
        let path = format!("{MANAGEMENT}/instances/{instance_id}/raiseEvent/{name}");
        let client = self.with_header("content-type", "application/json");
        let _accepted = client.post(&path, data.to_string()).await.expect(202);
    }
}
