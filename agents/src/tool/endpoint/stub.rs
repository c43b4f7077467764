//! A server for tests: answers each request with bytes that a function gives, and keeps what it was asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A server on loopback. It ends with the test's runtime.
pub(crate) struct Stub {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Stub {
    /// Starts it; `answer` gets a whole request (head and body) and gives a whole response.
    pub(crate) async fn start(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stub = Stub { address: listener.local_addr().unwrap(), asked: Arc::default() };
        let (asked, answer) = (Arc::clone(&stub.asked), Arc::new(answer));
        let mut connections = tokio::task::JoinSet::new();
        let serve = async move {
            loop {
                let Ok((mut stream, _)) = listener.accept().await else { return };
                let (asked, answer) = (Arc::clone(&asked), Arc::clone(&answer));
                connections.spawn(async move {
                    let request = read(&mut stream).await;
                    if !request.is_empty() {
                        asked.lock().unwrap().push(request.clone());
                        let _ = stream.write_all(&answer(&request)).await;
                    }
                    let _ = stream.shutdown().await;
                });
            }
        };
        tokio::runtime::Handle::current().spawn(serve);
        stub
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Its port.
    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// What it was asked so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn read(stream: &mut tokio::net::TcpStream) -> String {
    let mut request = Vec::new();
    let mut chunk = [0; 4_096];
    loop {
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some(head) = text.find("\r\n\r\n") {
            let length = text.to_lowercase();
            let length = length.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |text| text.trim().parse().unwrap());
            if request.len() >= head + 4 + length {
                return text;
            }
        }
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return text,
            Ok(read) => request.extend_from_slice(&chunk[..read]),
        }
    }
}

/// A response with a JSON body.
pub(crate) fn json(body: &str) -> Vec<u8> {
    response("200 OK", "content-type: application/json\r\n", body)
}

/// A response.
pub(crate) fn response(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}")
        .into_bytes()
}
