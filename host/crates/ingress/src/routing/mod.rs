//! Which function a request reaches: route templates, and the table of them.
//!
//! *Invariant:* pure. Nothing here knows of HTTP bodies, functions or keys.

mod constraint;
mod matching;
mod router;
mod specificity;
mod template;

pub(crate) use matching::RouteParameters;
pub use router::RouteError;
pub(crate) use router::{MethodSet, RouteDefinition, RouteMatch, Router};
pub use template::TemplateError;
