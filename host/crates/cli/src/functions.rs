//! `durance functions`: what a host serves, and calls of it.

use crate::{
    CommandError, Exit, HostArgs, HostClient, Output,
    args::{parse_pair, read_optional_json},
    client::{Answer, Request, segment},
    output::{print, properties, table},
};
use clap::{Args, Subcommand};
use http::Method;
use serde::Deserialize;
use std::fs;

/// Arguments of `durance functions`.
#[derive(Debug, Args)]
pub struct FunctionsArgs {
    #[command(flatten)]
    host: HostArgs,
    #[command(subcommand)]
    command: FunctionsCommand,
}

#[derive(Debug, Subcommand)]
enum FunctionsCommand {
    /// List the functions that the host serves.
    #[command(visible_alias = "ls")]
    List,
    /// Show one function.
    Show {
        /// The function.
        name: String,
    },
    /// Call a function: an HTTP function with a request, an orchestrator with a start, a timer function now.
    Invoke(InvokeArgs),
}

#[derive(Debug, Args)]
struct InvokeArgs {
    /// The function.
    name: String,

    /// A parameter of the HTTP function's route; may be given more than once
    #[arg(long = "param", short, value_name = "NAME=VALUE", value_parser = parse_pair)]
    parameters: Vec<(String, String)>,

    /// A query parameter of the request; may be given more than once
    #[arg(long = "query", short, value_name = "NAME=VALUE", value_parser = parse_pair)]
    query: Vec<(String, String)>,

    /// A header of the request; may be given more than once
    #[arg(long = "header", short = 'H', value_name = "NAME=VALUE", value_parser = parse_pair)]
    headers: Vec<(String, String)>,

    /// The method of the request [default: the first that the function takes; POST with a body, otherwise GET]
    #[arg(long, short = 'X')]
    method: Option<Method>,

    /// The body of the request, any text, or @file; the input of an orchestrator, JSON
    #[arg(long, short, value_name = "TEXT")]
    input: Option<String>,
}

#[derive(Deserialize)]
struct Function {
    name: String,
    invoke_url_template: Option<String>,
    component: String,
    config: Config,
}

#[derive(Deserialize)]
struct Config {
    bindings: Vec<Binding>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Binding {
    r#type: String,
    #[serde(default)]
    methods: Vec<String>,
    auth_level: Option<String>,
    schedule: Option<String>,
    time_zone: Option<String>,
}

/// Speaks to the host about functions.
struct Functions {
    client: HostClient,
    output: Output,
}

pub(crate) fn run(args: FunctionsArgs) -> Result<Exit, CommandError> {
    let functions = Functions { client: args.host.client()?, output: Output { json: args.host.json } };
    match args.command {
        FunctionsCommand::List => functions.list(),
        FunctionsCommand::Show { name } => functions.show(&name),
        FunctionsCommand::Invoke(args) => functions.invoke(&args),
    }
}

impl Functions {
    fn list(&self) -> Result<Exit, CommandError> {
        let answer = self.client.call(Request::new(Method::GET, "/admin/functions"))?;
        let functions: Vec<Function> = self.client.read(&answer)?;
        let rows = functions.iter().map(|function| {
            let binding = function.binding();
            let auth = binding.and_then(|binding| binding.auth_level.clone());
            [
                function.name.clone(),
                function.trigger().to_owned(),
                function.detail(),
                auth.unwrap_or_default(),
            ]
        });
        self.output.either(&answer.body, || table(["FUNCTION", "TRIGGER", "WHERE OR WHEN", "KEY"], rows))?;
        Ok(Exit::Done)
    }

    fn show(&self, name: &str) -> Result<Exit, CommandError> {
        let (function, answer) = self.find(name)?;
        self.output.either(&answer.body, || {
            let auth = function.binding().and_then(|binding| binding.auth_level.clone());
            properties([
                ("Function", Some(function.name.clone())),
                ("Trigger", Some(function.trigger().to_owned())),
                ("Where or when", Some(function.detail()).filter(|detail| !detail.is_empty())),
                ("Key", auth),
                ("Component", Some(function.component.clone())),
            ])
        })?;
        Ok(Exit::Done)
    }

    fn find(&self, name: &str) -> Result<(Function, Answer), CommandError> {
        let path = format!("/admin/functions/{}", segment(name));
        let answer = self.client.call(Request::new(Method::GET, path))?;
        Ok((self.client.read(&answer)?, answer))
    }

    fn invoke(&self, args: &InvokeArgs) -> Result<Exit, CommandError> {
        let (function, _) = self.find(&args.name)?;
        match function.trigger() {
            "httpTrigger" => return self.call_http(&function, args),
            "orchestrationTrigger" => {
                let path = format!("/orchestrators/{}", segment(&function.name));
                let input = read_optional_json(args.input.as_deref())?.unwrap_or_default();
                let answer = self.client.call(Request::management(Method::POST, &path).body(input))?;
                print(&answer.body)?;
            }
            "timerTrigger" => {
                let path = format!("/schedules/{}/trigger", segment(&function.name));
                let answer = self.client.call(Request::management(Method::POST, &path))?;
                self.output.done(&answer.body, &format!("Function '{}' is called.", function.name))?;
            }
            "entityTrigger" => {
                let name = &function.name;
                return Err(CommandError::Usage(format!(
                    "'{name}' is an entity: use 'durance entities signal {name} KEY OPERATION'"
                )));
            }
            trigger => {
                return Err(CommandError::Usage(format!(
                    "'{}' has trigger {trigger}: only orchestrators call it; invoke one of them",
                    function.name
                )));
            }
        }
        Ok(Exit::Done)
    }

