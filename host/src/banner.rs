//! What a person sees when the host has started.

use durance_ingress::NewKeys;
use durance_wasm::{AppFunction, FunctionKind, FunctionManifest};
use std::{fmt, net::SocketAddr, path::Path};

/// The host's address, version, functions and data folder.
#[derive(Debug)]
pub(crate) struct Banner<'a> {
    /// The app's name.
    pub(crate) name: &'a str,
    pub(crate) data: &'a Path,
    pub(crate) route_prefix: &'a str,
    pub(crate) address: SocketAddr,
    pub(crate) functions: &'a [AppFunction],
    pub(crate) new_keys: Option<&'a NewKeys>,
}

impl Banner<'_> {
    /// Prints it. The first line names the address, for programs that started the host on port 0.
    #[expect(clippy::print_stdout, reason = "this is what standard output is for")]
    pub(crate) fn print(&self) {
        println!("{self}");
    }
}

impl fmt::Display for Banner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Listening on http://{}", self.address)?;
        writeln!(f)?;
        writeln!(f, "Durance {}, app '{}'", env!("CARGO_PKG_VERSION"), self.name)?;
        writeln!(f, "Data: {}", self.data.display())?;
        if let Some(keys) = self.new_keys {
            writeln!(f)?;
            writeln!(f, "Keys, shown only now: only their hashes are kept.")?;
            writeln!(f, "  admin:    {}", keys.admin)?;
            writeln!(f, "  function: {}", keys.function)?;
        }
        writeln!(f)?;
        if self.functions.is_empty() {
            return writeln!(f, "No functions yet: deploy the app with `durance deploy`.");
        }
        writeln!(f, "Functions:")?;
        for function in self.functions {
            let function = function.manifest();
            let trigger = match function.kind {
                FunctionKind::HttpTrigger => self.url_of(function),
                FunctionKind::OrchestrationTrigger => "orchestrationTrigger".to_owned(),
                FunctionKind::ActivityTrigger => "activityTrigger".to_owned(),
                FunctionKind::TimerTrigger => timer(function),
                FunctionKind::EntityTrigger => "entityTrigger".to_owned(),
            };
            writeln!(f, "  {}: {trigger}", function.name)?;
        }
        Ok(())
    }
}

fn timer(function: &FunctionManifest) -> String {
    let schedule = function.schedule.as_deref().unwrap_or_default();
    let zone = function.time_zone.as_deref().map_or(String::new(), |zone| format!(" {zone}"));
    format!("timerTrigger [{schedule}]{zone}")
}

impl Banner<'_> {
    /// Methods and URL of an HTTP function, as the model's local runtime shows them.
    fn url_of(&self, function: &FunctionManifest) -> String {
        let methods = match function.methods.as_slice() {
            [] => "ALL".to_owned(),
            methods => methods.join(",").to_uppercase(),
        };
        let prefix = self.route_prefix.trim_matches('/');
        let route = function.route.as_deref().unwrap_or(&function.name);
        let path = if prefix.is_empty() { route.to_owned() } else { format!("{prefix}/{route}") };
        format!("[{methods}] http://{}/{path}", self.address)
    }
}
