//! What must hold, whatever happened.

use crate::{
    app::{Done, expected_output},
    request::{Action, Answer},
    support::{App, faulty_store::FaultyStore},
};
use durance_durable::{
    ExecutionHistory, ExecutionId, HistoryEvent, InstanceId, InstanceRecord, RuntimeStatus, Token,
};
use durance_store::TaskHubView as _;
use durance_taskhub::{
    FunctionExecutor as _, ListQuery, OrchestrationClient, OrchestrationStatus, RestartUnder, StartAnswer,
    StatusOptions, StatusSnapshot, replay,
};
use std::collections::{HashMap, HashSet};

/// What was acknowledged, and what may have happened besides.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Of the present run of each instance.
    promised: HashMap<&'static str, Promise>,
    /// Items that were sent, in order, by instance and generation; and whether that was acknowledged.
    items: HashMap<(String, u64), Vec<(i64, bool)>>,
    /// Items of which nobody knows which runs have got them.
    lost: HashSet<i64>,
    /// Executions that were terminated with all below them.
    trees: Vec<ExecutionId>,
    /// What an id was when its token was seen last.
    seen: HashMap<&'static str, (Token, Seen)>,
}

/// What a token stands for: the generation, and whether it is over; none if the id is not in use.
type Seen = Option<(u64, bool)>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Promise {
    /// This generation was started, so that the id is in use by it or a later one.
    Started(u64),
    /// This generation is over.
    Over(u64),
    /// This generation is held, or over.
    Held(u64),
    /// The id is not in use.
    Gone,
}

impl Ledger {
    /// Notes an answer; `before` is the status that the instance had before the request.
    pub(crate) fn note(
        &mut self,
        id: &'static str,
        before: Option<&OrchestrationStatus>,
        action: Action,
        answer: &Answer,
    ) {
        let generation = before.map_or(0, |status| status.generation);
        if matches!(action, Action::Restart(RestartUnder::SameId)) {
            // A new run begins with the input of the last execution: what that had got is in it.
            let items = self.items.get(&(id.to_owned(), generation));
            self.lost.extend(items.into_iter().flatten().map(|(item, _)| *item));
        }
        let promise = match (action, answer) {
            (Action::Raise(item), Answer::Accepted | Answer::Unknown) => {
                let is_known = matches!(answer, Answer::Accepted);
                self.items.entry((id.to_owned(), generation)).or_default().push((item, is_known));
                return;
            }
            // Whoever is started under another id is not looked at.
            (Action::Restart(RestartUnder::NewId), _) => return,
            (_, Answer::Started(answer)) => {
                let holder = match answer {
                    StartAnswer::Started(holder) => holder,
                    StartAnswer::Existing(holder) | StartAnswer::AlreadyExists(holder) => holder,
                    StartAnswer::Queued(queued) => &queued.holder,
                    StartAnswer::Changed(_) => panic!("nothing changes between look and start: {answer:?}"),
                };
                let is_new = matches!(answer, StartAnswer::Started(_));
                assert_eq!(holder.generation > generation, is_new, "{id}: {answer:?} after {before:?}");
                if let Action::StartAndRaise(_, _, item) = action {
                    let items = self.items.entry((id.to_owned(), holder.generation)).or_default();
                    items.push((item, true));
                }
                if !is_new {
                    return;
                }
                Promise::Started(holder.generation)
            }
            (Action::Rewind, Answer::Accepted) => Promise::Started(generation),
            (Action::Terminate, Answer::Accepted) => Promise::Over(generation),
            (Action::TerminateTree, Answer::Accepted) => {
                self.trees.extend(before.map(|status| status.execution));
                Promise::Over(generation)
            }
            (Action::Suspend, Answer::Accepted) => Promise::Held(generation),
            (Action::Purge | Action::PurgeTree, Answer::Accepted) => Promise::Gone,
            (_, Answer::Refused) => return,
            // What nobody knows takes back what was promised before.
            _ => {
                if let Action::StartAndRaise(_, _, item) = action {
                    self.lost.insert(item);
                }
                self.promised.remove(id);
                return;
            }
        };
        self.promised.insert(id, promise);
    }

    /// As long as a token stays the same nothing has happened to its id.
    pub(crate) fn look(&mut self, id: &'static str, snapshot: &StatusSnapshot) {
        let status = snapshot.status.as_ref();
        let seen = status.map(|status| (status.generation, status.runtime_status.is_finished()));
        if let Some((token, before)) = self.seen.insert(id, (snapshot.token, seen)) {
            assert!(token != snapshot.token || before == seen, "{id} was {before:?}: {snapshot:?}");
            assert!(token <= snapshot.token, "{id} had the later token {token:?}: {snapshot:?}");
        }
    }

