//! The attribute macros of `durance-sdk`; use them through `durance_sdk::prelude`.
//!
//! Each attribute leaves the function as it is and registers it beside: its name, its trigger, and glue that reads the
//! input, calls it and writes the output.
#![forbid(unsafe_code)]

mod arguments;
mod expand;

use arguments::{HttpTriggerArguments, NameArgument};
use proc_macro::TokenStream;
use syn::{ItemFn, parse_macro_input};

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

/// The function is kept when its attribute is wrong, so that the error is the only one.
fn with_function(function: &ItemFn, expanded: syn::Result<proc_macro2::TokenStream>) -> TokenStream {
    let registration = expanded.unwrap_or_else(|error| error.to_compile_error());
    quote::quote!(#function #registration).into()
}
