//! The imports that functions call: the host's, and in native tests those of the test kit.

#[cfg(not(all(feature = "testing", not(target_family = "wasm"))))]
pub(crate) use crate::bindings::durance::functions::{invocation, orchestration_context};
#[cfg(all(feature = "testing", not(target_family = "wasm")))]
pub(crate) use crate::testing::imports::{invocation, orchestration_context};
