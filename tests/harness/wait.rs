//! Waiting for a condition, with a deadline.

use std::{
    fmt::Display,
    thread,
    time::{Duration, Instant},
};

/// How long a test waits for something that must happen: far longer than it takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

const PAUSE: Duration = Duration::from_millis(20);

/// Asks again and again until there is an answer.
///
/// # Panics
/// After [`PATIENCE`]; the message says what did not happen.
pub async fn eventually<T, D: Display>(what: impl Fn() -> D, look: impl AsyncFn() -> Option<T>) -> T {
    eventually_within(PATIENCE, what, look).await
}

/// The same as [`eventually`], for what takes longer by its nature.
///
/// # Panics
/// After this time; the message says what did not happen.
pub async fn eventually_within<T, D: Display>(
    patience: Duration,
    what: impl Fn() -> D,
    look: impl AsyncFn() -> Option<T>,
) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {patience:?}: {}", what());
        tokio::time::sleep(PAUSE).await;
    }
}

/// The same as [`eventually`], outside of async code.
///
/// # Panics
/// After [`PATIENCE`]; the message says what did not happen.
pub fn eventually_blocking<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        thread::sleep(PAUSE);
    }
}
