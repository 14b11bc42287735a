//! A closed loop of HTTP/1.1 requests over kept connections, as lean as can be: on two cores the load generator shares
//! the machine with what it measures.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

/// What to ask for. `{id}` in path or body becomes another number in each request.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    authority: String,
    path: String,
    body: Option<String>,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    /// Of the whole load.
    pub(crate) elapsed: Duration,
    /// Of each request, sorted.
    pub(crate) latencies: Vec<Duration>,
    /// Answers that are not 2xx, and broken connections.
    pub(crate) failures: usize,
}

impl Figures {
    pub(crate) fn per_second(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64()
    }

    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let index = self.latencies.len().saturating_sub(1) * percent / 100;
        self.latencies.get(index).copied().unwrap_or_default()
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.0}/s, p50 {:?}, p99 {:?}, {} ok, {} failed",
            self.per_second(),
            self.percentile(50),
            self.percentile(99),
            self.latencies.len(),
            self.failures
        )
    }
}

impl Target {
    /// # Panics
    /// The URL is not `http://HOST:PORT/…`.
    pub(crate) fn new(url: &str, body: Option<&str>) -> Self {
        let rest = url.strip_prefix("http://").expect("an http:// URL");
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        Self { authority: authority.to_owned(), path: format!("/{path}"), body: body.map(str::to_owned) }
    }

    fn request(&self, id: u64) -> Vec<u8> {
        let id = id.to_string();
        let path = self.path.replace("{id}", &id);
        let authority = &self.authority;
        match &self.body {
            None => format!("GET {path} HTTP/1.1\r\nhost: {authority}\r\n\r\n"),
            Some(body) => {
                let body = body.replace("{id}", &id);
                let length = body.len();
                format!(
                    "POST {path} HTTP/1.1\r\nhost: {authority}\r\ncontent-type: application/json\r\n\
                     content-length: {length}\r\n\r\n{body}"
                )
            }
        }
        .into_bytes()
    }
}

/// Asks over and over, with one request under way on each connection, until the time is over.
pub(crate) async fn closed_loop(target: &Target, connections: usize, duration: Duration) -> Figures {
    let next_id = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    let mut workers = JoinSet::new();
    for _ in 0..connections {
        workers.spawn(one_connection(target.clone(), Arc::clone(&next_id), begun + duration));
    }
    let mut figures = Figures::default();
    for (latencies, failures) in workers.join_all().await {
        figures.latencies.extend(latencies);
        figures.failures += failures;
    }
    figures.elapsed = begun.elapsed();
    figures.latencies.sort_unstable();
    figures
}

async fn one_connection(target: Target, next_id: Arc<AtomicU64>, until: Instant) -> (Vec<Duration>, usize) {
    let (mut latencies, mut failures) = (Vec::new(), 0);
    let mut stream = connect(&target.authority).await;
    let mut buffer = Vec::with_capacity(16 * 1024);
    while Instant::now() < until {
        let request = target.request(next_id.fetch_add(1, Ordering::Relaxed));
        let begun = Instant::now();
        match exchange(&mut stream, &request, &mut buffer).await {
            Some(status) if (200..300).contains(&status) => latencies.push(begun.elapsed()),
            Some(_) => failures += 1,
            None => {
                failures += 1;
                stream = connect(&target.authority).await;
            }
        }
    }
    (latencies, failures)
}

async fn connect(authority: &str) -> TcpStream {
    let stream = TcpStream::connect(authority).await.expect("the server accepts connections");
    stream.set_nodelay(true).expect("a TCP socket");
    stream
}

/// Sends a request and reads the whole answer; gives its status. None: the connection broke.
async fn exchange(stream: &mut TcpStream, request: &[u8], buffer: &mut Vec<u8>) -> Option<u16> {
    stream.write_all(request).await.ok()?;
    buffer.clear();
    loop {
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
        if let Some(status) = whole_answer(buffer) {
            return Some(status);
        }
    }
}

/// The status, if the answer is there to its end.
fn whole_answer(buffer: &[u8]) -> Option<u16> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = response.parse(buffer).ok()? else { return None };
    let header =
        |name: &str| response.headers.iter().find(|h| h.name.eq_ignore_ascii_case(name)).map(|h| h.value);
    let body = buffer.get(head..)?;
    let is_whole = match header("content-length") {
        Some(length) => body.len() >= std::str::from_utf8(length).ok()?.parse().ok()?,
        None => header("transfer-encoding").is_none() || body.ends_with(b"0\r\n\r\n"),
    };
    is_whole.then_some(response.code?)
}
