//! What every [`TaskHubStore`] promises, one function a promise. Each takes a new, empty store.
//!
//! [`conformance_tests!`](crate::conformance_tests) makes a test of each.

pub mod continue_as_new;
pub mod entities;
pub mod idempotency;
pub mod inbox;
pub mod leases;
pub mod list;
pub mod locks;
pub mod purge;
pub mod queue;
pub mod repin;
pub mod retention;
pub mod rewind;
pub mod schedule;
pub mod start;
pub mod sub_orchestration;
pub mod tasks;
pub mod turn;

use crate::{
    Lease, Operation, Outcome, PurgeOutcome, Recovered, SendEvent, SendOutcome, StartOutcome, StartRequest,
    TaskHubStore, TurnOutcome, TurnWrite,
};
use durance_durable::{
    ActivityOptions, CreateTimer, ExecutionId, HistoryEvent, IfExists, InstanceId, InstanceRecord, Json,
    Message, ModuleHash, PartitionId, RetentionPolicy, RuntimeStatus, ScheduleTask, StartDetails, TaskId,
    Timestamp, Token, Turn, TurnCommit,
};
use uuid::Uuid;

/// Makes a module of tests, one for each promise.
///
/// `$make` names a function that makes what must outlive a store, a folder for example, and the store.
#[macro_export]
macro_rules! conformance_tests {
    ($module:ident, $make:path) => {
        mod $module {
            $crate::conformance_tests!(@theme $make, start: [
                every_policy_decides_as_its_table_says,
                start_writes_a_pending_run_and_the_message_that_begins_it,
                live_run_that_is_replaced_is_terminated_in_the_same_commit,
                run_that_is_replaced_before_its_first_turn_has_a_whole_history,
                token_of_an_id_changes_with_all_that_happens_to_it_and_never_comes_back,
                start_with_an_old_token_changes_nothing,
                starts_of_one_commit_see_each_other,
                newest_three_replaced_generations_are_kept,
            ]);
            $crate::conformance_tests!(@theme $make, idempotency: [
                repeated_request_is_told_the_first_outcome,
                operations_under_one_key_are_one,
                refusal_is_repeated_too,
                another_request_under_the_same_key_is_refused,
                key_is_kept_for_a_day,
                sweep_deletes_only_keys_whose_time_is_over,
            ]);
            $crate::conformance_tests!(@theme $make, turn: [
                turn_changes_record_and_history_together,
                turn_on_another_base_changes_nothing,
                turn_of_a_finished_instance_is_stale,
                start_and_first_turn_share_a_commit,
                last_turn_leaves_nothing_that_waits,
            ]);
            $crate::conformance_tests!(@theme $make, inbox: [
                message_waits_until_a_turn_takes_it,
                messages_are_kept_in_the_order_they_came,
                message_to_nobody_or_to_a_finished_instance_is_refused,
                inboxes_of_similar_ids_are_apart,
                reply_goes_to_the_inbox_of_the_same_execution,
                events_of_a_turn_go_out_with_it_in_their_order,
                event_of_a_turn_to_nobody_or_to_a_finished_instance_is_dropped,
                event_of_a_turn_reaches_what_the_turn_starts_and_its_own_next_execution,
            ]);
            $crate::conformance_tests!(@theme $make, tasks: [
                scheduled_task_is_open_until_its_result_is_in_the_history,
                cancelled_activity_is_not_open,
                timer_is_open_until_it_fired_or_was_canceled,
                retry_of_an_open_activity_is_remembered,
                retry_of_a_task_that_is_not_open_is_not_applied,
            ]);
            $crate::conformance_tests!(@theme $make, sub_orchestration: [
                child_is_started_with_the_turn_that_creates_it,
                child_whose_id_is_in_use_fails_its_task,
                start_without_a_parent_whose_id_is_in_use_changes_nothing,
                stale_turn_starts_no_child,
                parent_gets_the_result_of_its_child,
                parent_that_is_over_gets_nothing,
                parent_learns_that_its_child_was_terminated,
            ]);
            $crate::conformance_tests!(@theme $make, continue_as_new: [
                next_execution_takes_the_place_of_the_last,
                events_for_the_run_stay_and_results_for_the_execution_go,
                view_shows_the_moment_it_was_taken,
            ]);
            $crate::conformance_tests!(@theme $make, repin: [
                repinned_instance_takes_no_turn_of_its_old_component,
                instance_that_has_moved_or_ended_is_not_repinned,
                next_execution_may_run_on_another_component,
            ]);
            $crate::conformance_tests!(@theme $make, purge: [
                purge_deletes_everything_of_a_finished_instance,
                purge_of_a_live_or_missing_instance_does_nothing,
                generation_goes_on_rising_after_a_purge,
            ]);
            $crate::conformance_tests!(@theme $make, schedule: [
                schedule_is_kept_until_it_is_deleted,
                tick_starts_its_run_and_moves_on_in_one_commit,
                tick_of_another_revision_changes_nothing,
                every_overlap_policy_while_the_run_before_is_live,
                queued_tick_runs_after_the_run_before,
                tick_that_was_run_is_not_run_again_by_a_new_schedule_of_the_same_id,
                run_that_cannot_be_started_is_noted,
                function_call_is_remembered_until_it_ends,
            ]);
            $crate::conformance_tests!(@theme $make, retention: [
                finished_run_is_deleted_when_its_time_is_over,
                each_end_has_its_own_time,
                replaced_run_is_deleted_alone,
                time_is_kept_over_continue_as_new,
                many_runs_are_deleted_in_batches,
            ]);
            $crate::conformance_tests!(@theme $make, queue: [
                queued_starts_begin_in_order_each_when_the_one_before_is_over,
                replacing_start_goes_before_those_that_wait,
                queue_is_dropped_and_ends_where_too_many_wait,
            ]);
            $crate::conformance_tests!(@theme $make, rewind: [
                rewound_run_is_live_and_waits_for_what_failed,
                failed_child_is_rewound_with_its_parent,
                child_that_is_gone_is_started_again,
                only_a_failed_run_is_rewound,
            ]);
            $crate::conformance_tests!(@theme $make, list: [
                list_is_in_the_order_of_ids_page_by_page,
                list_filters_by_status_time_and_prefix,
                every_order_and_filter_gives_the_same_pages,
            ]);
            $crate::conformance_tests!(@theme $make, entities: [
                signals_wait_in_order_until_a_turn_takes_them,
                whoever_sends_wakes_the_entity,
                turn_of_an_entity_writes_all_together,
                turn_of_an_entity_on_another_version_changes_nothing,
                entity_without_state_and_messages_leaves_nothing,
                scheduled_signal_is_not_taken_before_it_is_due,
                entities_are_listed_page_by_page,
            ]);
            $crate::conformance_tests!(@theme $make, locks: [
                locks_are_taken_one_after_the_other_and_then_granted,
                locked_entity_serves_its_holder_only,
                end_of_the_holder_frees_its_locks_in_the_same_commit,
                request_of_one_that_is_over_locks_nothing,
                turn_that_does_not_know_of_a_release_is_stale,
                any_order_of_steps_excludes_and_ends,
            ]);
            $crate::conformance_tests!(@theme $make, leases: [
                owner_gets_every_partition,
                commit_with_another_epoch_writes_nothing,
                commit_without_the_lease_of_a_partition_writes_nothing,
                lease_of_another_epoch_is_not_renewed,
            ]);
        }
    };
    (@theme $make:path, $theme:ident: [$($promise:ident,)*]) => {
        mod $theme {
            $(#[test]
            fn $promise() {
                let (_place, store) = $make();
                $crate::conformance::$theme::$promise(&store);
            })*
        }
    };
}

