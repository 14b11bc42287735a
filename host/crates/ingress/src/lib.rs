#![forbid(unsafe_code)]
mod access;
mod body;
mod keys;
mod links;
mod management;
mod problem;
mod query;
mod request;
mod response;
mod routing;
#[cfg(test)]
mod testing;
