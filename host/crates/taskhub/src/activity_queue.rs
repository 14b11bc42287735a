//! The order in which activities run: under limits, by priority, and fair between instances.

use durance_durable::InstanceId;
use std::{
    collections::{BTreeMap, HashMap, VecDeque, btree_map::Entry},
    sync::Arc,
};

/// Of so many activities that begin one is not the most urgent, but the one whose turn is the longest ago: what has a low
/// priority is slow, but does not wait for ever.
const PICKS_BY_PRIORITY: u64 = 8;

/// How many activities run at one time, besides the limit on all of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ActivityLimits {
    /// By function; the name in lower case.
    pub functions: HashMap<Arc<str>, usize>,
    /// By the key that a call names.
    pub keys: HashMap<Arc<str>, usize>,
}

/// The limits that hold for an activity: its function and its key, where these have one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Group {
    function: Option<Arc<str>>,
    key: Option<Arc<str>>,
}

/// The activities that wait for a place, and how many run.
#[derive(Debug)]
pub(crate) struct ActivityQueue<T> {
    places: usize,
    limits: ActivityLimits,
    running: usize,
    running_functions: HashMap<Arc<str>, usize>,
    running_keys: HashMap<Arc<str>, usize>,
    waiting: BTreeMap<Group, BTreeMap<i8, Flows<T>>>,
    /// The turn of whoever began last: those who come anew begin there, and not with the turns that others have had.
    turn: u64,
    picks: u64,
}

/// The activities of each instance, in order; the instances in the order of their turns.
#[derive(Debug)]
struct Flows<T> {
    by_turn: BTreeMap<(u64, InstanceId), VecDeque<T>>,
    turns: HashMap<InstanceId, u64>,
}

impl<T> Default for Flows<T> {
    fn default() -> Self {
        Self { by_turn: BTreeMap::new(), turns: HashMap::new() }
    }
}

impl<T> ActivityQueue<T> {
    /// At most `places` run at one time.
    pub(crate) fn new(places: usize, limits: ActivityLimits) -> Self {
        Self {
            places,
            limits,
            running: 0,
            running_functions: HashMap::new(),
            running_keys: HashMap::new(),
            waiting: BTreeMap::new(),
            turn: 0,
            picks: 0,
        }
    }

    /// Other limits. What runs or waits under a limit that is gone is not held up by it any more; what waits without one
    /// goes on without it.
    pub(crate) fn set_limits(&mut self, limits: ActivityLimits) {
        self.limits = limits;
    }

    /// Which limits hold for a call of this function with this key.
    pub(crate) fn group(&self, function: &str, key: Option<&str>) -> Group {
        let function = self.limits.functions.get_key_value(function.to_ascii_lowercase().as_str());
        let key = key.and_then(|key| self.limits.keys.get_key_value(key));
        Group {
            function: function.map(|(name, _)| Arc::clone(name)),
            key: key.map(|(key, _)| Arc::clone(key)),
        }
    }

    /// Puts an activity behind those of its instance.
    pub(crate) fn push(&mut self, group: Group, priority: i8, instance: &InstanceId, activity: T) {
        let flows = self.waiting.entry(group).or_default().entry(priority).or_default();
        let turn = *flows.turns.entry(instance.clone()).or_insert(self.turn);
        flows.by_turn.entry((turn, instance.clone())).or_default().push_back(activity);
    }

    /// Takes the next activity that may begin, with what is to be given to [`ActivityQueue::release`] at its end.
    pub(crate) fn next(&mut self) -> Option<(Group, T)> {
        if self.running >= self.places {
            return None;
        }
        let (group, priority) = self.choose()?;
        let activity = self.take(&group, priority)?;
        self.picks += 1;
        self.running += 1;
        if let Some(function) = &group.function {
            *self.running_functions.entry(Arc::clone(function)).or_default() += 1;
        }
        if let Some(key) = &group.key {
            *self.running_keys.entry(Arc::clone(key)).or_default() += 1;
        }
        Some((group, activity))
    }

    /// Gives the place of an activity back.
    pub(crate) fn release(&mut self, group: &Group) {
        self.running -= 1;
        if let Some(count) = group.function.as_ref().and_then(|name| self.running_functions.get_mut(name)) {
            *count -= 1;
        }
        if let Some(count) = group.key.as_ref().and_then(|key| self.running_keys.get_mut(key)) {
            *count -= 1;
        }
    }

