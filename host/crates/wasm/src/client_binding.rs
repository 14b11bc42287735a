//! The import `orchestration-client` of functions that are no orchestrators.

use crate::{
    bindings::{orchestration_client as wit, types},
    call_state::{CallState, Trigger},
    error::failure_for_guest,
    shared::InvalidValue,
};
use durance_durable::{
    EntityId, EntityRecord, EntitySignal, IfExists, InstanceId, Json, RuntimeStatus, Timestamp, Token,
};
use durance_taskhub::{
    ClientError, EntityQuery, Holder, ListQuery, OrchestrationClient, OrchestrationStatus, StartAnswer,
    StartOptions, StatusOptions, history_json,
};
use std::time::Duration;
use wasmtime::Result as Trappable;

type Answer<T> = Result<T, wit::ClientError>;

const PAGE_SIZE_MAX: u32 = 1000;

impl CallState {
    fn client(&self) -> Answer<OrchestrationClient> {
        if let Trigger::Entity(_) = self.trigger {
            // What it did would stay when the operation fails.
            let text = "an operation of an entity cannot use the orchestration client: signal entities and start \
                        orchestrations through its context";
            return Err(wit::ClientError::InvalidArgument(text.to_owned()));
        }
        let client = self.shared.client.get().cloned();
        client.ok_or_else(|| wit::ClientError::Unavailable("the host is starting".to_owned()))
    }

    fn json(&self, what: &str, text: String) -> Answer<Json> {
        self.shared.value(what, text).map_err(|invalid| match invalid {
            InvalidValue::TooLarge(text) | InvalidValue::NotJson(text) => {
                wit::ClientError::InvalidArgument(text)
            }
        })
    }

    /// The client, and the instance that a call is about.
    fn target(&self, id: &str) -> Answer<(OrchestrationClient, InstanceId)> {
        Ok((self.client()?, instance(id)?))
    }

