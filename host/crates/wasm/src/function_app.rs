//! The functions of an app: what runs when one is called.

use crate::{
    FunctionKind, FunctionManifest, HttpCall, HttpComponent, InvokeError, LoadError, ManagementLinks,
    StreamedBody, StreamedHttpCall, WasmSettings, activity_function,
    component::ReadyComponent,
    component_store::ComponentStore,
    engine::Engine,
    entity_function, http_activity, http_function,
    orchestrator_run::{OrchestratorHost, WasmOrchestratorRun},
    shared::Shared,
    timer_function, wasi_http_function,
};
use bytes::Bytes;
use durance_durable::{HTTP_ACTIVITY, Json, ModuleHash, TaskFailureDetails};
use durance_taskhub::{
    ActivityCall, EntityAnswer, EntityCall, ExecutorError, FunctionExecutor, OrchestrationClient,
    OrchestratorRun, SharedState, TimerCall, TimerFunction,
};
use futures_util::future::BoxFuture;
use std::{
    collections::{HashMap, HashSet},
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::sync::Semaphore;

/// A function app that is loaded: it runs HTTP functions for the ingress, activities and orchestrators for the task hub.
#[derive(Debug)]
pub struct FunctionApp {
    shared: Arc<Shared>,
    /// In the order of the files, and in each as it describes them.
    functions: Vec<AppFunction>,
    by_name: HashMap<Arc<str>, usize>,
    components: Arc<ComponentStore>,
    http_calls: Arc<Semaphore>,
    activities: Semaphore,
    orchestrators: Arc<OrchestratorHost>,
    orchestrators_max: u32,
    _engine: Engine,
}

/// A function of the app.
#[derive(Debug)]
pub struct AppFunction {
    pub(crate) name: Arc<str>,
    pub(crate) component: Arc<ReadyComponent>,
    manifest: FunctionManifest,
    file: PathBuf,
    door: HttpDoor,
}

/// How requests reach an HTTP function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpDoor {
    /// With whole bodies: [`FunctionApp::call_http`].
    Sdk,
    /// With streamed bodies: [`FunctionApp::stream_http`].
    WasiHttp,
}

impl AppFunction {
    /// The function as its component describes it.
    #[must_use]
    pub fn manifest(&self) -> &FunctionManifest {
        &self.manifest
    }

    /// The hash of its component.
    #[must_use]
    pub fn component_hash(&self) -> ModuleHash {
        self.component.hash
    }

    /// If it is an HTTP function: how requests reach it.
    #[must_use]
    pub fn door(&self) -> HttpDoor {
        self.door
    }

    /// The component's file.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }
}

impl FunctionApp {
    /// Loads the components of an app; `data` is the folder for compiled components and for those that instances are
    /// pinned to. Components that were loaded before take milliseconds.
    ///
    /// # Errors
    /// A file is not a component that can be run, two functions have one name, or the data folder cannot be used.
    pub async fn load(files: &[PathBuf], data: &Path, settings: WasmSettings) -> Result<Self, LoadError> {
        let engine = Engine::new(&settings).map_err(LoadError::engine)?;
        let shared = Shared::new(settings);
        let components = ComponentStore::open(data, engine.wasmtime.clone(), Arc::clone(&shared))?;
        let loading = files.iter().map(|file| components.load_file(file));
        let loaded = futures_util::future::try_join_all(loading).await?;
        let functions = list_functions(files, &loaded, &shared.settings.http_components)?;
        let by_name = index_by_name(&functions)?;
        let orchestrators_max = engine.orchestrators_max;
        let settings = &shared.settings;
        Ok(Self {
            functions,
            by_name,
            http_calls: Arc::new(Semaphore::new(settings.http_calls_max as usize)),
            activities: Semaphore::new(settings.activities_max as usize),
            orchestrators: OrchestratorHost::new(
                Arc::clone(&components),
                Arc::clone(&shared),
                orchestrators_max,
            ),
            orchestrators_max,
            components,
            _engine: engine,
            shared,
        })
    }