    /// Drops those activities of an instance that wait and are not wanted any more.
    pub(crate) fn retain(&mut self, instance: &InstanceId, mut is_wanted: impl FnMut(&T) -> bool) {
        self.waiting.retain(|_, by_priority| {
            by_priority.retain(|_, flows| {
                flows.retain(instance, &mut is_wanted);
                !flows.by_turn.is_empty()
            });
            !by_priority.is_empty()
        });
    }

    /// Drops all that wait.
    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
    }

    fn has_room(&self, group: &Group) -> bool {
        let is_free = |name: &Option<Arc<str>>, running: &HashMap<_, usize>, limits: &HashMap<_, usize>| {
            name.as_ref()
                .is_none_or(|name| running.get(name).unwrap_or(&0) < limits.get(name).unwrap_or(&usize::MAX))
        };
        is_free(&group.function, &self.running_functions, &self.limits.functions)
            && is_free(&group.key, &self.running_keys, &self.limits.keys)
    }

    fn choose(&self) -> Option<(Group, i8)> {
        let by_priority = self.picks % PICKS_BY_PRIORITY != PICKS_BY_PRIORITY - 1;
        let open = self.waiting.iter().filter(|(group, _)| self.has_room(group));
        let heads = open.flat_map(|(group, by_priority)| {
            by_priority.iter().filter_map(move |(priority, flows)| {
                flows.by_turn.first_key_value().map(|((turn, _), _)| (group, *priority, *turn))
            })
        });
        let urgency =
            |priority: i8| if by_priority { std::cmp::Reverse(priority) } else { std::cmp::Reverse(0) };
        let first = heads.min_by_key(|(_, priority, turn)| (urgency(*priority), *turn));
        first.map(|(group, priority, _)| (group.clone(), priority))
    }

    fn take(&mut self, group: &Group, priority: i8) -> Option<T> {
        let Entry::Occupied(mut by_priority) = self.waiting.entry(group.clone()) else { return None };
        let Entry::Occupied(mut flows) = by_priority.get_mut().entry(priority) else { return None };
        let (turn, activity) = flows.get_mut().take_first()?;
        self.turn = self.turn.max(turn);
        if flows.get().by_turn.is_empty() {
            flows.remove();
        }
        if by_priority.get().is_empty() {
            by_priority.remove();
        }
        Some(activity)
    }
}

impl<T> Flows<T> {
    /// The first activity of the instance whose turn it is; that instance is the last of its turn then.
    fn take_first(&mut self) -> Option<(u64, T)> {
        let ((turn, instance), mut activities) = self.by_turn.pop_first()?;
        let activity = activities.pop_front()?;
        if activities.is_empty() {
            self.turns.remove(&instance);
        } else {
            self.turns.insert(instance.clone(), turn + 1);
            self.by_turn.insert((turn + 1, instance), activities);
        }
        Some((turn, activity))
    }

