//! The import `orchestration-client` of functions that are no orchestrators.

use crate::{
    bindings::{orchestration_client as wit, types},
    call_state::{CallState, Trigger},
    client_values::{
        client_error, entity_id, entity_position, if_exists, instance, page_size, position, purge_selection,
        runtime_status, sort_by, start_outcome, status_for_guest, status_from_guest, tags, time_range,
    },
    shared::InvalidValue,
};
use durance_durable::{
    EntityId, EntityRecord, EntitySignal, InstanceId, Json, RuntimeStatus, StartDetails, Timestamp, Token,
};
use durance_taskhub::{
    EntityQuery, Idempotency, ListQuery, OrchestrationClient, PurgeOptions, RaisedEvent, RestartUnder,
    StartOptions, StatusCounts, StatusOptions,
};
use std::time::Duration;
use wasmtime::Result as Trappable;

pub(crate) type Answer<T> = Result<T, wit::ClientError>;

impl CallState {
    pub(crate) fn client(&self) -> Answer<OrchestrationClient> {
        if let Trigger::Entity(_) = self.trigger {
            // What it did would stay when the operation fails.
            let text = "an operation of an entity cannot use the orchestration client: signal entities and start \
                        orchestrations through its context";
            return Err(wit::ClientError::InvalidArgument(text.to_owned()));
        }
        let client = self.shared.client.get().cloned();
        client.ok_or_else(|| wit::ClientError::Unavailable("the host is starting".to_owned()))
    }

    pub(crate) fn json(&self, what: &str, text: String) -> Answer<Json> {
        self.shared.value(what, text).map_err(|invalid| match invalid {
            InvalidValue::TooLarge(text) | InvalidValue::NotJson(text) => {
                wit::ClientError::InvalidArgument(text)
            }
        })
    }

    /// The client, and the instance that a call is about.
    fn instance(&self, id: &str) -> Answer<(OrchestrationClient, InstanceId)> {
        Ok((self.client()?, instance(id)?))
    }

    /// The same for a call that changes something.
    fn target(&mut self, id: &str, key: Option<String>) -> Answer<(OrchestrationClient, InstanceId)> {
        Ok((self.once(key)?, instance(id)?))
    }

    /// A client for one call that changes something, under the guest's key or one that follows from the request's.
    pub(crate) fn once(&mut self, key: Option<String>) -> Answer<OrchestrationClient> {
        let client = self.client()?;
        let idempotency = match key {
            Some(key) => Some(Idempotency::new(&key).map_err(client_error)?),
            None => self.trigger.next_idempotency(),
        };
        Ok(idempotency.map_or(client.clone(), |idempotency| client.once(idempotency)))
    }

    fn start_request(
        &mut self,
        input: String,
        options: wit::StartOptions,
    ) -> Answer<(OrchestrationClient, Json, StartOptions)> {
        let input = self.json("the input", input)?;
        let client = self.once(options.idempotency_key)?;
        let options = StartOptions {
            instance: options.instance_id.as_deref().map(instance).transpose()?,
            if_exists: if_exists(options.if_exists),
            token: options.token.map(Token),
            retention: options.retention_ms.map(Duration::from_millis),
            details: StartDetails {
                tags: tags(options.tags),
                version: options.version.map(Into::into),
                scheduled_start: options.start_at.map(Timestamp::from_nanos),
            },
        };
        Ok((client, input, options))
    }

    fn status(&self, id: &str, shown: wit::StatusOptions) -> Answer<wit::StatusSnapshot> {
        let options =
            StatusOptions { show_input: shown.show_input, show_history: shown.show_history, execution: None };
        let snapshot = self.client()?.get_status(&instance(id)?, options).map_err(client_error)?;
        Ok(wit::StatusSnapshot {
            token: snapshot.token.0,
            status: snapshot.status.map(|status| status_for_guest(status, shown.show_history_output)),
        })
    }

    fn entity_state(&self, entity: types::EntityId) -> Answer<Option<String>> {
        let record = self.client()?.read_entity(&entity_id(&entity)?).map_err(client_error)?;
        Ok(record.and_then(|record| record.state).map(|state| state.as_str().to_owned()))
    }

    fn links(&self, id: &str) -> Answer<String> {
        let instance = instance(id)?;
        let origin = match &self.trigger {
            Trigger::Http { origin, .. } => origin,
            Trigger::Activity(_) | Trigger::Timer | Trigger::Entity(_) => &self.shared.settings.base_url,
        };
        match self.shared.links.get() {
            Some(links) => Ok(links.links(origin, &instance).as_str().to_owned()),
            None => Err(wit::ClientError::Unavailable("the host is starting".to_owned())),
        }
    }
}