/// A store, its leases, and short ways to use it.
#[derive(Debug)]
pub struct Driver<'a> {
    /// The store.
    pub store: &'a dyn TaskHubStore,
    /// All of its leases.
    pub leases: Vec<Lease>,
}

impl<'a> Driver<'a> {
    /// Takes all leases.
    pub fn new(store: &'a dyn TaskHubStore) -> Self {
        Self { store, leases: store.acquire("conformance").expect("a new store can be driven") }
    }

    /// Commits what must be committed.
    pub fn commit(&self, operations: Vec<Operation>) -> Vec<Outcome> {
        self.store.commit(&self.leases, operations).expect("the owner can commit").outcomes
    }

    fn commit_one(&self, operation: Operation) -> Outcome {
        self.commit(vec![operation]).pop().expect("one operation has one outcome")
    }

    /// Commits a start.
    pub fn start(&self, request: StartRequest) -> StartOutcome {
        match self.commit_one(Operation::Start(request)) {
            Outcome::Start(outcome) => outcome,
            other => unreachable!("a start was answered {other:?}"),
        }
    }

    /// Commits a turn.
    pub fn turn(&self, write: TurnWrite) -> TurnOutcome {
        match self.commit_one(Operation::Turn(write)) {
            Outcome::Turn(outcome) => outcome,
            other => unreachable!("a turn was answered {other:?}"),
        }
    }

    /// Commits an external event.
    pub fn raise(&self, instance: &str, name: &str) -> SendOutcome {
        let event = HistoryEvent::EventRaised { name: name.into(), input: Json::null() };
        match self.commit_one(Operation::Send(SendEvent { instance: id(instance), event })) {
            Outcome::Send(outcome) => outcome,
            other => unreachable!("a message was answered {other:?}"),
        }
    }

    /// Commits a purge.
    pub fn purge(&self, instance: &str) -> PurgeOutcome {
        match self.commit_one(Operation::Purge(id(instance))) {
            Outcome::Purge(outcome) => outcome,
            other => unreachable!("a purge was answered {other:?}"),
        }
    }

