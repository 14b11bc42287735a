//! What clients change: rewind, restart, terminate with all below, each repeatable under a key.

use crate::support::{App, Context, Hub, Result, instance, json};
use durance_durable::{
    HistoryEvent, InstanceId, Json, RuntimeStatus, StartDetails, TaskFailureDetails, Timestamp,
};
use durance_taskhub::{
    ClientError, Idempotency, OrchestrationClient, PurgeFilter, PurgeOptions, PurgeSelection, RaisedEvent,
    RestartUnder, StartAnswer, StartOptions, StatusOptions,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};

/// What activities of these tests do: `First` counts its runs, `Second` fails until it is mended.
#[derive(Clone, Default)]
struct World {
    firsts: Arc<AtomicU32>,
    mended: Arc<AtomicBool>,
}

async fn steps(context: Context) -> Result<Json> {
    context.result(context.schedule("First", "1")?).await?;
    let second = context.result(context.schedule("Second", "2")?).await?;
    context.result(context.event("go")?).await?;
    Ok(second)
}

async fn parent(context: Context) -> Result<Json> {
    let children = [context.child("Steps", Some("child"), "1")?, context.child("Steps", Some("other"), "1")?];
    let mut failure = None;
    for child in children {
        failure = context.result(child).await.err().or(failure);
    }
    failure.map_or_else(|| Ok(json("true")), Err)
}

async fn waiting_tree(context: Context) -> Result<Json> {
    let depth: u32 = context.input().as_str().parse().unwrap();
    let task = match depth {
        0 => context.event("never")?,
        _ => context.child("Tree", Some(&format!("tree-{}", depth - 1)), &(depth - 1).to_string())?,
    };
    context.result(task).await
}

fn app(world: &World) -> App {
    let (firsts, mended) = (Arc::clone(&world.firsts), Arc::clone(&world.mended));
    App::default()
        .orchestrator("Steps", steps)
        .orchestrator("Parent", parent)
        .orchestrator("Tree", waiting_tree)
        .activity("First", move |_| {
            firsts.fetch_add(1, SeqCst);
            async { Ok(json("1")) }
        })
        .activity("Second", move |_| {
            let is_mended = mended.load(SeqCst);
            async move {
                if is_mended { Ok(json("2")) } else { Err(TaskFailureDetails::new("Broken", "it is broken")) }
            }
        })
}

fn status(hub: &Hub, id: &str) -> Option<RuntimeStatus> {
    let snapshot = hub.client.get_status(&instance(id), StatusOptions::default()).unwrap();
    snapshot.status.map(|status| status.runtime_status)
}

