//! Which function a request reaches: route templates, and the table of them.
//!
//! *Invariant:* pure. Nothing here knows of HTTP bodies, functions or keys.

mod constraint;
mod router;
mod template;

pub use router::{MethodSet, RouteDefinition, RouteError, RouteMatch, RouteParameters, Router};
pub use template::TemplateError;
