//! Real guests: the sample functions, and functions that break a rule each.

#![cfg(test)]

mod activities;
mod http_functions;
mod loading;
mod orchestration;
mod orchestrators;
mod support;