fn once(hub: &Hub, key: &str) -> OrchestrationClient {
    hub.client.once(Idempotency::new(key).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rewound_instance_does_what_failed_again_and_nothing_else() {
    let world = World::default();
    let hub = Hub::open(app(&world));
    hub.start("Steps", "a", "1").await;
    assert_eq!(hub.failure("a").await.error_type, "Broken");
    world.mended.store(true, SeqCst);
    hub.client.rewind(&instance("a"), "mended").await.unwrap();
    // Whatever has happened of it by now, after a restart it is replayed.
    let hub = hub.reopen(app(&world)).await;
    hub.raise("a", "go", "1").await;
    assert_eq!(hub.output("a").await, "2");
    assert_eq!(world.firsts.load(SeqCst), 1, "what was done is not done again");

    let options = StatusOptions { show_history: true, ..StatusOptions::default() };
    let history = hub.client.get_status(&instance("a"), options).unwrap().status.unwrap().history.unwrap();
    let rewound = |event: &&HistoryEvent| matches!(event, HistoryEvent::ExecutionRewound { .. });
    assert_eq!(history.iter().flat_map(|turn| &turn.events).filter(rewound).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_may_be_rewound_as_often_as_it_fails() {
    let world = World::default();
    let hub = Hub::open(app(&world));
    hub.start("Steps", "a", "1").await;
    for _ in 0..3 {
        hub.failure("a").await;
        hub.client.rewind(&instance("a"), "").await.unwrap();
    }
    hub.failure("a").await;
    world.mended.store(true, SeqCst);
    hub.client.rewind(&instance("a"), "").await.unwrap();
    hub.raise("a", "go", "1").await;
    assert_eq!(hub.output("a").await, "2");
    assert_eq!(world.firsts.load(SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_sub_orchestrations_are_rewound_with_their_parent() {
    let world = World::default();
    let hub = Hub::open(app(&world));
    hub.start("Parent", "p", "1").await;
    hub.failure("p").await;
    world.mended.store(true, SeqCst);
    hub.client.purge(&instance("other")).await.unwrap();
    hub.client.rewind(&instance("p"), "").await.unwrap();
    for child in ["child", "other"] {
        hub.raise(child, "go", "1").await;
    }
    assert_eq!(hub.output("p").await, "true");
    assert_eq!(world.firsts.load(SeqCst), 3, "the purged one began from nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_failed_instance_is_rewound() {
    let hub = Hub::open(app(&World::default()));
    let rewind = async |id: &str| hub.client.rewind(&instance(id), "").await;
    assert!(matches!(rewind("none").await, Err(ClientError::NotFound(_))));
    hub.start("Tree", "a", "0").await;
    assert!(matches!(rewind("a").await, Err(ClientError::NotFailed { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_begins_again_with_the_same_input() {
    let hub = Hub::open(app(&World::default()));
    let restart = async |id: &str, under| hub.client.restart(&instance(id), under).await;
    assert!(matches!(restart("none", RestartUnder::NewId).await, Err(ClientError::NotFound(_))));
    hub.start("Tree", "a", "0").await;
    let live = restart("a", RestartUnder::SameId).await.unwrap();
    assert!(matches!(live, StartAnswer::AlreadyExists(_)), "{live:?}");
    let StartAnswer::Started(copy) = restart("a", RestartUnder::NewId).await.unwrap() else { panic!() };
    assert_ne!(copy.instance.as_str(), "a");
    let status = hub.client.wait_for_completion(&copy.instance, Duration::ZERO).await.unwrap();
    assert_eq!((&*status.name, status.input), ("Tree", Some(json("0"))));

    hub.client.terminate(&instance("a"), "").await.unwrap();
    hub.finished("a").await;
    let StartAnswer::Started(again) = restart("a", RestartUnder::SameId).await.unwrap() else { panic!() };
    assert_eq!((again.instance.as_str(), again.generation), ("a", 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_under_a_key_is_done_once() {
    let world = World::default();
    let hub = Hub::open(app(&world));
    let a = instance("a");
    hub.start("Steps", "a", "1").await;
    hub.failure("a").await;
    world.mended.store(true, SeqCst);
    for _ in 0..2 {
        once(&hub, "rewind").rewind(&a, "r").await.unwrap();
        once(&hub, "go").raise_event(&a, "go", json("1")).await.unwrap();
        hub.output("a").await;
    }
    let other = once(&hub, "go").raise_event(&a, "go", json("2")).await;
    assert!(matches!(other, Err(ClientError::IdempotencyMismatch)), "{other:?}");
    let other = once(&hub, "go").purge(&a).await;
    assert!(matches!(other, Err(ClientError::IdempotencyMismatch)), "{other:?}");

    let restart = async || once(&hub, "restart").restart(&a, RestartUnder::NewId).await.unwrap();
    let StartAnswer::Started(first) = restart().await else { panic!() };
    once(&hub, "purge").purge(&a).await.unwrap();
    once(&hub, "purge").purge(&a).await.unwrap();
    let StartAnswer::Started(second) = restart().await else { panic!("the first answer holds") };
    assert_eq!((first.instance, first.execution), (second.instance, second.execution));
    once(&hub, "late").terminate(&a, "").await.unwrap_err();
    hub.start("Tree", "a", "0").await;
    let refused = once(&hub, "late").terminate(&a, "").await;
    assert!(matches!(refused, Err(ClientError::NotFound(_))), "a refusal is repeated: {refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn terminate_tree_ends_all_below_and_terminate_does_not() {
    let hub = Hub::open(app(&World::default()));
    hub.start("Tree", "top", "3").await;
    let bottom = instance("tree-0");
    while status(&hub, "tree-0") != Some(RuntimeStatus::Running) {
        tokio::task::yield_now().await;
    }
    hub.client.terminate(&instance("tree-2"), "alone").await.unwrap();
    hub.failure("top").await;
    assert_eq!(status(&hub, "tree-1"), Some(RuntimeStatus::Running));
    let over = hub.client.terminate_tree(&instance("top"), "").await;
    assert!(matches!(over, Err(ClientError::Finished { .. })), "{over:?}");

    hub.client.terminate_tree(&instance("tree-1"), "all").await.unwrap();
    let ended = ended(&hub, &bottom).await;
    assert_eq!(ended.output, Some(json("\"all\"")));
}

async fn ended(hub: &Hub, id: &InstanceId) -> durance_taskhub::OrchestrationStatus {
    let status = hub.client.wait_for_completion(id, Duration::from_secs(20)).await.unwrap();
    assert_eq!(status.runtime_status, RuntimeStatus::Terminated);
    status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_of_many_takes_what_is_below_them_too_and_each_once() {
    let hub = Hub::open(app(&World::default()));
    hub.start("Tree", "top", "2").await;
    hub.start("Tree", "live", "0").await;
    while status(&hub, "tree-1") != Some(RuntimeStatus::Running) {
        tokio::task::yield_now().await;
    }
    let purge = async |ids: &[&str], recursive, dry_run| {
        let selection = PurgeSelection::Instances(ids.iter().map(|id| instance(id)).collect());
        hub.client.purge_instances(selection, PurgeOptions { recursive, dry_run }).await.unwrap()
    };
    assert_eq!(
        purge(&["top", "live", "none"], true, false).await,
        0,
        "live and missing ones are passed over"
    );
    hub.client.terminate_tree(&instance("top"), "").await.unwrap();
    for id in ["top", "tree-0", "tree-1"] {
        ended(&hub, &instance(id)).await;
    }
    let all = ["tree-0", "top", "live", "none", "top"];
    assert_eq!(purge(&all, true, true).await, 3, "of trees that overlap each instance counts once");
    assert_eq!(purge(&["tree-0"], false, false).await, 1);
    assert_eq!(purge(&all, true, false).await, 2);
    assert_eq!((status(&hub, "top"), status(&hub, "tree-1")), (None, None));
    assert_eq!(status(&hub, "live"), Some(RuntimeStatus::Running));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_takes_only_what_is_finished_and_can_be_tried_first() {
    let hub = Hub::open(app(&World::default()));
    hub.start("Tree", "top", "2").await;
    hub.start("Tree", "live", "0").await;
    while status(&hub, "tree-0") != Some(RuntimeStatus::Running) {
        tokio::task::yield_now().await;
    }
    let live = hub.client.purge_tree(&instance("top")).await;
    assert!(matches!(live, Err(ClientError::NotFinished { .. })), "{live:?}");
    hub.client.terminate_tree(&instance("top"), "").await.unwrap();
    ended(&hub, &instance("tree-0")).await;
    assert_eq!(hub.client.purge_tree(&instance("top")).await.unwrap(), 3);
    assert_eq!(status(&hub, "tree-1"), None);

    for number in 0..70 {
        let id = format!("job-{number}");
        hub.start("Tree", &id, "0").await;
        hub.client.terminate(&instance(&id), "").await.unwrap();
        hub.finished(&id).await;
    }
    let filter = |statuses| PurgeFilter { created_from: Timestamp::default(), created_to: None, statuses };
    let purge = async |statuses, dry_run| {
        let options = PurgeOptions { dry_run, ..PurgeOptions::default() };
        let selection = PurgeSelection::Matching(filter(statuses));
        hub.client.purge_instances(selection, options).await.unwrap()
    };
    assert_eq!(purge(vec![RuntimeStatus::Running, RuntimeStatus::Pending], false).await, 0);
    assert_eq!(purge(vec![RuntimeStatus::Completed], false).await, 0);
    assert_eq!(purge(vec![], true).await, 70);
    assert_eq!(purge(vec![RuntimeStatus::Terminated, RuntimeStatus::Running], false).await, 70);
    assert_eq!(purge(vec![], true).await, 0);
    assert_eq!(status(&hub, "live"), Some(RuntimeStatus::Running));
    let counts = hub.client.counts().unwrap();
    assert_eq!((counts.of(RuntimeStatus::Running), counts.of(RuntimeStatus::Terminated)), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn start_and_raise_begins_once_and_reaches_whoever_holds_the_id() {
    let hub = Hub::open(app(&World::default()));
    let options = || StartOptions { instance: Some(instance("a")), ..StartOptions::default() };
    let send = async || {
        let event = RaisedEvent { name: "never", data: json("7") };
        hub.client.start_and_raise("Tree", json("0"), options(), event).await.unwrap()
    };
    assert!(matches!(send().await, StartAnswer::Started(_)));
    assert_eq!(hub.output("a").await, "7");
    let StartAnswer::Started(second) = send().await else { panic!("it was over") };
    assert_eq!(second.generation, 2);
    hub.output("a").await;
    hub.start("Tree", "a", "0").await;
    assert!(matches!(send().await, StartAnswer::Existing(_)));
    assert_eq!(hub.output("a").await, "7");
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_and_version_are_shown_and_a_child_inherits_the_version() {
    let hub = Hub::open(app(&World::default()));
    let details = StartDetails {
        tags: [("team".into(), "red".into())].into(),
        version: Some("2.1".into()),
        scheduled_start: None,
    };
    let options =
        StartOptions { instance: Some(instance("top")), details: details.clone(), ..StartOptions::default() };
    hub.client.start_new("Tree", json("1"), options).await.unwrap();
    while status(&hub, "tree-0") != Some(RuntimeStatus::Running) {
        tokio::task::yield_now().await;
    }
    let shown =
        |id: &str| hub.client.get_status(&instance(id), StatusOptions::default()).unwrap().status.unwrap();
    assert_eq!(shown("top").details, details);
    let child = shown("tree-0");
    assert_eq!(child.details.version.as_deref(), Some("2.1"));
    assert_eq!((child.details.tags.len(), child.parent), (0, Some(instance("top"))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_wakes_who_waits_for_it() {
    let hub = Hub::open(app(&World::default()));
    hub.start("Tree", "a", "0").await;
    let seen = hub.client.wait_for_completion(&instance("a"), Duration::ZERO).await.unwrap();
    let changed =
        async || hub.client.wait_for_change(&instance("a"), &seen, Duration::from_secs(20)).await.unwrap();
    let (changed, ()) =
        tokio::join!(changed(), async { hub.client.suspend(&instance("a"), "").await.unwrap() });
    assert_eq!(changed.runtime_status, RuntimeStatus::Suspended);
}
