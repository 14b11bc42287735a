//! What black-box tests need: the real program on a free port, function apps, an HTTP client, waiting with a deadline.

mod app;
mod client;
mod host;
mod loopback;
mod orchestrations;
mod process;
mod repository;
mod shared;
mod wait;

pub use app::AppFolder;
pub use client::{Client, NoAnswer, Reply};
pub use host::{FailedStart, Host, Launch};
pub use loopback::{LoopbackRequest, LoopbackServer};
pub use orchestrations::{MANAGEMENT, is_finished, run_of};
pub use process::{Ended, run_program};
pub use repository::{components_in, program, repository};
pub use shared::{guests, samples};
pub use wait::{PATIENCE, eventually, eventually_blocking, eventually_within};
