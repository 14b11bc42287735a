//! What may stand in the brackets of an attribute.

use proc_macro2::TokenStream;
use syn::meta::ParseNestedMeta;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{LitInt, LitStr, Token, parenthesized};

const METHODS: [&str; 9] = ["get", "head", "post", "put", "patch", "delete", "options", "trace", "connect"];
const OVERLAP_POLICIES: [&str; 4] = ["skip", "queue", "allow", "terminate"];
const AUTH_LEVELS: [&str; 3] = ["anonymous", "function", "admin"];

/// The arguments of `#[orchestrator]`, `#[activity]` and `#[entity]`.
#[derive(Default)]
pub(crate) struct NameArgument {
    pub(crate) name: Option<LitStr>,
}

impl NameArgument {
    pub(crate) fn parse(attribute: &str, tokens: TokenStream) -> syn::Result<Self> {
        let mut arguments = Self::default();
        let parser = syn::meta::parser(|meta| {
            if meta.path.is_ident("name") {
                set_once(&meta, &mut arguments.name, function_name)
            } else {
                Err(meta.error(format!("unknown argument of #[{attribute}]; the only one is `name = \"…\"`")))
            }
        });
        parser.parse2(tokens)?;
        Ok(arguments)
    }
}

/// The arguments of `#[http_trigger]`.
#[derive(Default)]
pub(crate) struct HttpTriggerArguments {
    pub(crate) name: Option<LitStr>,
    pub(crate) auth: Option<LitStr>,
    pub(crate) methods: Option<Vec<LitStr>>,
    pub(crate) route: Option<LitStr>,
}

impl HttpTriggerArguments {
    pub(crate) fn parse(tokens: TokenStream) -> syn::Result<Self> {
        let mut arguments = Self::default();
        let parser = syn::meta::parser(|meta| {
            if meta.path.is_ident("name") {
                set_once(&meta, &mut arguments.name, function_name)
            } else if meta.path.is_ident("auth") {
                set_once(&meta, &mut arguments.auth, auth_level)
            } else if meta.path.is_ident("route") {
                set_once(&meta, &mut arguments.route, route)
            } else if meta.path.is_ident("methods") {
                set_once(&meta, &mut arguments.methods, methods)
            } else {
                Err(meta.error(
                    "unknown argument of #[http_trigger]; there are `name = \"…\"`, `auth = \"…\"`, \
                     `methods(\"…\", …)` and `route = \"…\"`",
                ))
            }
        });
        parser.parse2(tokens)?;
        Ok(arguments)
    }
}

/// The arguments of `#[timer_trigger]`.
#[derive(Default)]
pub(crate) struct TimerTriggerArguments {
    pub(crate) name: Option<LitStr>,
    pub(crate) schedule: Option<LitStr>,
    pub(crate) time_zone: Option<LitStr>,
    pub(crate) overlap: Option<LitStr>,
    pub(crate) catch_up_seconds: Option<LitInt>,
}

impl TimerTriggerArguments {
    pub(crate) fn parse(tokens: TokenStream) -> syn::Result<Self> {
        let mut arguments = Self::default();
        let parser = syn::meta::parser(|meta| {
            if meta.path.is_ident("name") {
                set_once(&meta, &mut arguments.name, function_name)
            } else if meta.path.is_ident("schedule") {
                set_once(&meta, &mut arguments.schedule, schedule)
            } else if meta.path.is_ident("time_zone") {
                set_once(&meta, &mut arguments.time_zone, text)
            } else if meta.path.is_ident("overlap") {
                set_once(&meta, &mut arguments.overlap, overlap)
            } else if meta.path.is_ident("catch_up_seconds") {
                set_once(&meta, &mut arguments.catch_up_seconds, seconds)
            } else {
                Err(meta.error(
                    "unknown argument of #[timer_trigger]; there are `name = \"…\"`, `schedule = \"…\"`, \
                     `time_zone = \"…\"`, `overlap = \"…\"` and `catch_up_seconds = …`",
                ))
            }
        });
        parser.parse2(tokens)?;
        Ok(arguments)
    }
}

