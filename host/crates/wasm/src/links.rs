use durance_durable::{InstanceId, Json};
use std::fmt;

/// Makes the management links of an instance: what HTTP functions answer a client with.
pub trait ManagementLinks: Send + Sync + fmt::Debug {
    /// A JSON object of absolute links, signed for this instance.
    ///
    /// `origin` is scheme and authority, as the client of the incoming request sees the host: `http://127.0.0.1:7071`.
    fn links(&self, origin: &str, instance: &InstanceId) -> Json;
}
