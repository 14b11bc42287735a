//! The thread that raises the engine's epoch.

use crate::engine::TICK;
use std::{
    sync::mpsc::{self, RecvTimeoutError},
    thread::JoinHandle,
};

/// Raises the epoch every [`TICK`] until it is dropped.
#[derive(Debug)]
pub(crate) struct EpochTicker {
    /// Closing it stops the thread.
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl EpochTicker {
    pub(crate) fn start(engine: wasmtime::Engine) -> Self {
        let (stop, stopped) = mpsc::channel();
        let tick = move || {
            while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                engine.increment_epoch();
            }
        };
        let thread = std::thread::Builder::new()
            .name("wasm-epoch".to_owned())
            .spawn(tick)
            .expect("a process that cannot start one more thread cannot serve");
        Self { stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for EpochTicker {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that raises the epoch panicked");
        }
    }
}
