//! Entities: small pieces of state with an id, on which operations run one at a time.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::EntityId;
use crate::bindings::durance::functions::types::{EntityAction, EntitySignal, EntityStart};
use crate::bindings::{EntityRequest, EntityResponse};
use crate::error::{Error, Result};
use crate::options::FireAt;

impl EntityId {
    /// The entity of this name and key; the host compares names without regard to case.
    pub fn new(name: impl Into<String>, key: impl Into<String>) -> Self {
        Self { name: name.into(), key: key.into() }
    }
}

impl<N: Into<String>, K: Into<String>> From<(N, K)> for EntityId {
    fn from((name, key): (N, K)) -> Self {
        Self::new(name, key)
    }
}

impl From<&Self> for EntityId {
    fn from(id: &Self) -> Self {
        id.clone()
    }
}

/// Shown as `@name@key`.
impl fmt::Display for EntityId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "@{}@{}", self.name, self.key)
    }
}

/// The present operation: the last parameter of a method of an `#[entity]` that wants it.
///
/// What it does happens if the operation succeeds, together with the change of the state; if the operation fails,
/// nothing of it happens.
#[derive(Debug)]
pub struct EntityContext {
    id: EntityId,
    operation: String,
    operation_id: String,
    time: SystemTime,
    has_state: bool,
    is_deleted: bool,
    starts: u32,
    actions: Vec<EntityAction>,
}

impl EntityContext {
    fn new(request: &EntityRequest) -> Self {
        Self {
            id: request.entity.clone(),
            operation: request.operation.clone(),
            operation_id: request.operation_id.clone(),
            time: UNIX_EPOCH + Duration::from_nanos(request.time),
            has_state: request.state.is_some(),
            is_deleted: false,
            starts: 0,
            actions: Vec::new(),
        }
    }

    /// The entity.
    pub fn id(&self) -> &EntityId {
        &self.id
    }

    /// The operation's name, as the caller wrote it.
    pub fn operation_name(&self) -> &str {
        &self.operation
    }

    /// The present.
    pub fn current_utc_date_time(&self) -> SystemTime {
        self.time
    }

    /// Whether the entity had a state before this operation. One that had none begins with the default.
    pub fn has_state(&self) -> bool {
        self.has_state
    }

    /// Deletes the entity's state when the operation has ended.
    pub fn delete_state(&mut self) {
        self.is_deleted = true;
    }

    /// Sends an operation to an entity, which may be this one.
    ///
    /// # Errors
    /// When the input cannot be written as JSON.
    pub fn signal_entity(
        &mut self,
        entity: impl Into<EntityId>,
        operation: &str,
        input: impl Serialize,
    ) -> Result<()> {
        self.signal(entity.into(), operation, &input, None)
    }

    /// Sends an operation that is to run after so long, or not before a time.
    ///
    /// # Errors
    /// When the input cannot be written as JSON.
    pub fn signal_entity_at(
        &mut self,
        entity: impl Into<EntityId>,
        operation: &str,
        input: impl Serialize,
        at: impl Into<FireAt>,
    ) -> Result<()> {
        let now = self.time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let at = at.into().nanoseconds(u64::try_from(now.as_nanos()).unwrap_or(u64::MAX));
        self.signal(entity.into(), operation, &input, Some(at))
    }

    fn signal(
        &mut self,
        entity: EntityId,
        operation: &str,
        input: &impl Serialize,
        at: Option<u64>,
    ) -> Result<()> {
        let input = serde_json::to_string(input)?;
        self.actions.push(EntityAction::Signal(EntitySignal {
            entity,
            operation: operation.to_owned(),
            input,
            at,
        }));
        Ok(())
    }

    /// Starts an orchestration under an id of its own, which is answered, and does not wait for it.
    ///
    /// # Errors
    /// When the input cannot be written as JSON.
    pub fn start_new(&mut self, orchestrator: &str, input: impl Serialize) -> Result<String> {
        let instance_id = format!("{}:{}", self.operation_id, self.starts);
        self.starts += 1;
        self.start_new_with_id(orchestrator, &instance_id, input)?;
        Ok(instance_id)
    }

    /// Starts an orchestration under this id. Where a live instance has it, nothing is started.
    ///
    /// # Errors
    /// When the input cannot be written as JSON.
    pub fn start_new_with_id(
        &mut self,
        orchestrator: &str,
        instance_id: &str,
        input: impl Serialize,
    ) -> Result<()> {
        self.actions.push(EntityAction::Start(EntityStart {
            orchestrator: orchestrator.to_owned(),
            instance_id: instance_id.to_owned(),
            input: serde_json::to_string(&input)?,
        }));
        Ok(())
    }
}

/// Whether an operation may change the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It takes `&self`.
    Read,
    /// It takes `&mut self`.
    Write,
}

