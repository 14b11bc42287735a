//! One of two versions of a component: an instance in flight must end with the one that it began with.

mod versioned;

const VERSION: &str = "v1";
