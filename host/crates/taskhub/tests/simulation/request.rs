//! What clients ask for, and what they are answered.

use crate::{
    app::ORCHESTRATORS,
    logs::KEYS,
    support::{instance, json},
};
use durance_durable::{IfExists, InstanceId, Json};
use durance_taskhub::{
    ClientError, Idempotency, OrchestrationClient, RaisedEvent, RestartUnder, StartAnswer, StartOptions,
};
use fastrand::Rng;

/// What somebody asks for an instance.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Action {
    /// A random number says with which input.
    Start(&'static str, IfExists, u8),
    /// The same, and an item in the same commit.
    StartAndRaise(&'static str, u8, i64),
    Raise(i64),
    Suspend,
    Resume,
    Terminate,
    TerminateTree,
    Rewind,
    Restart(RestartUnder),
    Purge,
    PurgeTree,
}

/// An action, and whether it is asked for twice under one idempotency key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request {
    pub(crate) action: Action,
    key: Option<i64>,
}

/// What came of a request.
#[derive(Debug, PartialEq)]
pub(crate) enum Answer {
    Started(StartAnswer),
    Accepted,
    Refused,
    /// Nobody knows whether it happened.
    Unknown,
}

/// What ends a run begins the next of those that wait for it: `Queue` takes back what was promised of the run before, and
/// has tests of its own.
const POLICIES: [IfExists; 5] = [
    IfExists::Reject,
    IfExists::ReplaceFinished,
    IfExists::UseExisting,
    IfExists::UseExistingIfLive,
    IfExists::TerminateAndReplace,
];

impl Request {
    /// `number` is that of no other request.
    pub(crate) fn any(rng: &mut Rng, number: i64) -> Self {
        let name = rng.choice(ORCHESTRATORS).unwrap();
        let action = match rng.u8(..18) {
            0..4 => Action::Start(name, rng.choice(POLICIES).unwrap(), rng.u8(..)),
            4 => Action::StartAndRaise(name, rng.u8(..), number),
            5..9 => Action::Raise(number),
            9 => Action::Suspend,
            10 => Action::Resume,
            11 => Action::Terminate,
            12 => Action::TerminateTree,
            13..15 => Action::Rewind,
            15 => Action::Restart(rng.choice([RestartUnder::NewId, RestartUnder::SameId]).unwrap()),
            16 => Action::Purge,
            _ => Action::PurgeTree,
        };
        Self { action, key: (rng.u8(..3) == 0).then_some(number) }
    }

    /// Asks for it, under a key a second time too: the answer is then the first one.
    pub(crate) async fn answer(&self, client: &OrchestrationClient, id: &str) -> Answer {
        let id = instance(id);
        let Some(key) = self.key else { return self.action.answer(client, id).await };
        let client = client.once(Idempotency::new(&key.to_string()).unwrap());
        let first = self.action.answer(&client, id.clone()).await;
        match (first, self.action.answer(&client, id).await) {
            (first, Answer::Unknown) => first,
            (Answer::Unknown, second) => second,
            (first, second) => {
                assert_eq!(first, second, "{self:?}");
                second
            }
        }
    }
}

impl Action {
    async fn answer(&self, client: &OrchestrationClient, id: InstanceId) -> Answer {
        let item = |item: i64| json(&item.to_string());
        accepted(match *self {
            Self::Start(name, if_exists, chance) => {
                let options = StartOptions { instance: Some(id), if_exists, ..StartOptions::default() };
                return started(client.start_new(name, input(name, chance), options).await);
            }
            Self::StartAndRaise(name, chance, number) => {
                let options = StartOptions { instance: Some(id), ..StartOptions::default() };
                let event = RaisedEvent { name: "ITEM", data: item(number) };
                return started(client.start_and_raise(name, input(name, chance), options, event).await);
            }
            Self::Restart(under) => return started(client.restart(&id, under).await),
            Self::Raise(number) => client.raise_event(&id, "Item", item(number)).await,
            Self::Suspend => client.suspend(&id, "hold").await,
            Self::Resume => client.resume(&id, "go on").await,
            Self::Terminate => client.terminate(&id, "enough").await,
            Self::TerminateTree => client.terminate_tree(&id, "enough").await,
            Self::Rewind => client.rewind(&id, "again").await,
            Self::Purge => client.purge(&id).await,
            Self::PurgeTree => client.purge_tree(&id).await.map(|purged| assert!(purged > 0)),
        })
    }
}

/// What an orchestrator is started with: a critical section with how often it is done, and what it locks.
fn input(name: &str, chance: u8) -> Json {
    if name != "Section" {
        return Json::null();
    }
    let chosen = usize::from(chance % 7 + 1);
    let mut keys: Vec<_> =
        KEYS.iter().enumerate().filter(|(key, _)| chosen >> key & 1 == 1).map(|(_, key)| *key).collect();
    if chance >= 128 {
        keys.reverse();
    }
    Json::of(&(chance % 2 + 1, keys))
}

fn started(answer: Result<StartAnswer, ClientError>) -> Answer {
    match answer {
        Ok(answer) => Answer::Started(answer),
        Err(error) => accepted(Err(error)),
    }
}

pub(crate) fn accepted(answer: Result<(), ClientError>) -> Answer {
    match answer {
        Ok(()) => Answer::Accepted,
        Err(
            ClientError::NotFound(_)
            | ClientError::Finished { .. }
            | ClientError::NotFinished { .. }
            | ClientError::NotFailed { .. },
        ) => Answer::Refused,
        Err(ClientError::Stopping) => Answer::Unknown,
        Err(other) => panic!("no request here is answered {other}"),
    }
}