    /// Prints the body of the response, whatever it is; the status decides the exit status.
    fn call_http(&self, function: &Function, args: &InvokeArgs) -> Result<Exit, CommandError> {
        let template = function.invoke_url_template.as_deref().unwrap_or_default();
        let method = args.method.clone().unwrap_or_else(|| function.method(args.input.is_some()));
        let mut request = Request::new(method, fill(template, &args.parameters)?);
        for (name, value) in &args.query {
            request = request.query(name, value);
        }
        for (name, value) in &args.headers {
            request = request.header(name, value)?;
        }
        if let Some(input) = &args.input {
            request = request.body(read_text(input)?);
        }
        let answer = self.client.send(request)?;
        if !answer.body.is_empty() {
            print(&answer.body)?;
        }
        match answer.status {
            ..400 => Ok(Exit::Done),
            status => Err(CommandError::Failed(format!("'{}' answered with status {status}", function.name))),
        }
    }
}

impl Function {
    fn binding(&self) -> Option<&Binding> {
        self.config.bindings.first()
    }

    fn trigger(&self) -> &str {
        self.binding().map_or("unknown", |binding| &binding.r#type)
    }

    /// Where it is called, or when.
    fn detail(&self) -> String {
        let Some(binding) = self.binding() else { return String::new() };
        let methods = if binding.methods.is_empty() {
            "ALL".to_owned()
        } else {
            binding.methods.join(",").to_uppercase()
        };
        let url = self.invoke_url_template.as_ref().map(|url| format!("[{methods}] {url}"));
        let zone = binding.time_zone.as_ref().map(|zone| format!(" {zone}")).unwrap_or_default();
        let schedule = binding.schedule.as_ref().map(|schedule| format!("[{schedule}]{zone}"));
        url.or(schedule).unwrap_or_default()
    }

    fn method(&self, has_body: bool) -> Method {
        let preferred = if has_body { Method::POST } else { Method::GET };
        let methods = self.binding().map(|binding| binding.methods.as_slice()).unwrap_or_default();
        let takes = |method: &Method| methods.iter().any(|taken| taken.eq_ignore_ascii_case(method.as_str()));
        let first = methods.first().and_then(|method| method.to_uppercase().parse().ok());
        if takes(&preferred) { preferred } else { first.unwrap_or(preferred) }
    }
}

/// The path of an HTTP function with the values of its parameters, which are written as `{p}`, `{p?}`, `{p=default}`,
/// `{p:constraint}`, `{*rest}`.
fn fill(template: &str, values: &[(String, String)]) -> Result<String, CommandError> {
    let path = template.split_once("://").map_or(template, |(_, rest)| rest);
    let path = path.find('/').map_or("/", |start| path.split_at(start).1);
    let mut filled = String::new();
    let mut used = 0;
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('{') {
        let (parameter, after) = after.split_once('}').unwrap_or((after, ""));
        filled.push_str(before);
        let name = parameter.trim_start_matches('*').split([':', '=', '?']).next().unwrap_or_default();
        match values.iter().find(|(given, _)| given.eq_ignore_ascii_case(name)) {
            Some((_, value)) if parameter.starts_with('*') => {
                used += 1;
                filled.push_str(&value.split('/').map(segment).collect::<Vec<_>>().join("/"));
            }
            Some((_, value)) => {
                used += 1;
                filled.push_str(&segment(value));
            }
            None if parameter.ends_with('?') || parameter.starts_with('*') || parameter.contains('=') => {}
            None => {
                let text = format!("the route {path} needs a value for '{name}': --param {name}=VALUE");
                return Err(CommandError::Usage(text));
            }
        }
        rest = after;
    }
    filled.push_str(rest);
    if used < values.len() {
        return Err(CommandError::Usage(format!(
            "the route {path} does not have all of the given parameters"
        )));
    }
    Ok(filled.trim_end_matches('/').to_owned())
}

fn read_text(argument: &str) -> Result<Vec<u8>, CommandError> {
    match argument.strip_prefix('@') {
        Some(file) => {
            fs::read(file).map_err(|error| CommandError::Usage(format!("cannot read '{file}': {error}")))
        }
        None => Ok(argument.as_bytes().to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn route_is_filled_with_values() {
        type Case<'c> = (&'c str, &'c [(&'c str, &'c str)], Result<&'c str, &'c str>);
        let table: [Case<'_>; 9] = [
            ("http://h:1/api/hello/{name?}", &[], Ok("/api/hello")),
            ("http://h:1/api/hello/{name?}", &[("NAME", "a b/c")], Ok("/api/hello/a%20b%2Fc")),
            ("http://h:1/api/{a}/x/{b:int}", &[("a", "1"), ("b", "2")], Ok("/api/1/x/2")),
            ("http://h:1/api/{a}/x/{b:int}", &[("a", "1")], Err("a value for 'b'")),
            ("http://h:1/api/{*rest}", &[("rest", "a/b c")], Ok("/api/a/b%20c")),
            ("http://h:1/api/{*rest}", &[], Ok("/api")),
            ("http://h:1/api/{a=1}", &[], Ok("/api")),
            ("http://h:1/api/{a}-{b}", &[("a", "1"), ("b", "2")], Ok("/api/1-2")),
            ("http://h:1/api/plain", &[("a", "1")], Err("does not have all")),
        ];
        for (template, values, expected) in table {
            let values: Vec<_> = values.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
            match (fill(template, &values), expected) {
                (Ok(path), Ok(expected)) => assert_eq!(path, expected, "{template}"),
                (Err(error), Err(expected)) => assert!(error.to_string().contains(expected), "{error}"),
                (got, expected) => panic!("{template}: {got:?}, not {expected:?}"),
            }
        }
    }
}
