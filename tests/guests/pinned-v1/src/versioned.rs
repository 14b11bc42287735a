//! What both versions have in common: all of it says which version it is of.

use crate::VERSION;
use durance_sdk::prelude::*;

/// `?waitFor=` waits for the end of an instance before it answers.
#[http_trigger(name = "VersionServed", auth = "anonymous", methods("get"), route = "version")]
fn version_served(request: Request, client: OrchestrationClient) -> Result<Response> {
    if let Some(instance) = request.query("waitFor") {
        client.wait_for_completion(&instance, Duration::from_secs(60))?;
    }
    Ok(Response::text(VERSION))
}

#[orchestrator(name = "Versioned")]
async fn versioned(ctx: OrchestrationContext) -> Result<String> {
    ctx.wait_for_external_event::<Value>("go").await?;
    ctx.call_activity("Version", ()).await
}

/// The versions that it saw from its beginning to its end.
#[orchestrator(name = "VersionsSeen")]
async fn versions_seen(ctx: OrchestrationContext) -> Result<Vec<String>> {
    let before: String = ctx.call_activity("Version", ()).await?;
    ctx.wait_for_external_event::<Value>("go").await?;
    let after: String = ctx.call_activity("Version", ()).await?;
    Ok(vec![VERSION.to_owned(), before, after])
}

/// Continues as new with each event: its data says whether on the same version. Ends with the second.
#[orchestrator(name = "VersionAgain")]
async fn version_again(ctx: OrchestrationContext, seen: Option<Vec<String>>) -> Result<Vec<String>> {
    let mut seen = seen.unwrap_or_default();
    seen.push(VERSION.to_owned());
    if seen.len() == 3 {
        return Ok(seen);
    }
    let keeps = ctx.wait_for_external_event::<bool>("keep").await?;
    let options = ContinueAsNewOptions::default();
    ctx.continue_as_new_with(&seen, if keeps { options.keep_version() } else { options })?;
    Ok(seen)
}

#[activity(name = "Version")]
fn version() -> &'static str {
    VERSION
}
