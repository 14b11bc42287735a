#![forbid(unsafe_code)]
mod access;
mod keys;
mod links;
mod query;
mod routing;
#[cfg(test)]
mod testing;
