//! What clients ask of entities.

use crate::{ClientError, OrchestrationClient, operate::misfit};
use durance_durable::{EntityId, EntityRecord, EntitySignal, NAME_BYTES_MAX};
use durance_store::{EntityPage, EntityQuery, Operation, Outcome};
use std::sync::Arc;

impl OrchestrationClient {
    /// Sends an entity an operation, to be run once, in the order of all that is sent to it.
    ///
    /// # Errors
    /// `UnknownEntity`, `InvalidArgument`, `IdempotencyMismatch`, `Busy`, `Stopping`.
    pub async fn signal_entity(&self, signal: EntitySignal) -> Result<(), ClientError> {
        let engine = Arc::clone(&self.engine);
        if !engine.executor.has_entity(signal.entity.name()) {
            let known = engine.executor.entity_names();
            return Err(ClientError::UnknownEntity { name: signal.entity.name().to_owned(), known });
        }
        if signal.operation.len() > NAME_BYTES_MAX {
            let text = format!("the name of an operation has at most {NAME_BYTES_MAX} bytes");
            return Err(ClientError::InvalidArgument(text));
        }
        let key = self.idempotency.as_ref().map(|key| {
            let due = signal.due.map(|due| due.as_nanos().to_string()).unwrap_or_default();
            key.of(&["signal", signal.entity.as_str(), &signal.operation, signal.input.as_str(), &due])
        });
        match engine.operate_one(Operation::SignalEntity(signal), key).await? {
            Outcome::SignalEntity => Ok(()),
            other => Err(misfit(&other)),
        }
    }

    /// What is stored of an entity: its state as the last committed operation left it. None: there is no such entity.
    ///
    /// # Errors
    /// `Store`.
    pub fn read_entity(&self, entity: &EntityId) -> Result<Option<EntityRecord>, ClientError> {
        let record = self.engine.store.entity(entity)?;
        Ok(record.filter(|record| record.state.is_some()))
    }

    /// One page of the entities that have a state, in the order of their ids.
    ///
    /// # Errors
    /// `Store`.
    pub async fn list_entities(&self, query: EntityQuery) -> Result<EntityPage, ClientError> {
        self.engine.scan(move |engine| Ok(engine.store.list_entities(&query)?)).await
    }
}
