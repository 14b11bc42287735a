//! What an attribute adds beside its function.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{FnArg, Ident, ItemFn, LitStr, ReturnType, Type};

use crate::arguments::{HttpTriggerArguments, NameArgument, TimerTriggerArguments};

pub(crate) fn http_trigger(arguments: &HttpTriggerArguments, function: &ItemFn) -> syn::Result<TokenStream> {
    let shape = "an HTTP function takes nothing, (request: Request) or (request: Request, client: OrchestrationClient)";
    let parameters = checked_parameters(function, 0..=2, shape)?;
    let name = name_or_default(arguments.name.as_ref(), function);
    let route = arguments.route.as_ref().unwrap_or(&name);
    let auth = arguments.auth.as_ref().map_or("function".to_owned(), LitStr::value);
    let methods = arguments.methods.as_deref().unwrap_or_default();
    let values = [quote!(_request), quote!(::durance_sdk::OrchestrationClient::new())];
    let call = call(function, values.into_iter().take(parameters));
    Ok(register(quote! {
        ::durance_sdk::__private::Function::http(
            #name,
            ::durance_sdk::__private::HttpTrigger {
                route: #route,
                methods: &[#(#methods),*],
                auth_level: #auth,
            },
            |_request| ::durance_sdk::__private::run_http(async move {
                #call
            }),
        )
    }))
}

pub(crate) fn orchestrator(arguments: &NameArgument, function: &ItemFn) -> syn::Result<TokenStream> {
    let shape = "an orchestrator takes (ctx: OrchestrationContext) or (ctx: OrchestrationContext, input: T)";
    let parameters = checked_parameters(function, 1..=2, shape)?;
    if function.sig.asyncness.is_none() {
        let message = "an orchestrator is an `async fn`: it waits with `.await`";
        return Err(syn::Error::new_spanned(function.sig.fn_token, message));
    }
    let name = name_or_default(arguments.name.as_ref(), function);
    let input = input_type(parameters == 2);
    let values = [quote!(context), quote!(_input)];
    let call = call(function, values.into_iter().take(parameters));
    Ok(register(quote! {
        ::durance_sdk::__private::Function::orchestrator(#name, |input| {
            ::durance_sdk::__private::run_orchestrator(#name, input, |context, _input: #input| async move {
                #call
            })
        })
    }))
}

pub(crate) fn activity(arguments: &NameArgument, function: &ItemFn) -> syn::Result<TokenStream> {
    let shape = "an activity takes nothing, (input: T) or (input: T, context: ActivityContext)";
    let parameters = checked_parameters(function, 0..=2, shape)?;
    let name = name_or_default(arguments.name.as_ref(), function);
    let input = input_type(parameters > 0);
    let values = [quote!(_input), quote!(::durance_sdk::ActivityContext::new())];
    let call = call(function, values.into_iter().take(parameters));
    Ok(register(quote! {
        ::durance_sdk::__private::Function::activity(#name, |input| {
            ::durance_sdk::__private::run_activity(#name, input, |_input: #input| async move {
                #call
            })
        })
    }))
}

pub(crate) fn timer_trigger(
    arguments: &TimerTriggerArguments,
    function: &ItemFn,
) -> syn::Result<TokenStream> {
    let shape = "a timer-triggered function takes nothing, (timer: TimerInfo) or (timer: TimerInfo, client: OrchestrationClient)";
    let parameters = checked_parameters(function, 0..=2, shape)?;
    let Some(schedule) = &arguments.schedule else {
        let message = "say when the function is called: `schedule = \"0 */5 * * * *\"`";
        return Err(syn::Error::new_spanned(&function.sig.ident, message));
    };
    let name = name_or_default(arguments.name.as_ref(), function);
    let time_zone = option(arguments.time_zone.as_ref());
    let overlap = option(arguments.overlap.as_ref());
    let catch_up = option(arguments.catch_up_seconds.as_ref());
    let values = [quote!(_timer), quote!(::durance_sdk::OrchestrationClient::new())];
    let call = call(function, values.into_iter().take(parameters));
    Ok(register(quote! {
        ::durance_sdk::__private::Function::timer(
            #name,
            ::durance_sdk::__private::TimerTrigger {
                schedule: #schedule,
                time_zone: #time_zone,
                overlap: #overlap,
                catch_up_seconds: #catch_up,
            },
            |_timer| ::durance_sdk::__private::run_timer(async move {
                #call
            }),
        )
    }))
}

