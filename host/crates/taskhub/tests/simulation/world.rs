//! One run: a hub on a disk that may fail, and those who use it.

use crate::{
    app::{self, Done, LAST_ITEM, MINUTE},
    checks::{Ledger, check_everything},
    logs::{self, KEYS, LOG, Progress, Sent},
    medium::Medium,
    request::{Answer, Request, accepted},
    support::{
        App, Hub, entity,
        faulty_store::{Disk, FaultyStore},
        instance, json, signal,
    },
};
use durance_durable::{EntitySignal, RuntimeStatus, Timestamp};
use durance_taskhub::{Clock as _, OrchestrationStatus, SimulatedClock, StatusOptions, TaskHubSettings};
use fastrand::Rng;
use futures_util::future::{join, join_all};
use std::{collections::HashMap, future::pending, sync::Arc, time::Duration};

/// No run fails more often in a row.
const FAILURES_MAX: usize = 4;
const IDS: [&str; 5] = ["a", "b", "c", "d", "e"];
const STEPS: usize = 40;
const START: Timestamp = Timestamp::from_nanos(1_800_000_000_000_000_000);
/// What somebody else has started, and what is scheduled, is over after this time.
const AFTERWARDS: Duration = Duration::from_secs(6 * 3600);
const LONG: Duration = Duration::from_secs(7 * 24 * 3600);

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
                let number = self.next_number();
                asked.push((id, self.status(id), Request::any(&mut self.rng, number)));
            }
        }
        let mut sent = Vec::new();
        for key in KEYS {
            if self.rng.u8(..4) == 0 {
                sent.push((key, self.signal()));
            }
        }
        let Hub { hub, client, .. } = &self.life().hub;
        let answers = join_all(asked.iter().map(|(id, _, request)| request.answer(client, id)));
        let signals = sent.iter().map(|(key, sent)| {
            let number = sent.number.to_string();
            let signal = EntitySignal { due: sent.due, ..signal(entity(LOG, key), "note", &number) };
            async { accepted(client.signal_entity(signal).await) }
        });
        let answers = hub.drive(&self.clock, Duration::ZERO, join(answers, join_all(signals))).await;
        let (answers, signals) = answers.expect("every request is answered without that time goes on");
        for ((id, before, request), answer) in asked.into_iter().zip(answers) {
            self.ledger.note(id, before.as_ref(), request.action, &answer);
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
        self.ledger.check_trees(disk);
        check_everything(&hub.client, disk, app, &self.done).await;
        logs::check(disk, &self.signals, progress);
    }

    /// Lets every instance come to its end.
    async fn finish(&mut self) {
        self.settle(Progress::UnderWay).await;
        // Some fail, and are rewound.
        for _ in 0..FAILURES_MAX {
            self.let_all_end().await;
        }
        for id in IDS {
            let Some(ended) = self.status(id) else { continue };
            match ended.runtime_status {
                RuntimeStatus::Completed => self.ledger.check_output(&ended),
                status => assert_eq!(status, RuntimeStatus::Terminated, "{ended:?}"),
            }
        }
        self.go_on(AFTERWARDS).await;
        self.settle(Progress::Over).await;
    }
    /// Lets all that are live or have failed go on, and waits for their end.
    async fn let_all_end(&mut self) {
        let now = IDS.map(|id| (id, self.status(id)));
        let now = now.into_iter().filter_map(|(id, status)| Some((instance(id), status?)));
        let ends = [RuntimeStatus::Completed, RuntimeStatus::Terminated];
        let now: Vec<_> = now.filter(|(_, status)| !ends.contains(&status.runtime_status)).collect();
        let Hub { hub, client, .. } = &self.life().hub;
        let going_on = now.iter().map(async |(id, status)| {
            if status.runtime_status == RuntimeStatus::Failed {
                return client.rewind(id, "the end").await.unwrap();
            }
            // Since the last look it may have ended by itself.
            let _ended = client.resume(id, "the end").await;
            if *status.name == *"Collect" {
                client.raise_event(id, "item", json(&LAST_ITEM.to_string())).await.unwrap();
            }
        });
        hub.drive(&self.clock, Duration::ZERO, join_all(going_on)).await.expect("they go on");
        let ended = now.iter().map(|(id, _)| client.wait_for_completion(id, LONG));
        let ended = hub.drive(&self.clock, LONG, join_all(ended)).await.expect("they end");
        for (ended, (_, before)) in ended.into_iter().zip(now) {
            let ended = ended.unwrap();
            assert!(ended.runtime_status.is_finished(), "{before:?} has become {ended:?}");
        }
    }
}
