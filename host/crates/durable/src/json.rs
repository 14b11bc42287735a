//! Values of guests: JSON texts that are carried, never interpreted.

use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};

/// A JSON text, checked once when it came in.
///
/// Cheap to clone. Equality is equality of the texts, which is what replay compares.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Json(Arc<str>);

/// The text is not JSON; says why, with line and column.
#[derive(Debug, thiserror::Error)]
#[error("not a JSON text: {0}")]
pub struct InvalidJson(#[from] serde_json::Error);

impl Json {
    /// Checks that `text` is one JSON value.
    ///
    /// # Errors
    /// The text is not JSON, or nested deeper than 128 levels.
    pub fn parse(text: impl Into<Arc<str>>) -> Result<Self, InvalidJson> {
        let text = text.into();
        // RawValue checks syntax and depth without building a tree.
        serde_json::from_str::<&serde_json::value::RawValue>(&text)?;
        Ok(Self(text))
    }

    /// The text of any serialisable value.
    ///
    /// # Panics
    /// The value cannot be written as JSON: a map with keys that are not strings.
    #[must_use]
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Self {
        let text = serde_json::to_string(value).expect("our own values can be written as JSON");
        Self(text.into())
    }

    /// The value `null`.
    #[must_use]
    pub fn null() -> Self {
        Self("null".into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