    /// What was acknowledged is so.
    pub(crate) fn check(&self, id: &str, now: Option<&OrchestrationStatus>) {
        let Some(&promise) = self.promised.get(id) else { return };
        let is_kept = match (promise, now) {
            (Promise::Gone, now) => now.is_none(),
            (_, None) => false,
            (Promise::Started(generation), Some(now)) => now.generation == generation,
            (Promise::Over(generation), Some(now)) => {
                now.generation == generation && now.runtime_status.is_finished()
            }
            (Promise::Held(generation), Some(now)) => {
                let status = now.runtime_status;
                now.generation == generation && (status == RuntimeStatus::Suspended || status.is_finished())
            }
        };
        assert!(is_kept, "{id} was promised {promise:?}, and is {now:?}");
    }

    /// With whoever was terminated recursively all were that it had called.
    pub(crate) fn check_trees(&self, store: &FaultyStore) {
        for execution in &self.trees {
            let id_prefix = Some(format!("{execution}:"));
            let query = ListQuery {
                id_prefix,
                names: vec!["Work".to_owned()],
                page_size: 10,
                ..ListQuery::default()
            };
            for (id, record) in store.list(&query).unwrap().instances {
                assert!(record.status.is_finished(), "{id} has outlived its parent: {record:?}");
            }
        }
    }

    /// A completed run has done all of its work, and an acknowledged item came once, in order.
    pub(crate) fn check_output(&self, ended: &OrchestrationStatus) {
        let output = ended.output.as_ref().map(|output| output.as_str()).unwrap_or_default();
        if let Some(expected) = expected_output(&ended.name) {
            assert_eq!(output, expected, "{ended:?}");
        }
        if *ended.name != *"Collect" {
            return;
        }
        let mut collected: Vec<i64> = serde_json::from_str(output).unwrap();
        collected.retain(|item| !self.lost.contains(item));
        let sent = self.items.get(&(ended.instance.to_string(), ended.generation));
        let sent = sent.map(Vec::as_slice).unwrap_or_default();
        let sent = sent.iter().filter(|(item, _)| !self.lost.contains(item));
        let expected = sent.clone().filter(|(item, is_known)| *is_known || collected.contains(item));
        let expected: Vec<i64> = expected.map(|(item, _)| *item).collect();
        assert_eq!(collected, expected, "{:?}", sent.collect::<Vec<_>>());
    }
}

/// The whole store is as it must be when nothing is under way.
pub(crate) async fn check_everything(
    client: &OrchestrationClient,
    store: &FaultyStore,
    app: &App,
    done: &Done,
) {
    let query = ListQuery { page_size: 1000, ..ListQuery::default() };
    let page = client.list_instances(query, StatusOptions::default()).await.unwrap();
    for status in page.instances {
        let earlier = store.previous_generations(&status.instance).unwrap();
        assert!(earlier.iter().all(|record| record.status.is_finished()), "two live runs: {earlier:?}");
        assert!(earlier.iter().all(|record| record.generation < status.generation), "{earlier:?}");
        check_run(client, &status.instance, None, (app, done)).await;
        for InstanceRecord { execution, .. } in earlier {
            check_run(client, &status.instance, Some(execution), (app, done)).await;
        }
    }
}

/// A history is whole, what it says was done was done, and the code does it again.
async fn check_run(
    client: &OrchestrationClient,
    id: &InstanceId,
    execution: Option<ExecutionId>,
    (app, done): (&App, &Done),
) {
    let history = client.export_history(id, execution).unwrap();
    let read = ExecutionHistory::from_json_lines(&history.to_json_lines());
    assert_eq!(read.unwrap(), history);
    let events = history.turns.iter().flat_map(|turn| &turn.events);
    for event in events.clone() {
        if let HistoryEvent::TaskCompleted { task, .. } = event {
            let did = done.lock().results.contains(&(history.record.execution, *task));
            assert!(did, "{id}: activity {task} has a result and did not run: {history:?}");
        }
    }
    let ends_with = |event: &HistoryEvent| matches!(event, HistoryEvent::ExecutionCompleted { status, .. } if *status == history.record.status);
    assert_eq!(
        history.record.status.is_finished(),
        events.clone().last().is_some_and(ends_with),
        "{history:?}"
    );
    let module = app.resolve_orchestrator(&history.record.name).unwrap();
    assert_eq!(replay(app, module, &history).await.unwrap(), None, "{id}: {history:?}");
}
