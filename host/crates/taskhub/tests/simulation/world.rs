//! One run: a hub on a disk that may fail, and those who use it.

use crate::{
    app::{self, Done, LAST_ITEM, MINUTE, ORCHESTRATORS},
    checks::{Ledger, check_everything},
    support::{
        App, Hub,
        faulty_store::{Disk, FaultyStore},
        instance, json,
    },
};
use durance_durable::{IfExists, InstanceId, RuntimeStatus, Timestamp};
use durance_store::TaskHubStore;
use durance_taskhub::{
    ClientError, OrchestrationStatus, SimulatedClock, StartAnswer, StartOptions, StatusOptions,
};
use fastrand::Rng;
use futures_util::future::join_all;
use std::{future::pending, sync::Arc, time::Duration};

const IDS: [&str; 5] = ["a", "b", "c", "d", "e"];
const STEPS: usize = 40;
const START: Timestamp = Timestamp::from_nanos(1_800_000_000_000_000_000);
const LONG: Duration = Duration::from_secs(7 * 24 * 3600);

/// What somebody asks for an instance.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Request {
    Start(&'static str, IfExists),
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
    disk: Arc<FaultyStore>,
    app: App,
    done: Done,
    hub: Option<Hub>,
    ledger: Ledger,
    items: i64,
}

impl World {
    pub(crate) fn open(store: Box<dyn TaskHubStore>, seed: u64) -> Self {
        let clock = Arc::new(SimulatedClock::new(START, seed));
        let (disk, done) = (Arc::new(FaultyStore::on(store)), Done::default());
        let app = app::app(&disk, &clock, &done);
        Self {
            rng: Rng::with_seed(seed),
            clock,
            disk,
            app,
            done,
            hub: None,
            ledger: Ledger::default(),
            items: 0,
        }
    }

    pub(crate) async fn run(mut self) {
        self.reopen().await;
        for _ in 0..STEPS {
            self.step().await;
        }
        self.disk.set(Disk::Works);
        self.reopen().await;
        self.finish().await;
    }

    fn hub(&self) -> &Hub {
        self.hub.as_ref().unwrap()
    }

    fn status(&self, id: &str) -> Option<OrchestrationStatus> {
        self.hub().client.get_status(&instance(id), StatusOptions::default()).unwrap().status
    }

    async fn step(&mut self) {
        let fault = [Disk::Fails, Disk::FailsAfterwards].get(self.rng.usize(..12)).copied();
        self.disk.set(fault.unwrap_or(Disk::Works));
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
            self.reopen().await;
        }
        if self.rng.bool() {
            self.disk.set(Disk::Works);
            self.settle().await;
        }
    }

    /// At most one for each instance: what is asked at the same time for one has no order.
    async fn some_requests(&mut self) {
        let mut asked = Vec::new();
        for id in IDS {
            if self.rng.u8(..3) == 0 {
                asked.push((id, self.status(id), self.request()));
            }
        }
        let client = &self.hub().client;
        let answers = asked.iter().map(|(id, _, request)| async move {
            let id = instance(id);
            let answer = match *request {
                Request::Start(name, if_exists) => {
                    let options = StartOptions { instance: Some(id), if_exists, ..StartOptions::default() };
                    return started(client.start_new(name, json("null"), options).await);
                }
                Request::Raise(item) => client.raise_event(&id, "Item", json(&item.to_string())).await,
                Request::Suspend => client.suspend(&id, "hold").await,
                Request::Resume => client.resume(&id, "go on").await,
                Request::Terminate => client.terminate(&id, "enough").await,
                Request::Purge => client.purge(&id).await,
            };
            accepted(answer)
        });
        let answers = self.hub().hub.drive(&self.clock, Duration::ZERO, join_all(answers)).await;
        let answers = answers.expect("every request is answered without that time goes on");
        for ((id, before, request), answer) in asked.into_iter().zip(answers) {
            self.ledger.note(id, before.as_ref(), request, &answer);
        }
    }

    fn request(&mut self) -> Request {
        match self.rng.u8(..12) {
            0..4 => {
                let name = self.rng.choice(ORCHESTRATORS).unwrap();
                Request::Start(name, self.rng.choice(IfExists::ALL).unwrap())
            }
            4..8 => {
                self.items += 1;
                Request::Raise(self.items)
            }
            8 => Request::Suspend,
            9 => Request::Resume,
            10 => Request::Terminate,
            _ => Request::Purge,
        }
    }

    /// Lets time go on for so long.
    async fn go_on(&self, time: Duration) {
        let never = self.hub().hub.drive(&self.clock, time, pending::<()>()).await;
        assert_eq!(never, None);
    }

    /// Waits until nothing is under way, and looks whether all is as it must be.
    async fn settle(&mut self) {
        if self.hub().hub.failed().borrow().is_some() {
            self.reopen().await;
        }
        self.go_on(Duration::ZERO).await;
        let hub = self.hub.as_ref().unwrap();
        for id in IDS {
            self.ledger.check(id, self.status(id).as_ref());
        }
        check_everything(&hub.client, &self.disk, &self.app, &self.done).await;
    }

    /// Ends the hub as a crash does, as far as that can be in one process, and opens it again.
    async fn reopen(&mut self) {
        if let Some(hub) = self.hub.take() {
            hub.hub.close(Duration::ZERO).await;
        }
        self.disk.set(Disk::Works);
        let store = Arc::<FaultyStore>::clone(&self.disk);
        self.hub = Some(Hub::open_at(store, self.app.clone(), Arc::<SimulatedClock>::clone(&self.clock)));
    }

    /// Lets every instance come to its end.
    async fn finish(&mut self) {
        self.settle().await;
        for id in IDS {
            self.go_on(Duration::ZERO).await;
            let Some(status) = self.status(id).filter(|status| !status.runtime_status.is_finished()) else {
                continue;
            };
            let client = &self.hub().client;
            let id: InstanceId = instance(id);
            let work = async {
                client.resume(&id, "the end").await.unwrap();
                if *status.name == *"Collect" {
                    client.raise_event(&id, "item", json(&LAST_ITEM.to_string())).await.unwrap();
                }
                client.wait_for_completion(&id, LONG).await.unwrap()
            };
            let ended = self.hub().hub.drive(&self.clock, LONG, work).await.expect("it ends");
            assert_eq!(ended.runtime_status, RuntimeStatus::Completed, "{ended:?}");
            self.ledger.check_output(&ended);
        }
        self.settle().await;
        self.hub.take().unwrap().hub.close(Duration::ZERO).await;
    }
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
