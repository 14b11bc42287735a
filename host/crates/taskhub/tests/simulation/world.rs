//! One run: a hub on a disk that may fail, and those who use it.

use crate::{
    app::{self, Done, LAST_ITEM, MINUTE, ORCHESTRATORS},
    checks::{Ledger, check_everything},
    logs::{self, KEYS, LOG, Progress, Sent},
    medium::Medium,
    support::{
        App, Hub, entity,
        faulty_store::{Disk, FaultyStore},
        instance, json, signal,
    },
};
use durance_durable::{EntitySignal, IfExists, Json, RuntimeStatus, Timestamp};
use durance_taskhub::{
    ClientError, Clock as _, OrchestrationClient, OrchestrationStatus, SimulatedClock, StartAnswer,
    StartOptions, StatusOptions, TaskHubSettings,
};
use fastrand::Rng;
use futures_util::future::{join, join_all};
use std::{collections::HashMap, future::pending, sync::Arc, time::Duration};

const IDS: [&str; 5] = ["a", "b", "c", "d", "e"];
const STEPS: usize = 40;
const START: Timestamp = Timestamp::from_nanos(1_800_000_000_000_000_000);
/// What somebody else has started, and what is scheduled, is over after this time.
const AFTERWARDS: Duration = Duration::from_secs(6 * 3600);
const LONG: Duration = Duration::from_secs(7 * 24 * 3600);

/// What somebody asks for an instance.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Request {
    /// A random number says with which input.
    Start(&'static str, IfExists, u8),
    Raise(i64),
    Suspend,
    Resume,
    Terminate,
    Purge,
}

/// What came of a request.
#[derive(Debug)]
pub(crate) enum Answer {
    Started(StartAnswer),
    Accepted,
    Refused,
    /// Nobody knows whether it happened.
    Unknown,
}

pub(crate) struct World {
    rng: Rng,
    clock: Arc<SimulatedClock>,
    medium: Medium,
    /// Steps that are still to be made.
    steps: usize,
    life: Option<Life>,
    done: Done,
    ledger: Ledger,
    signals: HashMap<&'static str, Vec<Sent>>,
    numbers: i64,
}

/// The host between two crashes.
struct Life {
    disk: Arc<FaultyStore>,
    app: App,
    hub: Hub,
}

impl World {
    pub(crate) fn new(medium: Medium, seed: u64) -> Self {
        Self {
            rng: Rng::with_seed(seed),
            clock: Arc::new(SimulatedClock::new(START, seed)),
            medium,
            steps: STEPS,
            life: None,
            done: Done::default(),
            ledger: Ledger::default(),
            signals: HashMap::new(),
            numbers: 0,
        }
    }

    pub(crate) fn run(mut self) {
        while self.steps > 0 {
            self.live(async |world: &mut Self| world.some_steps().await);
        }
        self.live(async |world: &mut Self| world.finish().await);
    }

