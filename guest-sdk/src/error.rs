//! Why a function failed.

use std::any::Any;
use std::fmt;

use crate::bindings::durance::functions::types::{Cause, Failure};
use crate::client::ClientError;
use crate::problem::Problem;

/// What functions return; `?` turns any [`std::error::Error`] into an [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a function or an awaited task failed: data that the host stores and shows.
///
/// It is made of any [`std::error::Error`] by `?` (its type's name, its text and its chain of sources), or by
/// [`Error::new`]. An HTTP function that fails with a [`Problem`] or a [`ClientError`](crate::ClientError) answers with
/// that problem; any other error is status 500.
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    failure: Failure,
    problem: Option<Problem>,
}

impl Error {
    /// A failure that retry policies apply to. `error_type` is for programs, `message` for people.
    pub fn new(error_type: impl Into<String>, message: impl Into<String>) -> Self {
        Self::from_failure(Failure {
            error_type: error_type.into(),
            message: message.into(),
            details: None,
            non_retriable: false,
            causes: Vec::new(),
        })
    }

    pub(crate) fn from_failure(failure: Failure) -> Self {
        let problem = None;
        Self(Box::new(Inner { failure, problem }))
    }

    /// A failure that is final, whatever the retry policy.
    pub fn non_retriable(error_type: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(error_type, message).into_non_retriable()
    }

    /// The same failure, final whatever the retry policy.
    #[must_use]
    pub fn into_non_retriable(mut self) -> Self {
        self.0.failure.non_retriable = true;
        self
    }

    /// Adds more for people: a stack trace, for example.
    #[must_use]
    pub fn with_details(mut self, details: impl Into<String>) -> Self {
        self.0.failure.details = Some(details.into());
        self
    }

    /// Makes another error, with its own causes, the cause of this one.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Self>) -> Self {
        let cause = cause.into().0.failure;
        let causes = &mut self.0.failure.causes;
        causes.push(Cause { error_type: cause.error_type, message: cause.message });
        causes.extend(cause.causes);
        self
    }

    /// The kind of error: of a Rust error the name of its type, without its path.
    pub fn error_type(&self) -> &str {
        &self.0.failure.error_type
    }

    /// What went wrong, for people.
    pub fn message(&self) -> &str {
        &self.0.failure.message
    }

    /// More for people, if there is more.
    pub fn details(&self) -> Option<&str> {
        self.0.failure.details.as_deref()
    }

    /// Whether the failure is final, whatever the retry policy.
    pub fn is_non_retriable(&self) -> bool {
        self.0.failure.non_retriable
    }

    /// The chain of causes, the nearest first.
    pub fn causes(&self) -> &[Cause] {
        &self.0.failure.causes
    }

    /// The problem that an HTTP function shall answer with, if this error is one; otherwise the failure.
    pub(crate) fn into_problem(self) -> Result<Problem, Failure> {
        self.0.problem.ok_or(self.0.failure)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        error.0.failure
    }
}

impl<E: std::error::Error + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        if let Some(failure) = (&error as &dyn Any).downcast_ref::<Failure>() {
            return Self::from_failure(failure.clone());
        }
        let failure = Failure {
            error_type: type_name::<E>(),
            message: error.to_string(),
            details: None,
            non_retriable: false,
            causes: causes(&error),
        };
        let problem = problem(&error);
        Self(Box::new(Inner { failure, problem }))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.error_type(), self.message())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.failure.fmt(formatter)
    }
}

fn problem(error: &dyn Any) -> Option<Problem> {
    let from_client = || error.downcast_ref::<ClientError>().map(Problem::from);
    error.downcast_ref::<Problem>().cloned().or_else(from_client)
}

/// A source is known only by its trait, so that its type has no name here.
fn causes(error: &dyn std::error::Error) -> Vec<Cause> {
    std::iter::successors(error.source(), |cause| cause.source())
        .map(|cause| Cause { error_type: "Error".to_owned(), message: cause.to_string() })
        .collect()
}

/// `core::num::error::ParseIntError` is `ParseIntError`, and `std::io::error::Error` is `io::Error`.
fn type_name<E>() -> String {
    let path = std::any::type_name::<E>();
    let without_generics = path.split_once('<').map_or(path, |(head, _)| head);
    let mut segments = without_generics.rsplit("::");
    let name = segments.next().unwrap_or(without_generics);
    let module = segments.find(|segment| *segment != "error");
    match module {
        Some(module) if name == "Error" => format!("{module}::Error"),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<u32> {
        Ok(text.parse::<u32>()?)
    }

    #[test]
    fn any_rust_error_becomes_a_failure_named_after_its_type() {
        let error = parse("seven").expect_err("not a number");
        assert_eq!(error.error_type(), "ParseIntError");
        assert_eq!(error.message(), "invalid digit found in string");
        assert!(!error.is_non_retriable());
    }

    #[test]
    fn error_type_named_error_is_told_apart_by_its_module() {
        assert_eq!(type_name::<std::io::Error>(), "io::Error");
        assert_eq!(type_name::<serde_json::Error>(), "serde_json::Error");
    }

    #[test]
    fn sources_become_the_chain_of_causes() {
        #[derive(Debug, thiserror::Error)]
        #[error("the order was not read")]
        struct ReadOrder(#[source] std::num::ParseIntError);

        let source = "x".parse::<u32>().expect_err("not a number");
        let error = Error::from(ReadOrder(source));
        assert_eq!(error.error_type(), "ReadOrder");
        assert_eq!(error.causes().len(), 1);
        assert_eq!(error.causes()[0].message, "invalid digit found in string");
    }

    #[test]
    fn caused_by_keeps_the_whole_chain() {
        let first = Error::new("Disk", "full");
        let second = Error::new("Save", "not saved").caused_by(first);
        let third = Error::new("Order", "lost").caused_by(second);
        let types: Vec<_> = third.causes().iter().map(|cause| cause.error_type.as_str()).collect();
        assert_eq!(types, ["Save", "Disk"]);
    }
}
