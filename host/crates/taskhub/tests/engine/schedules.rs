//! Schedules, on the memory store with a simulated clock.

use crate::support::{App, Hub, instance};
use durance_durable::{
    Json, OverlapPolicy, RunOutcome, RuntimeStatus, ScheduleDefinition, ScheduleId, ScheduleTarget,
    TaskFailureDetails, Timestamp, Timing,
};
use durance_store::MemoryStore;
use durance_taskhub::{ClientError, SimulatedClock, StatusOptions, TaskHubSettings, TimerCall};
use std::{sync::Arc, time::Duration};
use tokio::sync::mpsc;

const PERIOD: Duration = Duration::from_secs(10);
/// 2026-01-02T03:04:05Z.
const BEGIN: u64 = 1_767_323_045;

/// A hub whose time is simulated.
struct Fixture {
    hub: Hub,
    clock: Arc<SimulatedClock>,
}

impl Fixture {
    fn open(app: App) -> Self {
        let clock = Arc::new(SimulatedClock::new(Timestamp::from_nanos(BEGIN * 1_000_000_000), 1));
        let store = Arc::new(MemoryStore::new(16));
        let hub =
            Hub::open_with(store, app, Arc::<SimulatedClock>::clone(&clock), &TaskHubSettings::default());
        Self { hub, clock }
    }

    /// Ends the hub as a crash does, lets time pass, and opens it again.
    async fn reopen_after(self, time: Duration, app: App) -> Self {
        let (store, clock) = (self.hub.store, self.clock);
        self.hub.hub.close(Duration::ZERO).await;
        clock.advance(time);
        let hub =
            Hub::open_with(store, app, Arc::<SimulatedClock>::clone(&clock), &TaskHubSettings::default());
        Self { hub, clock }
    }

    async fn create(&self, definition: ScheduleDefinition) {
        self.hub.client.create_schedule(&id(), definition).await.unwrap();
    }

    fn runs(&self) -> Vec<RunOutcome> {
        let runs = self.hub.client.get_schedule(&id()).unwrap().runs;
        runs.into_iter().map(|run| run.outcome).collect()
    }

    /// Waits until the schedule remembers this many ticks.
    async fn decided(&self, count: usize) -> Vec<RunOutcome> {
        eventually(|| Some(self.runs()).filter(|runs| runs.len() >= count)).await
    }

    fn status(&self, id: &str) -> Option<RuntimeStatus> {
        let snapshot = self.hub.client.get_status(&instance(id), StatusOptions::default()).unwrap();
        snapshot.status.map(|status| status.runtime_status)
    }
}

async fn eventually<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            match look() {
                Some(found) => return found,
                None => tokio::task::yield_now().await,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), looking).await.expect("it happens")
}

fn id() -> ScheduleId {
    ScheduleId::new("beat").unwrap()
}

/// The instance of the tick that is this many periods after the beginning.
fn tick(number: u64) -> String {
    let time = Timestamp::from_nanos((BEGIN + 10 * number) * 1_000_000_000);
    id().instance_of("{schedule}-{time}", time).unwrap().to_string()
}

fn every_period(orchestrator: &str, overlap: OverlapPolicy) -> ScheduleDefinition {
    let name = orchestrator.into();
    ScheduleDefinition {
        target: ScheduleTarget::Orchestrator { name, input: Json::of("in"), instance: None },
        timing: Timing::Every(PERIOD),
        overlap,
        catch_up: Duration::from_secs(60),
        start: None,
        end: None,
    }
}

fn call_every_period(overlap: OverlapPolicy) -> ScheduleDefinition {
    ScheduleDefinition { target: ScheduleTarget::Function, ..every_period("", overlap) }
}

fn app() -> App {
    App::default()
        .orchestrator("Echo", |context| async move { Ok(context.input()) })
        .orchestrator("Waits", |context| async move { context.result(context.event("go")?).await })
}