    /// Opens the store and the hub on it, and ends both as a crash does: nothing of the process is left.
    fn live(&mut self, life: impl AsyncFnOnce(&mut Self)) {
        // What is under way can be seen on a current-thread runtime only.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            self.open();
            life(self).await;
            if let Some(life) = self.life.take()
                && self.rng.bool()
            {
                life.hub.hub.close(Duration::ZERO).await;
            }
        });
        drop(runtime);
        self.medium.close();
    }

    fn open(&mut self) {
        let disk = Arc::new(FaultyStore::on(self.medium.open()));
        let app = app::app(&disk, &self.clock, &self.done);
        let settings = TaskHubSettings {
            hot_instances: self.rng.choice([1, 3, 2_000]).unwrap(),
            ..TaskHubSettings::default()
        };
        let (store, clock) = (Arc::<FaultyStore>::clone(&disk), Arc::<SimulatedClock>::clone(&self.clock));
        let hub = Hub::open_with(store, app.clone(), clock, &settings);
        self.life = Some(Life { disk, app, hub });
    }

    fn life(&self) -> &Life {
        self.life.as_ref().unwrap()
    }

    fn status(&mut self, id: &'static str) -> Option<OrchestrationStatus> {
        let snapshot = self.life().hub.client.get_status(&instance(id), StatusOptions::default()).unwrap();
        self.ledger.look(id, &snapshot);
        snapshot.status
    }

    /// Steps until the next crash.
    async fn some_steps(&mut self) {
        while self.steps > 0 {
            self.steps -= 1;
            let fault = [Disk::Fails, Disk::FailsAfterwards].get(self.rng.usize(..12)).copied();
            self.life().disk.set(fault.unwrap_or(Disk::Works));
            self.some_requests().await;
            // In the midst of what is under way, or after it.
            if self.rng.bool() {
                for _ in 0..self.rng.usize(..40) {
                    tokio::task::yield_now().await;
                }
            } else {
                let minutes = self.rng.u32(..40);
                self.go_on(MINUTE * minutes).await;
            }
            if fault.is_some() || self.rng.u8(..6) == 0 {
                return;
            }
            if self.rng.bool() {
                self.settle(Progress::UnderWay).await;
            }
        }
    }

    /// At most one for each instance and each entity: what is asked at the same time for one has no order.
    async fn some_requests(&mut self) {
        let mut asked = Vec::new();
        for id in IDS {
            if self.rng.u8(..3) == 0 {
                asked.push((id, self.status(id), self.request()));
            }
        }
        let mut sent = Vec::new();
        for key in KEYS {
            if self.rng.u8(..4) == 0 {
                sent.push((key, self.signal()));
            }
        }
        let Hub { hub, client, .. } = &self.life().hub;
        let answers = join_all(asked.iter().map(|(id, _, request)| answer(client, id, *request)));
        let signals = sent.iter().map(|(key, sent)| {
            let number = sent.number.to_string();
            let signal = EntitySignal { due: sent.due, ..signal(entity(LOG, key), "note", &number) };
            async { accepted(client.signal_entity(signal).await) }
        });
        let answers = hub.drive(&self.clock, Duration::ZERO, join(answers, join_all(signals))).await;
        let (answers, signals) = answers.expect("every request is answered without that time goes on");
        for ((id, before, request), answer) in asked.into_iter().zip(answers) {
            self.ledger.note(id, before.as_ref(), request, &answer);
        }
        for ((key, sent), answer) in sent.into_iter().zip(signals) {
            let is_known = matches!(answer, Answer::Accepted);
            self.signals.entry(key).or_default().push(Sent { is_known, ..sent });
        }
    }

    fn next_number(&mut self) -> i64 {
        self.numbers += 1;
        self.numbers
    }

    fn signal(&mut self) -> Sent {
        let minutes = self.rng.u32(..120);
        let due = self.rng.bool().then(|| self.clock.now().saturating_add(MINUTE * minutes));
        Sent { number: self.next_number(), due, is_known: false }
    }

    fn request(&mut self) -> Request {
        match self.rng.u8(..12) {
            0..4 => {
                let name = self.rng.choice(ORCHESTRATORS).unwrap();
                Request::Start(name, self.rng.choice(IfExists::ALL).unwrap(), self.rng.u8(..))
            }
            4..8 => Request::Raise(self.next_number()),
            8 => Request::Suspend,
            9 => Request::Resume,
            10 => Request::Terminate,
            _ => Request::Purge,
        }
    }

    /// Lets time go on for so long.
    async fn go_on(&self, time: Duration) {
        let never = self.life().hub.hub.drive(&self.clock, time, pending::<()>()).await;
        assert_eq!(never, None);
    }

    /// Waits until nothing is under way, and looks whether all is as it must be.
    async fn settle(&mut self, progress: Progress) {
        self.go_on(Duration::ZERO).await;
        for id in IDS {
            let status = self.status(id);
            self.ledger.check(id, status.as_ref());
        }
        let Life { disk, app, hub } = self.life();
        check_everything(&hub.client, disk, app, &self.done).await;
        logs::check(disk, &self.signals, progress);
    }

    /// Lets every instance come to its end.
    async fn finish(&mut self) {
        self.settle(Progress::UnderWay).await;
        let live = IDS.map(|id| (id, self.status(id)));
        let live = live.into_iter().filter_map(|(id, status)| Some((instance(id), status?)));
        let live: Vec<_> = live.filter(|(_, status)| !status.runtime_status.is_finished()).collect();
        let Hub { hub, client, .. } = &self.life().hub;
        let resumed = live.iter().map(async |(id, status)| {
            // Since the last look it may have ended by itself.
            let _ended = client.resume(id, "the end").await;
            if *status.name == *"Collect" {
                client.raise_event(id, "item", json(&LAST_ITEM.to_string())).await.unwrap();
            }
        });
        hub.drive(&self.clock, Duration::ZERO, join_all(resumed)).await.expect("they are resumed");
        let ended = live.iter().map(|(id, _)| client.wait_for_completion(id, LONG));
        let ended = hub.drive(&self.clock, LONG, join_all(ended)).await.expect("they end");
        for ended in ended {
            let ended = ended.unwrap();
            assert_eq!(ended.runtime_status, RuntimeStatus::Completed, "{ended:?}");
            self.ledger.check_output(&ended);
        }
        self.go_on(AFTERWARDS).await;
        self.settle(Progress::Over).await;
    }
}

async fn answer(client: &OrchestrationClient, id: &str, request: Request) -> Answer {
    let id = instance(id);
    accepted(match request {
        Request::Start(name, if_exists, chance) => {
            let options = StartOptions { instance: Some(id), if_exists, ..StartOptions::default() };
            return started(client.start_new(name, input(name, chance), options).await);
        }
        Request::Raise(item) => client.raise_event(&id, "Item", json(&item.to_string())).await,
        Request::Suspend => client.suspend(&id, "hold").await,
        Request::Resume => client.resume(&id, "go on").await,
        Request::Terminate => client.terminate(&id, "enough").await,
        Request::Purge => client.purge(&id).await,
    })
}

/// What an orchestrator is started with: a critical section with how often it is done, and what it locks.
fn input(name: &str, chance: u8) -> Json {
    if name != "Section" {
        return Json::null();
    }
    let chosen = usize::from(chance % 7 + 1);
    let mut keys: Vec<_> =
        (0..KEYS.len()).filter(|key| chosen >> key & 1 == 1).map(|key| KEYS[key]).collect();
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

fn accepted(answer: Result<(), ClientError>) -> Answer {
    match answer {
        Ok(()) => Answer::Accepted,
        Err(ClientError::NotFound(_) | ClientError::Finished { .. } | ClientError::NotFinished { .. }) => {
            Answer::Refused
        }
        Err(ClientError::Stopping) => Answer::Unknown,
        Err(other) => panic!("no request here is answered {other}"),
    }
}
