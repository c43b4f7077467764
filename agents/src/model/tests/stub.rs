//! A server that imitates a provider: it answers from a script, one item a request, and keeps what it was asked.

use std::cell::RefCell;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::model::client::{Client, Settings};
use crate::model::price::Price;
use crate::tool::endpoint::{Egress, Endpoint};

/// How one request is answered.
#[derive(Clone)]
pub(super) enum Reply {
    /// With a status, a header line and a body.
    Is(u16, &'static str, String),
    /// Never.
    Never,
}

/// The document of an answer whose message has this content.
pub(super) fn content(content: Value) -> Reply {
    let message = json!({ "role": "assistant", "content": content });
    chat(json!({ "index": 0, "finish_reason": "stop", "message": message }))
}

pub(super) fn chat(choice: Value) -> Reply {
    let usage = json!({ "prompt_tokens": 5_000, "completion_tokens": 100, "total_tokens": 5_100 });
    let body = json!({ "id": "c", "object": "chat.completion", "choices": [choice], "usage": usage });
    Reply::Is(200, "", body.to_string())
}

pub(super) fn status(status: u16) -> Reply {
    Reply::Is(status, "", "{\"error\": {\"message\": \"internal port 9\"}}".to_owned())
}

pub(super) struct Stub {
    listener: TcpListener,
    script: Vec<Reply>,
    pub(super) asked: RefCell<Vec<Value>>,
}

pub(super) const SETTINGS: fn() -> Settings = || Settings {
    model: "m".to_owned(),
    price: Price { input: 1_000_000, output: 2_000_000 },
    max_tokens: 1_000,
    seed: 7,
    reasoning: false,
};

impl Stub {
    /// The last item answers whatever comes after it.
    pub(super) async fn new(script: impl Into<Vec<Reply>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Stub { listener, script: script.into(), asked: RefCell::default() }
    }

    pub(super) fn client(&self) -> Client {
        let url = format!("http://{}/v1", self.listener.local_addr().unwrap());
        let egress = Egress { allow_private: true, response_bytes: 1 << 20 };
        Client::new(Endpoint::new(&url, &[], &egress).unwrap(), SETTINGS())
    }

    /// Does something with a client while answering.
    pub(super) async fn during<T>(&self, client: impl Future<Output = T>) -> T {
        tokio::select! {
            done = client => done,
            () = self.serve() => unreachable!("serves for ever"),
        }
    }

    async fn serve(&self) {
        let mut unanswered = Vec::new();
        loop {
            let (mut stream, _) = self.listener.accept().await.unwrap();
            let asked = read(&mut stream).await;
            let at = self.asked.borrow().len().min(self.script.len() - 1);
            self.asked.borrow_mut().push(asked);
            match self.script[at].clone() {
                Reply::Never => unanswered.push(stream),
                Reply::Is(status, header, body) => {
                    let length = body.len();
                    let head = format!(
                        "HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: {length}\r\n{header}\r\n"
                    );
                    // A client that has read enough hangs up.
                    let _ = stream.write_all(head.as_bytes()).await;
                    let _ = stream.write_all(body.as_bytes()).await;
                }
            }
        }
    }
}

/// The document of a request; its path goes with it.
async fn read(stream: &mut TcpStream) -> Value {
    let mut bytes = Vec::new();
    loop {
        assert!(0 < stream.read_buf(&mut bytes).await.unwrap(), "hung up");
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let head = head.to_lowercase();
        let length: usize =
            head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
        if length <= body.len() {
            let mut document: Value = serde_json::from_str(body).unwrap();
            document["path"] = json!(head.split(' ').nth(1));
            return document;
        }
    }
}
