//! One of two versions of a component: an instance in flight must end with the one that it began with.

#[path = "../../pinned-v1/src/versioned.rs"]
mod versioned;

const VERSION: &str = "v2";
