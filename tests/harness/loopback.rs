//! A web server for functions that send requests out.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// Answers every request with 200 and a text, each on a connection of its own, until the test's process ends.
#[derive(Debug)]
pub struct LoopbackServer {
    address: SocketAddr,
    requests: Arc<AtomicUsize>,
}

impl LoopbackServer {
    /// Starts it on a free port.
    ///
    /// # Panics
    /// There is none.
    #[must_use]
    pub fn start(text: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("a listener has an address");
        let requests = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&requests);
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                counter.fetch_add(1, Ordering::Relaxed);
                // A client that goes away is no failure of the server.
                let _gone = answer(connection, text);
            }
        });
        Self { address, requests }
    }

    /// Scheme and authority.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many requests have come.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

fn answer(connection: TcpStream, text: &str) -> std::io::Result<()> {
    let mut reader = BufReader::new(&connection);
    let mut line = String::new();
    while reader.read_line(&mut line)? > 0 && line.trim_end() != "" {
        line.clear();
    }
    let length = text.len();
    write!(&connection, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{text}")
}
