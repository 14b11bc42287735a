#![forbid(unsafe_code)]
mod access;
mod admin;
mod body;
mod functions;
mod gateway;
mod keys;
mod links;
mod management;
mod problem;
mod query;
mod request;
mod response;
mod routing;
mod server;
#[cfg(test)]
mod testing;
