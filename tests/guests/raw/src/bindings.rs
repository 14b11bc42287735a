//! The Rust side of the contract.
#![expect(clippy::too_many_arguments, reason = "generated")]

wit_bindgen::generate!({
    path: "../../../guest-sdk/wit",
    world: "function-app",
});
