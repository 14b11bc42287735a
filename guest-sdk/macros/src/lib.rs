//! The attribute macros of `durance-sdk`; use them through `durance_sdk::prelude`.
//!
//! Each attribute leaves the function as it is and registers it beside: its name, its trigger, and glue that reads the
//! input, calls it and writes the output.
#![forbid(unsafe_code)]

mod arguments;
mod entity;
mod expand;

use arguments::{HttpTriggerArguments, NameArgument, TimerTriggerArguments};
use proc_macro::TokenStream;
use syn::{ItemFn, ItemImpl, parse_macro_input};

/// Makes a function answer HTTP requests.
///
/// Shape: `#[http_trigger(name = "Hello", route = "hello/{name?}", methods("get"), auth = "anonymous")]` on
/// `fn` or `async fn` with no parameter, `(request: Request)` or `(request: Request, client: OrchestrationClient)`, that
/// returns `Response` or a `Result` of it.
///
/// Defaults: `name` is the Rust function's name, `route` is the name, no `methods` means every method, `auth` is
/// `"function"` (the others are `"anonymous"` and `"admin"`).
#[proc_macro_attribute]
pub fn http_trigger(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let function = parse_macro_input!(item as ItemFn);
    let expanded = HttpTriggerArguments::parse(arguments.into())
        .and_then(|arguments| expand::http_trigger(&arguments, &function));
    with_function(&function, expanded)
}

/// Makes a function an orchestrator.
///
/// Shape: `#[orchestrator]` or `#[orchestrator(name = "HelloSequence")]` on `async fn (ctx: OrchestrationContext)` or
/// `(ctx: OrchestrationContext, input: T)` with `T: Deserialize`, that returns `U: Serialize` or a `Result` of it.
#[proc_macro_attribute]
pub fn orchestrator(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let function = parse_macro_input!(item as ItemFn);
    let expanded = NameArgument::parse("orchestrator", arguments.into())
        .and_then(|arguments| expand::orchestrator(&arguments, &function));
    with_function(&function, expanded)
}

/// Makes a function an activity.
///
/// Shape: `#[activity]` or `#[activity(name = "SayHello")]` on `fn` or `async fn` with no parameter, `(input: T)` or
/// `(input: T, context: ActivityContext)` with `T: Deserialize`, that returns `U: Serialize` or a `Result` of it.
#[proc_macro_attribute]
pub fn activity(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let function = parse_macro_input!(item as ItemFn);
    let expanded = NameArgument::parse("activity", arguments.into())
        .and_then(|arguments| expand::activity(&arguments, &function));
    with_function(&function, expanded)
}

/// Calls a function at certain times.
///
/// Shape: `#[timer_trigger(name = "Cleanup", schedule = "0 */5 * * * *", time_zone = "Europe/Berlin", overlap = "queue",
/// catch_up_seconds = 300)]` on `fn` or `async fn` with no parameter, `(timer: TimerInfo)` or `(timer: TimerInfo, client:
/// OrchestrationClient)`, that returns nothing or a `Result`.
///
/// `schedule` is a cron expression: second, minute, hour, day of month, month, day of week; or without the second.
/// Defaults: `name` is the Rust function's name, `time_zone` is UTC, `overlap` is `"skip"` (a tick is left out while the
/// call before has not ended; the others are `"queue"`, `"allow"` and `"terminate"`), `catch_up_seconds` is 60.
///
/// Guarantee: each tick that is not left out is called at least once; after a crash again, with the same time.
#[proc_macro_attribute]
pub fn timer_trigger(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let function = parse_macro_input!(item as ItemFn);
    let expanded = TimerTriggerArguments::parse(arguments.into())
        .and_then(|arguments| expand::timer_trigger(&arguments, &function));
    with_function(&function, expanded)
}

/// Makes a type the state of entities, and the methods of an `impl` block their operations.
///
/// Shape: `#[entity]` or `#[entity(name = "Counter")]` on `impl Counter { … }`, where `Counter` has `Default`, which is the
/// state of an entity that has none yet, `Serialize` and `Deserialize`. Every method that takes `&self` or `&mut self` is
/// an operation, called by its name without regard to case; after that it takes an input by value, if it wants one
/// (`T: Deserialize`), and `context: &mut EntityContext`, if it wants it. It returns `U: Serialize` or a `Result` of it. One
/// with `&self` leaves the state as it is. Functions without `self` are no operations, and neither are those of other
/// `impl` blocks. The operation `delete` is there without being written.
///
/// An operation that fails changes nothing: neither the state nor what it asked of its context.
#[proc_macro_attribute]
pub fn entity(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let operations = parse_macro_input!(item as ItemImpl);
    let expanded = NameArgument::parse("entity", arguments.into())
        .and_then(|arguments| entity::entity(&arguments, &operations));
    let registration = expanded.unwrap_or_else(|error| error.to_compile_error());
    quote::quote!(#operations #registration).into()
}

/// The function is kept when its attribute is wrong, so that the error is the only one.
fn with_function(function: &ItemFn, expanded: syn::Result<proc_macro2::TokenStream>) -> TokenStream {
    let registration = expanded.unwrap_or_else(|error| error.to_compile_error());
    quote::quote!(#function #registration).into()
}