    /// Gives functions the client of the task hub. Until then what they ask of it is `unavailable`.
    pub fn set_client(&self, client: OrchestrationClient) {
        // An app has one task hub: setting another would change nothing.
        self.shared.client.get_or_init(|| client);
    }

    /// Gives functions the maker of management links. Until then they are `unavailable`.
    pub fn set_links(&self, links: Arc<dyn ManagementLinks>) {
        self.shared.links.get_or_init(|| links);
    }

    /// The functions, in the order of their files.
    #[must_use]
    pub fn functions(&self) -> &[AppFunction] {
        &self.functions
    }

    /// How many orchestrators may be in memory at the same time, running or suspended: the bound for a budget of hot
    /// instances.
    #[must_use]
    pub fn orchestrator_slots(&self) -> usize {
        self.orchestrators_max as usize
    }

    /// Calls an HTTP function once, in an instance of its own. Dropping the future stops it.
    ///
    /// # Errors
    /// There is no such function, it failed, or it could not be run.
    pub async fn call_http(
        &self,
        function: &str,
        call: HttpCall<'_>,
    ) -> Result<http::Response<Bytes>, InvokeError> {
        let Some(function) = self.function(FunctionKind::HttpTrigger, function) else {
            return Err(InvokeError::NotFound(function.to_owned()));
        };
        let Ok(_slot) = self.http_calls.try_acquire() else {
            let running = self.shared.settings.http_calls_max;
            return Err(InvokeError::Busy(format!("{running} HTTP functions are running")));
        };
        let timeout = self.shared.settings.http_timeout;
        match tokio::time::timeout(timeout, http_function::call(&self.shared, function, call)).await {
            Ok(answer) => answer,
            Err(_) => Err(InvokeError::Timeout(timeout)),
        }
    }

    /// Calls an HTTP function that is a component of `wasi:http`, in an instance of its own. Its time is for all of its
    /// response; dropping the body of that before its end stops the guest.
    ///
    /// # Errors
    /// There is no such function, it failed before its response began, or it could not be run.
    pub async fn stream_http(
        &self,
        function: &str,
        call: StreamedHttpCall,
    ) -> Result<http::Response<StreamedBody>, InvokeError> {
        let found = self.function(FunctionKind::HttpTrigger, function);
        let Some(function) = found.filter(|function| function.door == HttpDoor::WasiHttp) else {
            return Err(InvokeError::NotFound(function.to_owned()));
        };
        let Ok(slot) = Arc::clone(&self.http_calls).try_acquire_owned() else {
            let running = self.shared.settings.http_calls_max;
            return Err(InvokeError::Busy(format!("{running} HTTP functions are running")));
        };
        wasi_http_function::call(&self.shared, function, call, slot).await
    }

    /// Deletes components that neither the app nor an instance needs: `needed` are those that instances are pinned to.
    /// It blocks on the file system.
    ///
    /// # Errors
    /// A file cannot be deleted.
    pub fn delete_unneeded_modules(&self, needed: &HashSet<ModuleHash>) -> io::Result<()> {
        let active = self.functions.iter().map(|function| function.component.hash);
        self.components.retain(&active.chain(needed.iter().copied()).collect())
    }

    /// The function of this kind and name; names are compared without regard to case.
    fn function(&self, kind: FunctionKind, name: &str) -> Option<&AppFunction> {
        let found = match self.by_name.get(name) {
            Some(&index) => self.functions.get(index),
            None => self.functions.iter().find(|function| function.name.eq_ignore_ascii_case(name)),
        };
        found.filter(|function| function.manifest.kind == kind)
    }

    fn names(&self, kind: FunctionKind) -> Vec<String> {
        let functions = self.functions.iter().filter(|function| function.manifest.kind == kind);
        functions.map(|function| function.manifest.name.clone()).collect()
    }

