//! How a person or a service manager ends the host.

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

/// Told to end by Ctrl-C or SIGTERM.
#[derive(Debug)]
pub(crate) struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupts {
    /// # Errors
    /// The system does not let signals be handled.
    pub(crate) fn listen() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// The next one.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Waits until the store has failed; for ever if it never does.
pub(crate) async fn failure<E: Clone>(mut failed: watch::Receiver<Option<E>>) -> E {
    loop {
        if let Some(error) = failed.borrow_and_update().clone() {
            return error;
        }
        if failed.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}