/// What an operation answered.
pub type Answer = Result<(String, Access)>;

/// Finds an operation by its name in lower case and runs it; none if there is no such operation.
pub type Dispatch<S> = fn(&str, &mut S, &str, &mut EntityContext) -> Option<Answer>;

/// Runs an operation of the entity whose state is `S`.
///
/// # Errors
/// Those of the operation, `UnknownOperation`, and `InvalidState` when the stored state is no `S`.
pub fn run_entity<S>(
    request: EntityRequest,
    operations: &[&str],
    dispatch: Dispatch<S>,
) -> Result<EntityResponse>
where
    S: Default + Serialize + DeserializeOwned,
{
    let mut context = EntityContext::new(&request);
    let mut state = match &request.state {
        Some(text) => serde_json::from_str(text).map_err(|error| {
            let message = format!("the state of {} does not fit: {error}", context.id);
            Error::non_retriable("InvalidState", message)
        })?,
        None => S::default(),
    };
    let operation = request.operation.to_lowercase();
    let (result, access) = match dispatch(&operation, &mut state, &request.input, &mut context) {
        Some(answer) => answer?,
        None if operation == "delete" => {
            context.delete_state();
            ("null".to_owned(), Access::Read)
        }
        None => {
            let message = format!(
                "entity {} has no operation '{}'; it has {}",
                context.id,
                context.operation,
                operations.join(", ")
            );
            return Err(Error::non_retriable("UnknownOperation", message));
        }
    };
    let state = match access {
        _ if context.is_deleted => None,
        Access::Read => request.state,
        Access::Write => Some(serde_json::to_string(&state)?),
    };
    Ok(EntityResponse { state, result, actions: context.actions })
}

/// Runs one operation on its input.
///
/// # Errors
/// Those of the operation, and `InvalidInput`.
pub fn run_operation<I, O>(
    name: &str,
    access: Access,
    input: &str,
    run: impl FnOnce(I) -> Result<O>,
) -> Answer
where
    I: DeserializeOwned,
    O: Serialize,
{
    let output = run(crate::run::read_input(name, input)?)?;
    Ok((serde_json::to_string(&output)?, access))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(operation: &str, state: Option<&str>) -> EntityRequest {
        EntityRequest {
            entity: EntityId::new("Counter", "a"),
            operation: operation.to_owned(),
            operation_id: "0123".to_owned(),
            input: "2".to_owned(),
            state: state.map(str::to_owned),
            time: 1_000_000_000,
        }
    }

    fn counter(operation: &str, state: &mut i64, input: &str, context: &mut EntityContext) -> Option<Answer> {
        Some(match operation {
            "add" => run_operation("add", Access::Write, input, |amount: i64| {
                *state += amount;
                Ok(*state)
            }),
            "get" => run_operation("get", Access::Read, input, |_: i64| Ok(*state)),
            "start" => run_operation("start", Access::Write, input, |n: i64| {
                context.signal_entity_at(("Other", "b"), "x", n, Duration::from_secs(1))?;
                context.delete_state();
                let first = context.start_new("F", n)?;
                Ok((first, context.start_new("F", n)?))
            }),
            _ => return None,
        })
    }

    fn run(operation: &str, state: Option<&str>) -> Result<EntityResponse> {
        run_entity::<i64>(request(operation, state), &["add", "get"], counter)
    }

    #[test]
    fn operation_changes_the_state_only_if_it_may() {
        let table = [
            ("ADD", Some("5"), Some("7"), "7"),
            ("add", None, Some("2"), "2"),
            ("get", Some("5"), Some("5"), "5"),
            ("get", None, None, "0"),
            ("Delete", Some("5"), None, "null"),
        ];
        for (operation, before, after, result) in table {
            let response = run(operation, before).expect("a good operation");
            assert_eq!((response.state.as_deref(), &*response.result), (after, result), "{operation}");
        }
    }

    #[test]
    fn unknown_operation_and_misshapen_state_are_told() {
        let unknown = run("multiply", None).expect_err("there is none");
        assert_eq!(unknown.error_type(), "UnknownOperation");
        assert_eq!(unknown.message(), "entity @Counter@a has no operation 'multiply'; it has add, get");
        assert_eq!(run("get", Some("{}")).expect_err("no number").error_type(), "InvalidState");
    }

    #[test]
    fn context_gathers_what_is_to_happen() {
        let response = run("start", Some("1")).expect("a good operation");
        assert_eq!((response.state, &*response.result), (None, r#"["0123:0","0123:1"]"#));
        assert_eq!(response.actions.len(), 3);
        let Some(EntityAction::Signal(signal)) = response.actions.first() else { panic!("a signal") };
        assert_eq!(signal.at, Some(2_000_000_000));
    }
}
