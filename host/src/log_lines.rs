//! Where log lines go: to standard error, many at a time. A write for each line, or waking another thread for each,
//! would cost a busy host more than the functions that it runs.

use parking_lot::Mutex;
use std::{
    io::{self, Write},
    sync::{
        Arc,
        mpsc::{self, RecvTimeoutError},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// A line appears at most this much later.
const FLUSH_EVERY: Duration = Duration::from_millis(20);

/// Whoever makes the buffer fuller than this writes it out, and waits for that.
const BUFFER_BYTES_MAX: usize = 256 * 1024;

/// Gathers log lines. Clones share the buffer.
#[derive(Debug, Clone, Default)]
pub(crate) struct LogLines(Arc<Mutex<Vec<u8>>>);

/// Writes out what has gathered, until it is dropped; then the rest.
#[derive(Debug)]
pub(crate) struct Flusher {
    lines: LogLines,
    /// Closing it ends the thread.
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl LogLines {
    /// Starts the thread that writes the lines out.
    pub(crate) fn start() -> io::Result<(Self, Flusher)> {
        let lines = Self::default();
        let (stop, stopped) = mpsc::channel();
        let gathered = lines.clone();
        let thread = thread::Builder::new().name("durance-log".to_owned()).spawn(move || {
            while stopped.recv_timeout(FLUSH_EVERY) == Err(RecvTimeoutError::Timeout) {
                gathered.write_out();
            }
        })?;
        Ok((lines.clone(), Flusher { lines, stop: Some(stop), thread: Some(thread) }))
    }

    fn write_out(&self) {
        let gathered = std::mem::take(&mut *self.0.lock());
        if !gathered.is_empty() {
            // There is nowhere to say that standard error cannot be written.
            let _closed = io::stderr().write_all(&gathered);
        }
    }
}

impl Write for LogLines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let is_full = {
            let mut gathered = self.0.lock();
            gathered.extend_from_slice(line);
            gathered.len() > BUFFER_BYTES_MAX
        };
        if is_full {
            self.write_out();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.write_out();
        Ok(())
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has been said on standard error already.
            let _ended = thread.join();
        }
        self.lines.write_out();
    }
}
