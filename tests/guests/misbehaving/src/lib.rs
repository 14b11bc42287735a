//! Functions that break a rule, one for each fault, and functions that show what the host gives them.

mod activities;
mod entities;
mod faults;
mod forbidden;
mod http_functions;
mod orchestrators;
