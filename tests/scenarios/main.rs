//! Every promise that can be seen from outside: the real program, real functions, HTTP. One module per theme.

mod admin;
mod bad_apps;
mod client_calls;
mod client_operations;
mod context;
mod determinism;
mod durable_http;
mod entities;
mod faults;
mod http_triggers;
mod keys;
mod limits;
mod listing;
mod logs;
mod management;
mod orchestrations;
mod outbound;
mod patterns;
mod pinning;
mod policies;
mod replay;
mod retention;
mod samples;
mod sandbox;
mod schedules;
mod singleton;