    fn retain(&mut self, instance: &InstanceId, is_wanted: &mut impl FnMut(&T) -> bool) {
        let Some(turn) = self.turns.get(instance) else { return };
        let key = (*turn, instance.clone());
        let Some(activities) = self.by_turn.get_mut(&key) else { return };
        activities.retain(is_wanted);
        if activities.is_empty() {
            self.by_turn.remove(&key);
            self.turns.remove(instance);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Instance, function, key, priority, number.
    type Call<'a> = (&'a str, &'a str, Option<&'a str>, i8, u32);

    fn queue(places: usize) -> ActivityQueue<u32> {
        let limit = |name: &str, count| HashMap::from([(Arc::from(name), count)]);
        ActivityQueue::new(places, ActivityLimits { functions: limit("slow", 1), keys: limit("db", 2) })
    }

    fn push(queue: &mut ActivityQueue<u32>, (instance, function, key, priority, number): Call<'_>) {
        let group = queue.group(function, key);
        queue.push(group, priority, &InstanceId::new(instance).unwrap(), number);
    }

    /// Runs one after the other, in the order of the queue.
    fn drain(queue: &mut ActivityQueue<u32>) -> Vec<u32> {
        std::iter::from_fn(|| {
            let (group, number) = queue.next()?;
            queue.release(&group);
            Some(number)
        })
        .collect()
    }

    /// All that may run at the same time.
    fn begin(queue: &mut ActivityQueue<u32>) -> Vec<(Group, u32)> {
        std::iter::from_fn(|| queue.next()).collect()
    }

    fn numbers(begun: &[(Group, u32)]) -> Vec<u32> {
        begun.iter().map(|(_, number)| *number).collect()
    }

    #[test]
    fn one_activity_does_not_wait_for_a_fan_out_of_another_instance() {
        let mut queue = queue(1);
        (0..10_000).for_each(|number| push(&mut queue, ("fan", "A", None, 0, number)));
        let (group, first) = queue.next().unwrap();
        push(&mut queue, ("single", "A", None, 0, 99_999));
        queue.release(&group);
        let order = drain(&mut queue);
        assert_eq!((first, order.len()), (0, 10_000));
        let place = order.iter().position(|number| *number == 99_999).unwrap();
        assert!(place < 2, "{place}");
    }

    #[test]
    fn instances_take_turns_and_each_keeps_its_order() {
        let mut queue = queue(1);
        for number in 0..3 {
            push(&mut queue, ("a", "A", None, 0, number));
            push(&mut queue, ("b", "A", None, 0, 10 + number));
        }
        assert_eq!(drain(&mut queue), [0, 10, 1, 11, 2, 12]);
    }

    #[test]
    fn limits_hold_for_functions_and_keys_and_all() {
        let mut queue = queue(4);
        for number in 0..3 {
            push(&mut queue, ("a", "SLOW", None, 0, number));
            push(&mut queue, ("b", "A", Some("db"), 0, 10 + number));
            push(&mut queue, ("c", "A", Some("unknown"), 0, 20 + number));
        }
        let mut begun = begin(&mut queue);
        begun.sort_by_key(|(_, number)| *number);
        let count = |from: u32| numbers(&begun).iter().filter(|number| **number / 10 == from).count();
        assert_eq!(begun.len(), 4, "all places are taken");
        assert!(count(0) <= 1 && count(1) <= 2, "{begun:?}");
        // What is free again is taken by whoever may.
        let (group, _) = begun.iter().find(|(_, number)| *number == 0).unwrap().clone();
        queue.release(&group);
        assert_eq!(begin(&mut queue).len(), 1);
    }

    #[test]
    fn an_activity_under_a_limit_does_not_hold_up_others() {
        let mut queue = queue(10);
        (0..5).for_each(|number| push(&mut queue, ("a", "slow", None, 9, number)));
        push(&mut queue, ("a", "A", None, 0, 50));
        let begun = begin(&mut queue);
        assert_eq!(numbers(&begun), [0, 50]);
        queue.release(&begun[0].0);
        assert_eq!(numbers(&begin(&mut queue)), [1]);
    }

    #[test]
    fn urgent_activities_come_first_and_nobody_waits_for_ever() {
        let mut queue = queue(1);
        (0..40).for_each(|number| push(&mut queue, ("a", "A", None, 5, number)));
        push(&mut queue, ("b", "A", None, -5, 1_000));
        push(&mut queue, ("c", "A", None, 0, 2_000));
        let order = drain(&mut queue);
        let place = |number| order.iter().position(|found| *found == number).unwrap();
        assert_eq!(order[..7], [0, 1, 2, 3, 4, 5, 6]);
        assert!(place(1_000) < 20 && place(2_000) < 20, "{order:?}");
    }

    #[test]
    fn what_is_not_wanted_any_more_is_dropped() {
        let mut queue = queue(1);
        for number in 0..4 {
            push(&mut queue, ("a", "A", None, 0, number));
            push(&mut queue, ("b", "slow", None, 1, 10 + number));
        }
        queue.retain(&InstanceId::new("a").unwrap(), |number| *number == 2);
        queue.retain(&InstanceId::new("b").unwrap(), |_| false);
        queue.retain(&InstanceId::new("c").unwrap(), |_| false);
        assert_eq!(drain(&mut queue), [2]);
    }
}