    /// Starts an instance whose id is unused.
    pub fn begin(&self, instance: &str, number: u128) -> InstanceRecord {
        let outcome = self.start(start_request(instance, number));
        assert!(matches!(outcome, StartOutcome::Started { .. }), "{outcome:?}");
        self.record(instance)
    }

    /// Starts an instance, and writes its first turn.
    pub fn run(&self, instance: &str, number: u128) -> InstanceRecord {
        let record = self.begin(instance, number);
        self.go_on(instance, &record, vec![HistoryEvent::ExecutionStarted])
    }

    /// Writes a turn after which the instance goes on.
    pub fn go_on(
        &self,
        instance: &str,
        record: &InstanceRecord,
        events: Vec<HistoryEvent>,
    ) -> InstanceRecord {
        self.write(turn_write(instance, record, events))
    }

    /// Writes a last turn.
    pub fn finish(&self, instance: &str, record: &InstanceRecord, status: RuntimeStatus) -> InstanceRecord {
        let end = HistoryEvent::ExecutionCompleted { status, output: Some(Json::of("done")), failure: None };
        let mut write = turn_write(instance, record, vec![end]);
        write.commit.status = status;
        write.commit.output = Some(Json::of("done"));
        self.write(write)
    }

    /// Writes a turn that must not be stale.
    pub fn write(&self, write: TurnWrite) -> InstanceRecord {
        let instance = write.commit.instance.clone();
        let outcome = self.turn(write);
        assert!(matches!(outcome, TurnOutcome::Committed { .. }), "{outcome:?}");
        self.record(instance.as_str())
    }

    /// An instance's record.
    pub fn find(&self, instance: &str) -> Option<InstanceRecord> {
        self.store.instance(&id(instance)).expect("the store can be read").record
    }

    /// The record of an instance that must be there.
    pub fn record(&self, instance: &str) -> InstanceRecord {
        self.find(instance).expect("the instance exists")
    }

    /// An id's token.
    pub fn token(&self, instance: &str) -> Token {
        self.store.instance(&id(instance)).expect("the store can be read").token
    }

    /// An execution's history.
    pub fn history(&self, execution: ExecutionId) -> Vec<HistoryEvent> {
        let turns = self.store.history(execution).expect("the store can be read");
        turns.into_iter().flat_map(|turn| turn.events).collect()
    }

    /// All that waits, in all partitions.
    pub fn waiting(&self) -> Vec<Recovered> {
        let recover = |index| self.store.recover(PartitionId(index)).expect("the store can be read");
        (0..self.store.partition_count()).flat_map(recover).collect()
    }

    /// The messages that wait in an inbox.
    pub fn inbox(&self, instance: &str) -> Vec<Message> {
        let is_for = |waiting| match waiting {
            Recovered::Message(message) if message.instance == id(instance) => Some(message),
            _ => None,
        };
        self.waiting().into_iter().filter_map(is_for).collect()
    }
}

/// An instance id.
pub fn id(text: &str) -> InstanceId {
    InstanceId::new(text).expect("tests use valid ids")
}

/// An execution id.
pub fn execution(number: u128) -> ExecutionId {
    ExecutionId(Uuid::from_u128(number))
}

/// A time.
pub fn at(nanos: u64) -> Timestamp {
    Timestamp::from_nanos(nanos)
}

/// A start with the default policy.
pub fn start_request(instance: &str, number: u128) -> StartRequest {
    StartRequest {
        instance: id(instance),
        name: "Orchestrator".into(),
        input: Json::of(instance),
        module: ModuleHash([1; 32]),
        execution: execution(number),
        parent: None,
        if_exists: IfExists::default(),
        token: None,
        retention: RetentionPolicy::default(),
        details: StartDetails::default(),
        now: at(1_000),
    }
}

/// A turn after which the instance goes on.
pub fn turn_write(instance: &str, record: &InstanceRecord, events: Vec<HistoryEvent>) -> TurnWrite {
    let commit = TurnCommit {
        instance: id(instance),
        execution: record.execution,
        base_event_count: record.event_count,
        turn: Turn { time: at(2_000 + record.event_count), events },
        status: RuntimeStatus::Running,
        custom_status: None,
        output: None,
        failure: None,
        taken: Vec::new(),
        next: None,
    };
    let module = record.module;
    TurnWrite { commit, children: Vec::new(), replies: Vec::new(), module, next_module: None }
}

/// A call of an activity.
pub fn call(task: u32) -> ScheduleTask {
    let options = ActivityOptions::default();
    ScheduleTask { task: TaskId(task), name: "Activity".into(), input: Json::of(&task), options }
}

/// A timer.
pub fn timer(task: u32) -> CreateTimer {
    CreateTimer { task: TaskId(task), fire_at: at(9_000) }
}