    /// The component that runs an activity: the pinned one if it has it, otherwise the app's.
    async fn activity_component(
        &self,
        call: &ActivityCall,
    ) -> Result<(Arc<ReadyComponent>, Arc<str>), TaskFailureDetails> {
        let kind = FunctionKind::ActivityTrigger;
        let pinned = match self.components.get(call.module) {
            Some(component) => Ok(component),
            None => self.components.load_pinned(call.module).await,
        };
        if let Ok(component) = &pinned
            && let Some(function) = component.function(kind, &call.call.name)
        {
            let name = function.name.as_str().into();
            return Ok((Arc::clone(component), name));
        }
        if let Some(function) = self.function(kind, &call.call.name) {
            return Ok((Arc::clone(&function.component), Arc::clone(&function.name)));
        }
        match pinned {
            Ok(_) => Err(self.unknown_activity(&call.call.name)),
            Err(why) => {
                let message = format!("component {} cannot be loaded: {why}", call.module);
                Err(TaskFailureDetails::new("ComponentUnavailable", message))
            }
        }
    }

    fn unknown_activity(&self, name: &str) -> TaskFailureDetails {
        let known = self.list_known(FunctionKind::ActivityTrigger);
        let message = format!("there is no activity '{name}'; {known}");
        TaskFailureDetails::non_retriable("UnknownActivity", message)
    }

    fn list_known(&self, kind: FunctionKind) -> String {
        match self.names(kind) {
            names if names.is_empty() => "this app has none".to_owned(),
            names => format!("this app has {}", names.join(", ")),
        }
    }

    /// Entities share the places and the time-out of activities.
    async fn run_entity(&self, call: EntityCall) -> Result<EntityAnswer, TaskFailureDetails> {
        let Some(function) = self.function(FunctionKind::EntityTrigger, call.entity.name()) else {
            let known = self.list_known(FunctionKind::EntityTrigger);
            let message = format!("there is no entity '{}'; {known}", call.entity.name());
            return Err(TaskFailureDetails::non_retriable("UnknownEntity", message));
        };
        let _slot = self.activities.acquire().await.expect("this semaphore is never closed");
        let timeout = self.shared.settings.activity_timeout;
        let run = entity_function::run(&self.shared, &function.component, Arc::clone(&function.name), call);
        tokio::time::timeout(timeout, run).await.unwrap_or_else(|_| {
            let message = format!("the operation did not end within {} s", timeout.as_secs_f64());
            Err(TaskFailureDetails::new("Timeout", message))
        })
    }

    async fn run_activity(&self, call: ActivityCall) -> Result<Json, TaskFailureDetails> {
        let timeout = call.call.options.timeout.unwrap_or(self.shared.settings.activity_timeout);
        if &*call.call.name == HTTP_ACTIVITY {
            let request = http_activity::run(&self.shared, &call.call.input);
            let answer = tokio::time::timeout(timeout, request).await;
            return answer.unwrap_or_else(|_| Err(too_slow("HTTP request", timeout)));
        }
        let (component, name) = self.activity_component(&call).await?;
        let _slot = self.activities.acquire().await.expect("this semaphore is never closed");
        let run = activity_function::run(&self.shared, &component, name, call);
        tokio::time::timeout(timeout, run).await.unwrap_or_else(|_| Err(too_slow("activity", timeout)))
    }

    /// Timer-triggered functions share the places and the time-out of activities.
    async fn run_timer(&self, call: TimerCall) -> Result<(), TaskFailureDetails> {
        let Some(function) = self.function(FunctionKind::TimerTrigger, &call.function) else {
            let message = format!("there is no timer-triggered function '{}'", call.function);
            return Err(TaskFailureDetails::non_retriable("UnknownFunction", message));
        };
        let _slot = self.activities.acquire().await.expect("this semaphore is never closed");
        let timeout = self.shared.settings.activity_timeout;
        let run = timer_function::run(&self.shared, &function.component, Arc::clone(&function.name), &call);
        tokio::time::timeout(timeout, run).await.unwrap_or_else(|_| Err(too_slow("function", timeout)))
    }
}

