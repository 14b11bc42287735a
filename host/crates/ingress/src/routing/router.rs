//! The table of routes: the most specific one wins, in whatever order they were given.

use super::{
    matching::{Path, RouteParameters, is_literal},
    template::{Segment, Template, TemplateError},
};
use http::Method;
use std::{cmp::Reverse, collections::HashMap, fmt, sync::Arc};

/// Path segments under the root that belong to the host.
const RESERVED: [&str; 4] = ["admin", "runtime", "healthz", "readyz"];

/// Where a function is to be reached.
#[derive(Debug, Clone)]
pub(crate) struct RouteDefinition {
    /// The function's name.
    pub(crate) function: Arc<str>,
    /// The template, without the prefix. The language is that of ASP.NET Core: literals, `{p}`, `{p?}`, `{p=default}`,
    /// `{p:constraint}`, `{*rest}`, `{a}-{b}`.
    pub(crate) template: String,
    /// The methods that it answers.
    pub(crate) methods: MethodSet,
}

/// HTTP methods; empty means all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct MethodSet(Vec<Method>);

/// What the table knows of a request.
#[derive(Debug)]
pub(crate) enum RouteMatch<'r, T> {
    /// The route, and the values of its parameters.
    Found(&'r T, RouteParameters),
    /// Routes have the path, but none the method; these have it, as the header `Allow` has them.
    WrongMethod(String),
    /// No route has the path.
    NoRoute,
}

/// Why routes cannot be served.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// The template is malformed.
    #[error("function '{function}': route '{template}', {error}")]
    Template {
        /// Whose route.
        function: Arc<str>,
        /// As given.
        template: String,
        /// What is wrong with it.
        error: TemplateError,
    },
    /// The prefix is more than plain text.
    #[error("route prefix '{prefix}': {why}")]
    Prefix {
        /// As given.
        prefix: String,
        /// What is wrong with it.
        why: String,
    },
    /// The route belongs to the host.
    #[error(
        "function '{function}': route '{template}' begins with '{segment}', which belongs to the host; choose another"
    )]
    Reserved {
        /// Whose route.
        function: Arc<str>,
        /// As given.
        template: String,
        /// Its first segment.
        segment: String,
    },
    /// Two functions want the same requests.
    #[error(
        "functions '{first}' and '{second}' have the same route '{template}' for {methods}; change one of them"
    )]
    Ambiguous {
        /// One function.
        first: Arc<str>,
        /// The other one.
        second: Arc<str>,
        /// The route of the second.
        template: String,
        /// The methods that they share.
        methods: String,
    },
}

/// Finds the route of a request; `T` is what lies at the end of it.
#[derive(Debug)]
pub(crate) struct Router<T> {
    prefix: Vec<String>,
    /// The most specific first.
    routes: Vec<Route<T>>,
}

#[derive(Debug)]
struct Route<T> {
    definition: RouteDefinition,
    template: Template,
    target: T,
}

impl MethodSet {
    /// Just these; none means all.
    #[must_use]
    pub(crate) fn new(methods: impl IntoIterator<Item = Method>) -> Self {
        let mut set = Self::default();
        methods.into_iter().for_each(|method| set.add(method));
        set
    }

    fn add(&mut self, method: Method) {
        if !self.0.contains(&method) {
            self.0.push(method);
        }
    }

    /// Whether a request with this method is answered; GET stands for HEAD too.
    #[must_use]
    pub(crate) fn answers(&self, method: &Method) -> bool {
        self.0.is_empty()
            || self.0.contains(method)
            || (method == Method::HEAD && self.0.contains(&Method::GET))
    }

    fn shared(&self, other: &Self) -> Option<Self> {
        match (self.0.as_slice(), other.0.as_slice()) {
            ([], _) => Some(other.clone()),
            (_, []) => Some(self.clone()),
            (mine, _) => {
                let shared: Vec<_> = mine.iter().filter(|method| other.0.contains(method)).cloned().collect();
                (!shared.is_empty()).then_some(Self(shared))
            }
        }
    }

    /// The header `Allow`: with HEAD beside GET, and with OPTIONS, which the host answers.
    #[must_use]
    pub(crate) fn allow(&self) -> String {
        let mut methods = self.clone();
        if methods.0.contains(&Method::GET) {
            methods.add(Method::HEAD);
        }
        methods.add(Method::OPTIONS);
        methods.to_string()
    }
}

impl fmt::Display for MethodSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((first, others)) = self.0.split_first() else { return f.write_str("all methods") };
        f.write_str(first.as_str())?;
        others.iter().try_for_each(|method| write!(f, ", {method}"))
    }
}

