//! tmp
use crate::StartRequest;
/// tmp
pub fn start_request(_i: &str, _e: u128) -> StartRequest { todo!() }
