//! A web server for functions that send requests out.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

/// Answers every request on a connection of its own, until the test's process ends.
#[derive(Debug)]
pub struct LoopbackServer {
    address: SocketAddr,
    received: Arc<Mutex<Vec<LoopbackRequest>>>,
}

/// A request that came in.
#[derive(Debug, Clone)]
pub struct LoopbackRequest {
    /// `GET`.
    pub method: String,
    /// Path and query.
    pub target: String,
    headers: Vec<(String, String)>,
    /// As text.
    pub body: String,
}

impl LoopbackRequest {
    /// The first value of a header; the name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }
}

impl LoopbackServer {
    /// Answers with 200 and a text.
    ///
    /// # Panics
    /// There is no free port.
    #[must_use]
    pub fn start(text: &'static str) -> Self {
        Self::answering(move |_| ("200 OK", text.to_owned()))
    }

    /// Answers with what this makes of a request: the status with header lines after it, and the body.
    ///
    /// # Panics
    /// There is no free port.
    #[must_use]
    pub fn answering<S: Into<String>>(
        answer: impl Fn(&LoopbackRequest) -> (S, String) + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("a listener has an address");
        let received = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&received);
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let Ok(request) = read(&connection) else { continue };
                let (head, body) = answer(&request);
                log.lock().unwrap_or_else(PoisonError::into_inner).push(request);
                // A client that goes away is no failure of the server.
                let _gone = write(&connection, &head.into(), &body);
            }
        });
        Self { address, received }
    }

    /// Scheme and authority.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests that have come so far.
    #[must_use]
    pub fn received(&self) -> Vec<LoopbackRequest> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many requests have come.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.received().len()
    }
}

fn read(connection: &TcpStream) -> std::io::Result<LoopbackRequest> {
    let mut reader = BufReader::new(connection);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split(' ').map(str::to_owned);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut request = LoopbackRequest { method, target, headers, body: String::new() };
    let length = request.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    reader.take(length).read_to_string(&mut request.body)?;
    Ok(request)
}

fn write(mut connection: &TcpStream, head: &str, body: &str) -> std::io::Result<()> {
    let length = body.len();
    write!(connection, "HTTP/1.1 {head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
}