fn set_once<T>(
    meta: &ParseNestedMeta<'_>,
    slot: &mut Option<T>,
    read: fn(&ParseNestedMeta<'_>) -> syn::Result<T>,
) -> syn::Result<()> {
    if slot.is_some() {
        return Err(meta.error("this argument is given twice"));
    }
    *slot = Some(read(meta)?);
    Ok(())
}

fn function_name(meta: &ParseNestedMeta<'_>) -> syn::Result<LitStr> {
    let name: LitStr = meta.value()?.parse()?;
    let text = name.value();
    let starts_well = text.starts_with(|first: char| first.is_ascii_alphabetic());
    let is_word = |character: char| character.is_ascii_alphanumeric() || "-_".contains(character);
    if starts_well && text.len() <= 128 && text.chars().all(is_word) {
        Ok(name)
    } else {
        Err(syn::Error::new(
            name.span(),
            "a function name begins with a letter and has at most 128 letters, digits, `_` and `-`",
        ))
    }
}

fn auth_level(meta: &ParseNestedMeta<'_>) -> syn::Result<LitStr> {
    one_of(meta.value()?.parse()?, "auth level", &AUTH_LEVELS)
}

fn route(meta: &ParseNestedMeta<'_>) -> syn::Result<LitStr> {
    let route: LitStr = meta.value()?.parse()?;
    if route.value().starts_with('/') {
        return Err(syn::Error::new(
            route.span(),
            "a route begins without `/`: the host puts its prefix before it",
        ));
    }
    Ok(route)
}

fn text(meta: &ParseNestedMeta<'_>) -> syn::Result<LitStr> {
    meta.value()?.parse()
}

/// The host knows what is in the fields; here it is only whether there are as many as there may be.
fn schedule(meta: &ParseNestedMeta<'_>) -> syn::Result<LitStr> {
    let schedule = text(meta)?;
    let expression = schedule.value();
    if expression.starts_with('@') || matches!(expression.split_whitespace().count(), 5 | 6) {
        return Ok(schedule);
    }
    let message = "a schedule has six fields: second, minute, hour, day of month, month, day of week; or five, without the second";
    Err(syn::Error::new(schedule.span(), message))
}

fn overlap(meta: &ParseNestedMeta<'_>) -> syn::Result<LitStr> {
    one_of(text(meta)?, "overlap policy", &OVERLAP_POLICIES)
}

fn seconds(meta: &ParseNestedMeta<'_>) -> syn::Result<LitInt> {
    let seconds: LitInt = meta.value()?.parse()?;
    seconds.base10_parse::<u64>().map(|_| seconds)
}

fn methods(meta: &ParseNestedMeta<'_>) -> syn::Result<Vec<LitStr>> {
    let list;
    parenthesized!(list in meta.input);
    let methods = Punctuated::<LitStr, Token![,]>::parse_terminated(&list)?;
    if methods.is_empty() {
        return Err(meta.error("name at least one method, or leave `methods` out for all"));
    }
    methods.into_iter().map(|method| one_of(method, "HTTP method", &METHODS)).collect()
}

/// The literal in lower case, if it is one of these.
fn one_of(literal: LitStr, what: &str, known: &[&str]) -> syn::Result<LitStr> {
    let lower_case = literal.value().to_ascii_lowercase();
    if known.contains(&lower_case.as_str()) {
        return Ok(LitStr::new(&lower_case, literal.span()));
    }
    let known = known.join("`, `");
    let message = format!("unknown {what}; there are `{known}`");
    Err(syn::Error::new(literal.span(), message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    fn refusal(tokens: TokenStream) -> String {
        let result = HttpTriggerArguments::parse(tokens).map(|_| ());
        result.expect_err("these arguments are wrong").to_string()
    }

    #[test]
    fn every_argument_is_read() {
        let tokens = quote!(name = "A-1", auth = "admin", methods("GET", "post"), route = "a/{b?}");
        let arguments = HttpTriggerArguments::parse(tokens).expect("right");
        assert_eq!(arguments.name.map(|name| name.value()).as_deref(), Some("A-1"));
        assert_eq!(arguments.auth.map(|auth| auth.value()).as_deref(), Some("admin"));
        assert_eq!(arguments.route.map(|route| route.value()).as_deref(), Some("a/{b?}"));
        let methods: Vec<_> = arguments.methods.iter().flatten().map(LitStr::value).collect();
        assert_eq!(methods, ["get", "post"]);
    }

    #[test]
    fn arguments_of_a_timer_are_read_or_refused() {
        let tokens =
            quote!(schedule = "0 */5 * * * *", time_zone = "UTC", overlap = "Queue", catch_up_seconds = 5);
        let arguments = TimerTriggerArguments::parse(tokens).expect("right");
        assert_eq!(arguments.overlap.map(|overlap| overlap.value()).as_deref(), Some("queue"));
        let refusal =
            |tokens| TimerTriggerArguments::parse(tokens).map(|_| ()).expect_err("wrong").to_string();
        assert!(refusal(quote!(schedule = "* *")).contains("six fields"));
        assert!(refusal(quote!(overlap = "maybe")).contains("`skip`, `queue`"));
        assert!(refusal(quote!(every = 5)).contains("`catch_up_seconds = …`"));
    }

    #[test]
    fn wrong_arguments_are_refused_with_the_right_ones() {
        assert!(refusal(quote!(path = "a")).contains("`route = \"…\"`"));
        assert!(refusal(quote!(auth = "user")).contains("`anonymous`, `function`, `admin`"));
        assert!(refusal(quote!(methods("fetch"))).contains("`get`, `head`, `post`"));
        assert!(refusal(quote!(methods())).contains("leave `methods` out"));
        assert!(refusal(quote!(route = "/a")).contains("begins without `/`"));
        assert!(refusal(quote!(name = "a b")).contains("begins with a letter"));
        assert!(refusal(quote!(name = "a", name = "a")).contains("given twice"));
    }
}