impl FunctionExecutor for FunctionApp {
    fn resolve_orchestrator(&self, name: &str) -> Option<ModuleHash> {
        self.function(FunctionKind::OrchestrationTrigger, name).map(|function| function.component.hash)
    }

    fn orchestrator_names(&self) -> Vec<String> {
        self.names(FunctionKind::OrchestrationTrigger)
    }

    fn orchestrator(
        &self,
        module: ModuleHash,
        state: SharedState,
    ) -> Result<Box<dyn OrchestratorRun>, ExecutorError> {
        Ok(Box::new(WasmOrchestratorRun::new(Arc::clone(&self.orchestrators), module, state)))
    }

    fn activity(&self, call: ActivityCall) -> BoxFuture<'_, Result<Json, TaskFailureDetails>> {
        Box::pin(self.run_activity(call))
    }

    fn entity_names(&self) -> Vec<String> {
        self.names(FunctionKind::EntityTrigger)
    }

    fn has_entity(&self, name: &str) -> bool {
        self.function(FunctionKind::EntityTrigger, name).is_some()
    }

    fn entity(&self, call: EntityCall) -> BoxFuture<'_, Result<EntityAnswer, TaskFailureDetails>> {
        Box::pin(self.run_entity(call))
    }

    fn timer_functions(&self) -> Vec<TimerFunction> {
        // What is wrong with one was said when its component was loaded.
        let timers = self.functions.iter().filter_map(|function| function.manifest.timer().ok());
        timers.flatten().collect()
    }

    fn timer(&self, call: TimerCall) -> BoxFuture<'_, Result<(), TaskFailureDetails>> {
        Box::pin(self.run_timer(call))
    }
}

fn too_slow(what: &str, timeout: Duration) -> TaskFailureDetails {
    let message = format!("the {what} did not end within {} s", timeout.as_secs_f64());
    TaskFailureDetails::new("Timeout", message)
}

fn list_functions(
    files: &[PathBuf],
    loaded: &[Arc<ReadyComponent>],
    http: &[HttpComponent],
) -> Result<Vec<AppFunction>, LoadError> {
    let mut functions = Vec::new();
    for (file, component) in files.iter().zip(loaded) {
        let function = |manifest: &FunctionManifest, door| AppFunction {
            name: manifest.name.as_str().into(),
            component: Arc::clone(component),
            manifest: manifest.clone(),
            file: file.clone(),
            door,
        };
        let before = functions.len();
        functions.extend(component.functions.iter().map(|manifest| function(manifest, HttpDoor::Sdk)));
        let of_this_file = http.iter().filter(|function| function.file == *file);
        functions.extend(of_this_file.map(|http| function(&http.manifest, HttpDoor::WasiHttp)));
        let wrong = match &component.wasi_http {
            None => functions
                .iter()
                .skip(before)
                .find(|function| function.door == HttpDoor::WasiHttp)
                .map(no_handler),
            Some(_) => (functions.len() == before).then(no_route),
        };
        if let Some(why) = wrong {
            return Err(LoadError::Component { path: file.clone(), why });
        }
    }
    Ok(functions)
}

fn no_handler(function: &AppFunction) -> String {
    format!(
        "the table [[http]] of '{}' names it, but it does not export wasi:http/incoming-handler@0.2; a component that \
         describes itself needs no table",
        function.name
    )
}

fn no_route() -> String {
    "it is a component of wasi:http and does not say what it is called: give it a table [[http]] with name, component and \
     route in durance.toml"
        .to_owned()
}

fn index_by_name(functions: &[AppFunction]) -> Result<HashMap<Arc<str>, usize>, LoadError> {
    let mut first_of: HashMap<String, &AppFunction> = HashMap::new();
    for function in functions {
        if let Some(first) = first_of.insert(function.name.to_ascii_lowercase(), function) {
            return Err(LoadError::DuplicateFunction {
                name: function.manifest.name.clone(),
                first: first.file.clone(),
                second: function.file.clone(),
            });
        }
    }
    Ok(functions.iter().enumerate().map(|(index, function)| (Arc::clone(&function.name), index)).collect())
}