#[tokio::test(flavor = "multi_thread")]
async fn each_tick_starts_an_instance_that_is_named_after_it() {
    let fixture = Fixture::open(app());
    fixture.create(every_period("Echo", OverlapPolicy::Skip)).await;
    for number in 1..=3 {
        assert_eq!(fixture.status(&tick(number)), None);
        fixture.clock.advance(PERIOD);
        fixture.decided(usize::try_from(number).unwrap()).await;
        assert_eq!(fixture.hub.output(&tick(number)).await, "\"in\"");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ticks_that_were_missed_are_made_up_for_within_the_window() {
    let fixture = Fixture::open(app());
    fixture.create(every_period("Echo", OverlapPolicy::Allow)).await;
    let fixture = fixture.reopen_after(PERIOD * 3, app()).await;
    fixture.decided(3).await;
    for number in 1..=3 {
        assert_eq!(fixture.hub.output(&tick(number)).await, "\"in\"");
    }
    let fixture = fixture.reopen_after(PERIOD * 20, app()).await;
    assert_eq!(fixture.hub.finished_later(&tick(23)).await, RuntimeStatus::Completed);
    assert_eq!(
        (fixture.status(&tick(16)), fixture.status(&tick(17))),
        (None, Some(RuntimeStatus::Completed))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn queued_ticks_run_one_after_the_other() {
    let fixture = Fixture::open(app());
    fixture.create(every_period("Waits", OverlapPolicy::Queue)).await;
    fixture.clock.advance(PERIOD);
    fixture.decided(1).await;
    fixture.clock.advance(PERIOD);
    assert_eq!(fixture.decided(2).await[1], RunOutcome::Queued);
    assert_eq!(fixture.status(&tick(2)), None);
    fixture.hub.raise(&tick(1), "go", "1").await;
    eventually(|| fixture.status(&tick(2))).await;
    fixture.hub.raise(&tick(2), "go", "2").await;
    assert_eq!(fixture.hub.output(&tick(2)).await, "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn run_before_is_left_alone_or_ended_as_the_policy_says() {
    let table = [
        (OverlapPolicy::Skip, RuntimeStatus::Running, None),
        (OverlapPolicy::Allow, RuntimeStatus::Running, Some(RuntimeStatus::Running)),
        (OverlapPolicy::Terminate, RuntimeStatus::Terminated, Some(RuntimeStatus::Running)),
    ];
    for (policy, first, second) in table {
        let fixture = Fixture::open(app());
        fixture.create(every_period("Waits", policy)).await;
        fixture.clock.advance(PERIOD);
        eventually(|| fixture.status(&tick(1)).filter(|status| *status == RuntimeStatus::Running)).await;
        fixture.clock.advance(PERIOD);
        fixture.decided(2).await;
        if second.is_some() {
            eventually(|| (fixture.status(&tick(2)) == second).then_some(())).await;
        }
        assert_eq!((fixture.status(&tick(1)), fixture.status(&tick(2))), (Some(first), second), "{policy}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn schedules_are_managed_and_survive() {
    let fixture = Fixture::open(app());
    let client = &fixture.hub.client;
    assert!(matches!(client.get_schedule(&id()), Err(ClientError::ScheduleNotFound(_))));
    let unknown = client.create_schedule(&id(), every_period("Nobody", OverlapPolicy::Skip)).await;
    assert!(matches!(unknown, Err(ClientError::UnknownOrchestrator { .. })), "{unknown:?}");
    fixture.create(every_period("Echo", OverlapPolicy::Skip)).await;
    let again = client.create_schedule(&id(), every_period("Echo", OverlapPolicy::Skip)).await;
    assert!(matches!(again, Err(ClientError::ScheduleExists(_))), "{again:?}");
    client.pause_schedule(&id(), "holiday").await.unwrap();

    let fixture = fixture.reopen_after(PERIOD, app()).await;
    let client = &fixture.hub.client;
    let [(found, record)] = &client.list_schedules(None, 10)[..] else { panic!("there is one") };
    assert_eq!((found, record.paused.as_deref(), record.runs.len()), (&id(), Some("holiday"), 0));
    let triggered = client.trigger_schedule(&id()).await.unwrap();
    assert!(matches!(triggered.outcome, RunOutcome::Started { .. }), "{triggered:?}");
    client.resume_schedule(&id()).await.unwrap();
    fixture.clock.advance(PERIOD);
    assert_eq!(fixture.hub.finished_later(&tick(2)).await, RuntimeStatus::Completed);
    client.delete_schedule(&id()).await.unwrap();
    assert!(matches!(client.delete_schedule(&id()).await, Err(ClientError::ScheduleNotFound(_))));
    assert_eq!(fixture.hub.store.schedules().unwrap(), []);
}

impl Hub {
    async fn finished_later(&self, id: &str) -> RuntimeStatus {
        eventually(|| {
            let status = self.client.get_status(&instance(id), StatusOptions::default()).unwrap().status;
            status.map(|status| status.runtime_status).filter(|status| status.is_finished())
        })
        .await
    }
}

/// An app whose function tells of its calls and ends each as `answer` says.
fn timer_app(
    overlap: OverlapPolicy,
    answer: fn(u64) -> Option<Result<(), TaskFailureDetails>>,
) -> (App, mpsc::UnboundedReceiver<TimerCall>) {
    let (calls, called) = mpsc::unbounded_channel();
    let app = app().timer("beat", call_every_period(overlap), move |call| {
        let calls = calls.clone();
        async move {
            let number = (call.scheduled.as_nanos() / 1_000_000_000 - BEGIN) / 10;
            calls.send(call).unwrap();
            match answer(number) {
                Some(result) => result,
                None => std::future::pending().await,
            }
        }
    });
    (app, called)
}

#[tokio::test(flavor = "multi_thread")]
async fn function_is_called_at_its_times_and_its_failures_are_noted() {
    let (app, mut called) = timer_app(OverlapPolicy::Skip, |number| {
        Some(if number == 2 { Err(TaskFailureDetails::new("Broken", "no luck")) } else { Ok(()) })
    });
    let fixture = Fixture::open(app);
    eventually(|| fixture.hub.client.get_schedule(&id()).ok()).await;
    let mut expected = Vec::new();
    for number in 1..=3 {
        fixture.clock.advance(PERIOD);
        let call = called.recv().await.unwrap();
        assert_eq!(
            (call.scheduled.as_nanos(), call.is_past_due),
            ((BEGIN + 10 * number) * 1_000_000_000, false)
        );
        let failed = RunOutcome::Failed("Broken: no luck".into());
        expected.push(if number == 2 { failed } else { RunOutcome::Completed });
        eventually(|| (fixture.runs() == expected).then_some(())).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn call_that_a_crash_cut_off_is_made_again_for_the_same_tick() {
    let (app, mut called) = timer_app(OverlapPolicy::Skip, |_| None);
    let fixture = Fixture::open(app);
    eventually(|| fixture.hub.client.get_schedule(&id()).ok()).await;
    fixture.clock.advance(PERIOD);
    let first = called.recv().await.unwrap();
    let (app, mut called) = timer_app(OverlapPolicy::Skip, |_| Some(Ok(())));
    let fixture = fixture.reopen_after(Duration::from_secs(15), app).await;
    let second = called.recv().await.unwrap();
    assert_eq!((second.scheduled, second.is_past_due), (first.scheduled, true));
    eventually(|| fixture.runs().contains(&RunOutcome::Completed).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn schedule_of_a_function_follows_its_code() {
    let (with_function, _called) = timer_app(OverlapPolicy::Skip, |_| Some(Ok(())));
    let fixture = Fixture::open(with_function);
    eventually(|| fixture.hub.client.get_schedule(&id()).ok()).await;
    let put = fixture.hub.client.put_schedule(&id(), every_period("Echo", OverlapPolicy::Skip)).await;
    assert!(matches!(put, Err(ClientError::ScheduleOfFunction(_))), "{put:?}");
    let delete = fixture.hub.client.delete_schedule(&id()).await;
    assert!(matches!(delete, Err(ClientError::ScheduleOfFunction(_))), "{delete:?}");
    let fixture = fixture.reopen_after(PERIOD, app()).await;
    eventually(|| fixture.hub.client.get_schedule(&id()).is_err().then_some(())).await;
    assert_eq!(fixture.hub.store.schedules().unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn function_that_is_still_at_work_is_not_called_beside_itself() {
    let table = [(OverlapPolicy::Skip, RunOutcome::Skipped), (OverlapPolicy::Queue, RunOutcome::Queued)];
    for (policy, expected) in table {
        let (app, mut called) = timer_app(policy, |_| None);
        let fixture = Fixture::open(app);
        eventually(|| fixture.hub.client.get_schedule(&id()).ok()).await;
        fixture.clock.advance(PERIOD);
        called.recv().await.unwrap();
        fixture.clock.advance(PERIOD);
        assert_eq!(fixture.decided(2).await[1], expected);
        assert!(called.try_recv().is_err());
    }
    let (app, mut called) = timer_app(OverlapPolicy::Terminate, |number| (number == 2).then_some(Ok(())));
    let fixture = Fixture::open(app);
    eventually(|| fixture.hub.client.get_schedule(&id()).ok()).await;
    for _ in 0..2 {
        fixture.clock.advance(PERIOD);
        called.recv().await.unwrap();
    }
    eventually(|| fixture.runs().contains(&RunOutcome::Completed).then_some(())).await;
    assert!(matches!(fixture.runs()[0], RunOutcome::Failed(_)));
}