    fn start_request(
        &self,
        input: String,
        options: wit::StartOptions,
    ) -> Answer<(OrchestrationClient, Json, StartOptions)> {
        let input = self.json("the input", input)?;
        let options = StartOptions {
            instance: options.instance_id.as_deref().map(instance).transpose()?,
            if_exists: if_exists(options.if_exists),
            token: options.token.map(Token),
            idempotency_key: options.idempotency_key,
            retention: options.retention_ms.map(Duration::from_millis),
        };
        Ok((self.client()?, input, options))
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

    fn list(&self, query: wit::InstanceQuery) -> Answer<wit::InstancePage> {
        let statuses = query.runtime_status.into_iter().map(status_from_guest).collect();
        let list = ListQuery {
            statuses,
            created_from: query.created_time_from.map(Timestamp::from_nanos),
            created_to: query.created_time_to.map(Timestamp::from_nanos),
            id_prefix: query.instance_id_prefix,
            after: query.continuation_token.as_deref().map(instance).transpose()?,
            page_size: page_size(query.page_size)?,
        };
        let options = StatusOptions { show_input: query.show_input, ..StatusOptions::default() };
        let page = self.client()?.list_instances(&list, options).map_err(client_error)?;
        Ok(wit::InstancePage {
            instances: page.instances.into_iter().map(|status| status_for_guest(status, false)).collect(),
            continuation_token: page.continuation.map(|id| id.to_string()),
        })
    }

    fn signal(
        &self,
        entity: types::EntityId,
        operation: String,
        input: String,
        at: Option<u64>,
    ) -> Answer<(OrchestrationClient, EntitySignal)> {
        let signal = EntitySignal {
            entity: entity_id(&entity)?,
            operation: operation.into(),
            input: self.json("the operation's input", input)?,
            due: at.map(Timestamp::from_nanos),
        };
        Ok((self.client()?, signal))
    }

    fn entity_state(&self, entity: types::EntityId) -> Answer<Option<String>> {
        let record = self.client()?.read_entity(&entity_id(&entity)?).map_err(client_error)?;
        Ok(record.and_then(|record| record.state).map(|state| state.as_str().to_owned()))
    }

    fn entity_page(&self, query: wit::EntityQuery) -> Answer<wit::EntityPage> {
        let list = EntityQuery {
            name: query.name,
            last_operation_from: query.last_operation_from.map(Timestamp::from_nanos),
            last_operation_to: query.last_operation_to.map(Timestamp::from_nanos),
            after: query.continuation_token.as_deref().map(continuation).transpose()?,
            page_size: page_size(query.page_size)?,
        };
        let page = self.client()?.list_entities(&list).map_err(client_error)?;
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

    async fn raise_event(&mut self, id: String, event: String, data: String) -> Trappable<Answer<()>> {
        let (target, data) = (self.target(&id), self.json("the event's data", data));
        let sent = async {
            let (client, instance) = target?;
            client.raise_event(&instance, &event, data?).await.map_err(client_error)
        };
        Ok(sent.await)
    }

    async fn terminate(&mut self, id: String, reason: String) -> Trappable<Answer<()>> {
        let target = self.target(&id);
        let sent = async {
            let (client, instance) = target?;
            client.terminate(&instance, &reason).await.map_err(client_error)
        };
        Ok(sent.await)
    }

    async fn suspend(&mut self, id: String, reason: String) -> Trappable<Answer<()>> {
        let target = self.target(&id);
        let sent = async {
            let (client, instance) = target?;
            client.suspend(&instance, &reason).await.map_err(client_error)
        };
        Ok(sent.await)
    }

    async fn resume(&mut self, id: String, reason: String) -> Trappable<Answer<()>> {
        let target = self.target(&id);
        let sent = async {
            let (client, instance) = target?;
            client.resume(&instance, &reason).await.map_err(client_error)
        };
        Ok(sent.await)
    }

    async fn purge(&mut self, id: String) -> Trappable<Answer<()>> {
        let target = self.target(&id);
        let purged = async {
            let (client, instance) = target?;
            client.purge(&instance).await.map_err(client_error)
        };
        Ok(purged.await)
    }

    fn list_instances(&mut self, query: wit::InstanceQuery) -> Trappable<Answer<wit::InstancePage>> {
        Ok(self.list(query))
    }

    async fn wait_for_completion(
        &mut self,
        id: String,
        timeout_ms: u64,
    ) -> Trappable<Answer<wit::OrchestrationStatus>> {
        let target = self.target(&id);
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
    ) -> Trappable<Answer<()>> {
        let signal = self.signal(entity, operation, input, at);
        let sent = async {
            let (client, signal) = signal?;
            client.signal_entity(signal).await.map_err(client_error)
        };
        Ok(sent.await)
    }

    fn read_entity_state(&mut self, entity: types::EntityId) -> Trappable<Answer<Option<String>>> {
        Ok(self.entity_state(entity))
    }

    fn list_entities(&mut self, query: wit::EntityQuery) -> Trappable<Answer<wit::EntityPage>> {
        Ok(self.entity_page(query))
    }

    fn check_status_links(&mut self, id: String) -> Trappable<Answer<String>> {
        Ok(self.links(&id))
    }
}

fn instance(id: &str) -> Answer<InstanceId> {
    InstanceId::new(id).map_err(|invalid| wit::ClientError::InvalidArgument(invalid.to_string()))
}

fn entity_id(id: &types::EntityId) -> Answer<EntityId> {
    EntityId::new(&id.name, &id.key).map_err(|invalid| wit::ClientError::InvalidArgument(invalid.to_string()))
}

fn continuation(token: &str) -> Answer<EntityId> {
    token.parse().map_err(|_| {
        wit::ClientError::InvalidArgument("the continuation token is not one of this host".to_owned())
    })
}

fn page_size(size: u32) -> Answer<usize> {
    if (1..=PAGE_SIZE_MAX).contains(&size) {
        return Ok(size as usize);
    }
    Err(wit::ClientError::InvalidArgument(format!("page-size must be 1 to {PAGE_SIZE_MAX}")))
}

fn client_error(error: ClientError) -> wit::ClientError {
    let text = error.to_string();
    match error {
        ClientError::InvalidArgument(_) | ClientError::TooLarge { .. } => {
            wit::ClientError::InvalidArgument(text)
        }
        ClientError::UnknownOrchestrator { .. } => wit::ClientError::UnknownOrchestrator(text),
        ClientError::UnknownEntity { .. } => wit::ClientError::UnknownEntity(text),
        ClientError::NotFound(_) => wit::ClientError::NotFound(text),
        ClientError::Finished { .. } | ClientError::NotFinished { .. } => wit::ClientError::WrongStatus(text),
        ClientError::IdempotencyMismatch => wit::ClientError::IdempotencyMismatch(text),
        _ => wit::ClientError::Unavailable(text),
    }
}

fn if_exists(policy: wit::IfExists) -> IfExists {
    match policy {
        wit::IfExists::Reject => IfExists::Reject,
        wit::IfExists::ReplaceFinished => IfExists::ReplaceFinished,
        wit::IfExists::UseExisting => IfExists::UseExisting,
        wit::IfExists::UseExistingIfLive => IfExists::UseExistingIfLive,
        wit::IfExists::TerminateAndReplace => IfExists::TerminateAndReplace,
    }
}

fn start_outcome(answer: StartAnswer) -> wit::StartOutcome {
    match answer {
        StartAnswer::Started(run) => wit::StartOutcome::Started(holder(run)),
        StartAnswer::Existing(run) => wit::StartOutcome::Existing(holder(run)),
        StartAnswer::AlreadyExists(run) => wit::StartOutcome::AlreadyExists(holder(run)),
        StartAnswer::Changed(run) => wit::StartOutcome::Changed(run.map(holder)),
    }
}

fn holder(run: Holder) -> wit::Holder {
    wit::Holder {
        instance_id: run.instance.to_string(),
        execution_id: run.execution.to_string(),
        generation: run.generation,
        status: runtime_status(run.status),
    }
}

fn runtime_status(status: RuntimeStatus) -> types::RuntimeStatus {
    match status {
        RuntimeStatus::Running => types::RuntimeStatus::Running,
        RuntimeStatus::Completed => types::RuntimeStatus::Completed,
        RuntimeStatus::ContinuedAsNew => types::RuntimeStatus::ContinuedAsNew,
        RuntimeStatus::Failed => types::RuntimeStatus::Failed,
        RuntimeStatus::Canceled => types::RuntimeStatus::Canceled,
        RuntimeStatus::Terminated => types::RuntimeStatus::Terminated,
        RuntimeStatus::Pending => types::RuntimeStatus::Pending,
        RuntimeStatus::Suspended => types::RuntimeStatus::Suspended,
    }
}

fn status_from_guest(status: types::RuntimeStatus) -> RuntimeStatus {
    match status {
        types::RuntimeStatus::Running => RuntimeStatus::Running,
        types::RuntimeStatus::Completed => RuntimeStatus::Completed,
        types::RuntimeStatus::ContinuedAsNew => RuntimeStatus::ContinuedAsNew,
        types::RuntimeStatus::Failed => RuntimeStatus::Failed,
        types::RuntimeStatus::Canceled => RuntimeStatus::Canceled,
        types::RuntimeStatus::Terminated => RuntimeStatus::Terminated,
        types::RuntimeStatus::Pending => RuntimeStatus::Pending,
        types::RuntimeStatus::Suspended => RuntimeStatus::Suspended,
    }
}

fn status_for_guest(status: OrchestrationStatus, show_history_output: bool) -> wit::OrchestrationStatus {
    let text = |json: Json| json.as_str().to_owned();
    let history = status.history.map(|turns| {
        Json::of(&history_json(&status.name, &turns, show_history_output, time_text)).as_str().to_owned()
    });
    wit::OrchestrationStatus {
        name: status.name.as_ref().to_owned(),
        instance_id: status.instance.to_string(),
        execution_id: status.execution.to_string(),
        generation: status.generation,
        runtime_status: runtime_status(status.runtime_status),
        input: status.input.map(text),
        custom_status: status.custom_status.map(text),
        output: status.output.map(text),
        failure: status.failure.map(failure_for_guest),
        created_time: status.created.as_nanos(),
        last_updated_time: status.last_updated.as_nanos(),
        history,
    }
}

/// RFC 3339, UTC.
fn time_text(time: Timestamp) -> String {
    let time = jiff::Timestamp::from_nanosecond(i128::from(time.as_nanos()));
    time.expect("64 bits of nanoseconds end in the year 2554").to_string()
}