impl wit::Host for CallState {
    fn get_status(
        &mut self,
        id: String,
        options: wit::StatusOptions,
    ) -> Trappable<Answer<wit::StatusSnapshot>> {
        Ok(self.status(&id, options))
    }

    async fn start_new(
        &mut self,
        orchestrator: String,
        input: String,
        options: wit::StartOptions,
    ) -> Trappable<Answer<wit::StartOutcome>> {
        let request = self.start_request(input, options);
        let started = async {
            let (client, input, options) = request?;
            client.start_new(&orchestrator, input, options).await.map(start_outcome).map_err(client_error)
        };
        Ok(started.await)
    }

    async fn start_and_raise(
        &mut self,
        orchestrator: String,
        input: String,
        options: wit::StartOptions,
        event: String,
        data: String,
    ) -> Trappable<Answer<wit::StartOutcome>> {
        let (request, data) = (self.start_request(input, options), self.json("the event's data", data));
        let started = async {
            let ((client, input, options), data) = (request?, data?);
            let event = RaisedEvent { name: &event, data };
            let started = client.start_and_raise(&orchestrator, input, options, event).await;
            started.map(start_outcome).map_err(client_error)
        };
        Ok(started.await)
    }

    async fn raise_event(
        &mut self,
        id: String,
        event: String,
        data: String,
        key: Option<String>,
    ) -> Trappable<Answer<()>> {
        let (target, data) = (self.target(&id, key), self.json("the event's data", data));
        let sent = async {
            let (client, instance) = target?;
            client.raise_event(&instance, &event, data?).await.map_err(client_error)
        };
        Ok(sent.await)
    }

    async fn terminate(
        &mut self,
        id: String,
        reason: String,
        recursive: bool,
        key: Option<String>,
    ) -> Trappable<Answer<()>> {
        let target = self.target(&id, key);
        let sent = async {
            let (client, instance) = target?;
            let ended = match recursive {
                true => client.terminate_tree(&instance, &reason).await,
                false => client.terminate(&instance, &reason).await,
            };
            ended.map_err(client_error)
        };
        Ok(sent.await)
    }

    async fn suspend(&mut self, id: String, reason: String, key: Option<String>) -> Trappable<Answer<()>> {
        let target = self.target(&id, key);
        let sent = async {
            let (client, instance) = target?;
            client.suspend(&instance, &reason).await.map_err(client_error)
        };
        Ok(sent.await)
    }

    async fn resume(&mut self, id: String, reason: String, key: Option<String>) -> Trappable<Answer<()>> {
        let target = self.target(&id, key);
        let sent = async {
            let (client, instance) = target?;
            client.resume(&instance, &reason).await.map_err(client_error)
        };
        Ok(sent.await)
    }

    async fn drop_queue(&mut self, id: String, key: Option<String>) -> Trappable<Answer<u32>> {
        let target = self.target(&id, key);
        let dropped = async {
            let (client, instance) = target?;
            client.drop_queue(&instance).await.map_err(client_error)
        };
        Ok(dropped.await)
    }

    async fn rewind(&mut self, id: String, reason: String, key: Option<String>) -> Trappable<Answer<()>> {
        let target = self.target(&id, key);
        let sent = async {
            let (client, instance) = target?;
            client.rewind(&instance, &reason).await.map_err(client_error)
        };
        Ok(sent.await)
    }

    async fn restart(
        &mut self,
        id: String,
        with_new_id: bool,
        key: Option<String>,
    ) -> Trappable<Answer<wit::StartOutcome>> {
        let target = self.target(&id, key);
        let under = if with_new_id { RestartUnder::NewId } else { RestartUnder::SameId };
        let started = async {
            let (client, instance) = target?;
            client.restart(&instance, under).await.map(start_outcome).map_err(client_error)
        };
        Ok(started.await)
    }

    async fn purge(&mut self, id: String, recursive: bool, key: Option<String>) -> Trappable<Answer<u64>> {
        let target = self.target(&id, key);
        let purged = async {
            let (client, instance) = target?;
            let purged = match recursive {
                true => client.purge_tree(&instance).await,
                false => client.purge(&instance).await.map(|()| 1),
            };
            purged.map_err(client_error)
        };
        Ok(purged.await)
    }

    async fn purge_instances(
        &mut self,
        selection: wit::PurgeSelection,
        options: wit::PurgeOptions,
    ) -> Trappable<Answer<u64>> {
        let client = self.client();
        let options = PurgeOptions { recursive: options.recursive, dry_run: options.dry_run };
        let purged = async {
            let selection = purge_selection(selection)?;
            client?.purge_instances(selection, options).await.map_err(client_error)
        };
        Ok(purged.await)
    }

