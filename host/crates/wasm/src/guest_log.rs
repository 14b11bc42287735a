//! What guests print becomes log lines.

use bytes::Bytes;
use durance_taskhub::SharedState;
use parking_lot::Mutex;
use std::{fmt, sync::Arc};
use tokio::io::AsyncWrite;
use uuid::Uuid;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// How much of what a guest said last on standard error goes into the message of a crash.
const LAST_WORDS_BYTES_MAX: usize = 1024;
/// A guest may hand over this much in one write.
const WRITE_BYTES_MAX: usize = 64 * 1024;

/// Limits on what one call of a function may print.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogLimits {
    pub(crate) line_bytes_max: usize,
    pub(crate) bytes_max: usize,
}

/// The lines of one call of a function. Dropping it writes what is left without a line end.
pub(crate) struct GuestLog {
    function: Arc<str>,
    instance_id: Option<Arc<str>>,
    invocation_id: Uuid,
    /// Of an orchestrator: nothing is logged while it replays.
    replay: Option<SharedState>,
    limits: LogLimits,
    buffers: Mutex<Buffers>,
}

#[derive(Default)]
struct Buffers {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    last_words: String,
    printed_bytes: usize,
}

/// One of the two streams that a guest prints to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

impl GuestLog {
    pub(crate) fn new(
        function: Arc<str>,
        instance_id: Option<Arc<str>>,
        invocation_id: Uuid,
        replay: Option<SharedState>,
        limits: LogLimits,
    ) -> Arc<Self> {
        let buffers = Mutex::new(Buffers::default());
        Arc::new(Self { function, instance_id, invocation_id, replay, limits, buffers })
    }

    /// What the guest said last on standard error, which is where a panic goes.
    pub(crate) fn last_words(&self) -> Option<String> {
        let mut buffers = self.buffers.lock();
        let rest = std::mem::take(&mut buffers.stderr);
        self.line(&mut buffers, Stream::Stderr, &rest);
        let words = buffers.last_words.trim();
        (!words.is_empty()).then(|| words.to_owned())
    }

    fn print(&self, stream: Stream, bytes: &[u8]) {
        let mut buffers = self.buffers.lock();
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let Some(end) = part.strip_suffix(b"\n") else {
                self.append(buffers.of(stream), part);
                return;
            };
            let mut line = std::mem::take(buffers.of(stream));
            self.append(&mut line, end);
            self.line(&mut buffers, stream, &line);
        }
    }

    /// Cuts what is longer than a line may be.
    fn append(&self, line: &mut Vec<u8>, bytes: &[u8]) {
        let room = self.limits.line_bytes_max.saturating_sub(line.len());
        line.extend(bytes.iter().take(room));
    }

    fn line(&self, buffers: &mut Buffers, stream: Stream, line: &[u8]) {
        if line.is_empty() || self.replay.as_ref().is_some_and(|state| state.lock().is_replaying()) {
            return;
        }
        let text = String::from_utf8_lossy(line);
        if stream == Stream::Stderr {
            buffers.remember(&text);
        }
        let before = buffers.printed_bytes;
        buffers.printed_bytes = before.saturating_add(line.len());
        if buffers.printed_bytes <= self.limits.bytes_max {
            self.emit(stream, &text);
        } else if before <= self.limits.bytes_max {
            self.emit(Stream::Stderr, "the function prints too much: the rest of this call is not logged");
        }
    }

    fn emit(&self, stream: Stream, text: &str) {
        let (function, invocation_id) = (&*self.function, self.invocation_id);
        let instance_id = self.instance_id.as_deref();
        match stream {
            Stream::Stdout => {
                tracing::info!(target: "durance::guest", function, instance_id, %invocation_id, "{text}");
            }
            Stream::Stderr => {
                tracing::warn!(target: "durance::guest", function, instance_id, %invocation_id, "{text}");
            }
        }
    }
}

impl Buffers {
    fn of(&mut self, stream: Stream) -> &mut Vec<u8> {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }

    fn remember(&mut self, text: &str) {
        self.last_words.push_str(text);
        self.last_words.push('\n');
        let excess = self.last_words.len().saturating_sub(LAST_WORDS_BYTES_MAX);
        let cut = self.last_words.ceil_char_boundary(excess);
        self.last_words.drain(..cut);
    }
}

impl Drop for GuestLog {
    fn drop(&mut self) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let mut buffers = self.buffers.lock();
            let rest = std::mem::take(buffers.of(stream));
            self.line(&mut buffers, stream, &rest);
        }
    }
}

impl fmt::Debug for GuestLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuestLog").field("function", &self.function).finish_non_exhaustive()
    }
}

/// A stream of WASI that prints to a [`GuestLog`].
#[derive(Debug, Clone)]
pub(crate) struct LogStream {
    pub(crate) log: Arc<GuestLog>,
    pub(crate) stream: Stream,
}

impl IsTerminal for LogStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LogStream {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    /// Only WASI 0.3 asks for it, which is not linked.
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(tokio::io::sink())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for LogStream {
    async fn ready(&mut self) {}
}

#[wasmtime_wasi::async_trait]
impl OutputStream for LogStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.log.print(self.stream, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use tracing_subscriber::fmt::MakeWriter;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Lines {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    /// What is logged of these writes, a line each without fields.
    fn logged(limits: LogLimits, writes: &[(Stream, &str)]) -> Vec<String> {
        let lines = Lines::default();
        let format = tracing_subscriber::fmt().without_time().with_ansi(false).with_writer(lines.clone());
        tracing::subscriber::with_default(format.finish(), || {
            let log = GuestLog::new("F".into(), Some("i-1".into()), Uuid::nil(), None, limits);
            for (stream, text) in writes {
                log.print(*stream, text.as_bytes());
            }
        });
        let text = String::from_utf8(lines.0.lock().clone()).unwrap();
        assert!(
            text.lines().all(|line| line.contains(r#"function="F" instance_id="i-1" invocation_id="#)),
            "{text}"
        );
        let short = |line: &str| {
            line.trim().replace(" durance::guest:", "").split(" function=").next().unwrap().to_owned()
        };
        text.lines().map(short).collect()
    }

    const LIMITS: LogLimits = LogLimits { line_bytes_max: 10, bytes_max: 1000 };

    #[test]
    fn lines_are_put_together_from_writes_and_the_last_one_is_not_lost() {
        let writes = [(Stream::Stdout, "one\ntw"), (Stream::Stderr, "err\n"), (Stream::Stdout, "o\n\nrest")];
        assert_eq!(logged(LIMITS, &writes), ["INFO one", "WARN err", "INFO two", "INFO rest"]);
    }

    #[test]
    fn long_line_is_cut_and_a_flood_is_dropped_with_one_notice() {
        assert_eq!(logged(LIMITS, &[(Stream::Stdout, "0123456789abc\nx\n")]), ["INFO 0123456789", "INFO x"]);
        let limits = LogLimits { bytes_max: 6, ..LIMITS };
        let flood = "12345\n".repeat(100);
        let lines = logged(limits, &[(Stream::Stdout, &flood)]);
        assert_eq!(
            lines,
            ["INFO 12345", "WARN the function prints too much: the rest of this call is not logged"]
        );
    }

    #[test]
    fn last_words_are_the_end_of_standard_error() {
        let log = GuestLog::new("F".into(), None, Uuid::nil(), None, LIMITS);
        assert_eq!(log.last_words(), None);
        log.print(Stream::Stdout, b"not this\n");
        log.print(Stream::Stderr, "ä".repeat(400).as_bytes());
        log.print(Stream::Stderr, b"\npanicked\nnow");
        let words = log.last_words().unwrap();
        assert!(words.ends_with("panicked\nnow") && !words.contains("not this"), "{words}");
        assert!(words.len() <= LAST_WORDS_BYTES_MAX);
    }
}