fn option<T: ToTokens>(value: Option<&T>) -> TokenStream {
    match value {
        Some(value) => quote!(::core::option::Option::Some(#value)),
        None => quote!(::core::option::Option::None),
    }
}

pub(crate) fn register(function: TokenStream) -> TokenStream {
    quote! {
        const _: () = {
            ::durance_sdk::__private::inventory::submit! { #function }
        };
    }
}

fn name_or_default(name: Option<&LitStr>, function: &ItemFn) -> LitStr {
    let identifier = &function.sig.ident;
    name.cloned().unwrap_or_else(|| LitStr::new(&identifier.to_string(), identifier.span()))
}

/// A function without an input takes anything: the host gives `null` where nothing was given.
pub(crate) fn input_type(has_input: bool) -> TokenStream {
    if has_input { quote!(_) } else { quote!(::durance_sdk::__private::IgnoredInput) }
}

/// How many parameters there are.
fn checked_parameters(
    function: &ItemFn,
    allowed: std::ops::RangeInclusive<usize>,
    shape: &str,
) -> syn::Result<usize> {
    let signature = &function.sig;
    if !signature.generics.params.is_empty() {
        let message = "a function that the host calls cannot be generic";
        return Err(syn::Error::new_spanned(&signature.generics, message));
    }
    if let Some(FnArg::Receiver(receiver)) = signature.inputs.first() {
        return Err(syn::Error::new_spanned(receiver, shape));
    }
    if !allowed.contains(&signature.inputs.len()) {
        let parameters: &dyn ToTokens =
            if signature.inputs.is_empty() { &signature.ident } else { &signature.inputs };
        return Err(syn::Error::new_spanned(parameters, shape));
    }
    if let Some(borrowed) = signature.inputs.iter().find_map(borrowed_type) {
        let message = "a function owns what it takes: write the type without `&`, `String` for `&str`";
        return Err(syn::Error::new_spanned(borrowed, message));
    }
    Ok(signature.inputs.len())
}

fn borrowed_type(parameter: &FnArg) -> Option<&Type> {
    let FnArg::Typed(parameter) = parameter else {
        return None;
    };
    matches!(*parameter.ty, Type::Reference(_)).then_some(&parameter.ty)
}

/// Calls the function and makes a `Result` with the SDK's error type of what it returns.
fn call(function: &ItemFn, values: impl Iterator<Item = TokenStream>) -> TokenStream {
    let identifier: &Ident = &function.sig.ident;
    let awaiting = function.sig.asyncness.map(|_| quote!(.await));
    let output = quote!(#identifier(#(#values),*) #awaiting);
    as_result(&function.sig.output, &output)
}

/// Makes a `Result` with the SDK's error type of what a function of this return type returns.
pub(crate) fn as_result(return_type: &ReturnType, output: &TokenStream) -> TokenStream {
    if returns_result(return_type) {
        quote!(#output.map_err(::durance_sdk::Error::from))
    } else {
        quote!(::core::result::Result::<_, ::durance_sdk::Error>::Ok(#output))
    }
}

fn returns_result(output: &ReturnType) -> bool {
    let ReturnType::Type(_, output) = output else {
        return false;
    };
    let Type::Path(path) = output.as_ref() else {
        return false;
    };
    path.path.segments.last().is_some_and(|segment| segment.ident == "Result")
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    fn refusal(result: syn::Result<TokenStream>) -> String {
        result.expect_err("this function is wrong").to_string()
    }

    #[test]
    fn orchestrator_that_is_not_async_is_refused() {
        let function = parse_quote!(
            fn hello(ctx: OrchestrationContext) {}
        );
        let refusal = refusal(orchestrator(&NameArgument::default(), &function));
        assert_eq!(refusal, "an orchestrator is an `async fn`: it waits with `.await`");
    }

    #[test]
    fn function_with_too_many_parameters_is_told_its_shape() {
        let function = parse_quote!(
            fn add(a: u8, b: u8, c: u8) {}
        );
        let refusal = refusal(activity(&NameArgument::default(), &function));
        assert_eq!(refusal, "an activity takes nothing, (input: T) or (input: T, context: ActivityContext)");
    }

    #[test]
    fn timer_without_a_schedule_is_refused() {
        let function = parse_quote!(
            fn tick() {}
        );
        let refusal = refusal(timer_trigger(&TimerTriggerArguments::default(), &function));
        assert!(refusal.contains("`schedule = \"0 */5 * * * *\"`"), "{refusal}");
    }

    #[test]
    fn borrowed_parameter_is_refused() {
        let function = parse_quote!(
            fn hello(name: &str) {}
        );
        let refusal = refusal(activity(&NameArgument::default(), &function));
        assert!(refusal.contains("`String` for `&str`"), "{refusal}");
    }

    #[test]
    fn plain_return_value_is_wrapped_and_a_result_keeps_its_error() {
        let plain = parse_quote!(
            fn plain(n: u8) -> u8 {}
        );
        let fallible = parse_quote!(
            async fn fallible(n: u8) -> anyhow::Result<u8> {}
        );
        let expanded = |function| activity(&NameArgument::default(), function).expect("right").to_string();
        assert!(expanded(&plain).contains("Ok (plain (_input))"));
        assert!(expanded(&fallible).contains("fallible (_input) . await . map_err"));
    }
}