    fn count_instances(&mut self) -> Trappable<Answer<Vec<(types::RuntimeStatus, u64)>>> {
        let counts = self.client().and_then(|client| client.counts().map_err(client_error));
        let of = |counts: StatusCounts| {
            let counted = RuntimeStatus::ALL.map(|status| (runtime_status(status), counts.of(status)));
            counted.into_iter().filter(|(_, count)| *count > 0).collect()
        };
        Ok(counts.map(of))
    }

    async fn list_instances(&mut self, query: wit::InstanceQuery) -> Trappable<Answer<wit::InstancePage>> {
        let client = self.client();
        let listed = async { list(client?, query).await };
        Ok(listed.await)
    }

    async fn wait_for_completion(
        &mut self,
        id: String,
        timeout_ms: u64,
    ) -> Trappable<Answer<wit::OrchestrationStatus>> {
        let target = self.instance(&id);
        let waited = async {
            let (client, instance) = target?;
            let status = client.wait_for_completion(&instance, Duration::from_millis(timeout_ms)).await;
            status.map(|status| status_for_guest(status, false)).map_err(client_error)
        };
        Ok(waited.await)
    }

    async fn signal_entity(
        &mut self,
        entity: types::EntityId,
        operation: String,
        input: String,
        at: Option<u64>,
        key: Option<String>,
    ) -> Trappable<Answer<()>> {
        let (client, input) = (self.once(key), self.json("the operation's input", input));
        let due = at.map(Timestamp::from_nanos);
        let sent = async {
            let signal =
                EntitySignal { entity: entity_id(&entity)?, operation: operation.into(), input: input?, due };
            client?.signal_entity(signal).await.map_err(client_error)
        };
        Ok(sent.await)
    }

    fn read_entity_state(&mut self, entity: types::EntityId) -> Trappable<Answer<Option<String>>> {
        Ok(self.entity_state(entity))
    }

    async fn list_entities(&mut self, query: wit::EntityQuery) -> Trappable<Answer<wit::EntityPage>> {
        let client = self.client();
        let listed = async { entity_page(client?, query).await };
        Ok(listed.await)
    }

    fn check_status_links(&mut self, id: String) -> Trappable<Answer<String>> {
        Ok(self.links(&id))
    }
}

async fn list(client: OrchestrationClient, query: wit::InstanceQuery) -> Answer<wit::InstancePage> {
    let list = ListQuery {
        statuses: query.runtime_status.into_iter().map(status_from_guest).collect(),
        names: query.names,
        id_prefix: query.instance_id_prefix,
        parent: query.parent_instance_id.as_deref().map(instance).transpose()?,
        tags: tags(query.tags),
        custom_status: query.custom_status,
        created: time_range(query.created),
        updated: time_range(query.last_updated),
        completed: time_range(query.completed),
        sort: sort_by(query.sort),
        descending: query.descending,
        after: query.continuation_token.as_deref().map(position).transpose()?,
        page_size: page_size(query.page_size)?,
        among: None,
    };
    let options = StatusOptions { show_input: query.show_input, ..StatusOptions::default() };
    let page = client.list_instances(list, options).await.map_err(client_error)?;
    Ok(wit::InstancePage {
        instances: page.instances.into_iter().map(|status| status_for_guest(status, false)).collect(),
        continuation_token: page.continuation.map(|position| position.to_string()),
    })
}

async fn entity_page(client: OrchestrationClient, query: wit::EntityQuery) -> Answer<wit::EntityPage> {
    let list = EntityQuery {
        name: query.name,
        last_operation_from: query.last_operation_from.map(Timestamp::from_nanos),
        last_operation_to: query.last_operation_to.map(Timestamp::from_nanos),
        after: query.continuation_token.as_deref().map(entity_position).transpose()?,
        page_size: page_size(query.page_size)?,
    };
    let page = client.list_entities(list).await.map_err(client_error)?;
    let metadata = |(entity, record): (EntityId, EntityRecord)| wit::EntityMetadata {
        entity: types::EntityId { name: entity.name().to_owned(), key: entity.key().to_owned() },
        last_operation_time: record.last_operation.as_nanos(),
        state: record.state.filter(|_| query.fetch_state).map(|state| state.as_str().to_owned()),
    };
    Ok(wit::EntityPage {
        entities: page.entities.into_iter().map(metadata).collect(),
        continuation_token: page.after.map(|id| id.to_string()),
    })
}