impl<T> Router<T> {
    /// The table of these routes, each after `prefix`, which may be empty.
    ///
    /// # Errors
    /// A template or the prefix is malformed, a route is the host's, or two functions want the same requests.
    pub(crate) fn new(prefix: &str, routes: Vec<(RouteDefinition, T)>) -> Result<Self, RouteError> {
        let prefix = parse_prefix(prefix)?;
        let routes = routes.into_iter().map(|(definition, target)| Route::parse(definition, target));
        let mut routes = routes.collect::<Result<Vec<_>, _>>()?;
        if prefix.is_empty() {
            routes.iter().try_for_each(Route::check_not_reserved)?;
        }
        check_unambiguous(&routes)?;
        routes.sort_by_cached_key(Route::order);
        Ok(Self { prefix, routes })
    }

    /// The route of a request; `path` is percent-encoded, begins with `/`, and is UTF-8 when decoded.
    #[must_use]
    pub(crate) fn find(&self, method: &Method, path: &str) -> RouteMatch<'_, T> {
        let Some(path) = self.strip_prefix(path) else { return RouteMatch::NoRoute };
        let mut allowed = MethodSet::default();
        for route in &self.routes {
            let Some(parameters) = route.template.matches(path) else { continue };
            if route.definition.methods.answers(method) {
                return RouteMatch::Found(&route.target, parameters);
            }
            route.definition.methods.0.iter().for_each(|method| allowed.add(method.clone()));
        }
        if allowed.0.is_empty() { RouteMatch::NoRoute } else { RouteMatch::WrongMethod(allowed.allow()) }
    }

    fn strip_prefix<'p>(&self, path: &'p str) -> Option<Path<'p>> {
        let mut path = Path(path.strip_prefix('/')?);
        self.prefix
            .iter()
            .all(|literal| path.next().is_some_and(|segment| is_literal(segment, literal)))
            .then_some(path)
    }
}

fn parse_prefix(text: &str) -> Result<Vec<String>, RouteError> {
    let fail = |why: String| RouteError::Prefix { prefix: text.to_owned(), why };
    let template = Template::parse(text).map_err(|error| fail(error.to_string()))?;
    let segments = template.segments.into_iter().map(|segment| match segment {
        Segment::Literal(literal) => Ok(literal),
        Segment::Parameter(_) | Segment::Mixed(_) | Segment::CatchAll(_) => {
            Err(fail("a prefix has no parameters".to_owned()))
        }
    });
    let segments = segments.collect::<Result<Vec<_>, _>>()?;
    match segments.first() {
        Some(first) if is_reserved(first) => {
            Err(fail(format!("'{first}' belongs to the host; choose another")))
        }
        _ => Ok(segments),
    }
}

fn is_reserved(segment: &str) -> bool {
    RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(segment))
}

impl<T> Route<T> {
    fn parse(definition: RouteDefinition, target: T) -> Result<Self, RouteError> {
        match Template::parse(&definition.template) {
            Ok(template) => Ok(Self { definition, template, target }),
            Err(error) => Err(RouteError::Template {
                function: definition.function,
                template: definition.template,
                error,
            }),
        }
    }

    fn check_not_reserved(&self) -> Result<(), RouteError> {
        match self.template.segments.first() {
            Some(Segment::Literal(first)) if is_reserved(first) => Err(RouteError::Reserved {
                function: Arc::clone(&self.definition.function),
                template: self.definition.template.clone(),
                segment: first.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// The most specific first, segment by segment; then more constraints; then by text, so that the order is fixed.
    fn order(&self) -> (Vec<u8>, Reverse<usize>, String, Arc<str>) {
        let segments = &self.template.segments;
        let constraints = segments.iter().map(Segment::constraint_count).sum();
        let ranks = segments.iter().map(Segment::rank).collect();
        (ranks, Reverse(constraints), self.definition.template.clone(), Arc::clone(&self.definition.function))
    }
}

fn check_unambiguous<T>(routes: &[Route<T>]) -> Result<(), RouteError> {
    let mut by_shape: HashMap<Vec<String>, Vec<&RouteDefinition>> = HashMap::new();
    for Route { definition, template, .. } in routes {
        let same_paths = by_shape.entry(template.shape()).or_default();
        for earlier in same_paths.iter() {
            if let Some(methods) = earlier.methods.shared(&definition.methods) {
                return Err(RouteError::Ambiguous {
                    first: Arc::clone(&earlier.function),
                    second: Arc::clone(&definition.function),
                    template: definition.template.clone(),
                    methods: methods.to_string(),
                });
            }
        }
        same_paths.push(definition);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
