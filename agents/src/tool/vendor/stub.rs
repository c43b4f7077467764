//! A server for tests: gives prepared answers in order, the last one for ever, and keeps what was asked.

use std::sync::Mutex;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::tool::endpoint::{Egress, Endpoint, RESPONSE_BYTES};
use crate::tool::{Call, Tool, ToolError};

/// What was asked: the first line without its end, and the body.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) line: String,
    pub(super) body: String,
}

/// One prepared answer.
pub(super) struct Answer {
    status: u16,
    headers: &'static str,
    body: String,
}

/// An answer with a status and a body.
pub(super) fn answer(status: u16, body: impl ToString) -> Answer {
    Answer { status, headers: "", body: body.to_string() }
}

/// Asks the tool of a name, made for a stub that gives these answers.
pub(super) async fn ask(
    make: impl FnOnce(Endpoint) -> Vec<Box<dyn Tool>>,
    name: &str,
    arguments: Value,
    answers: Vec<Answer>,
) -> (Result<Value, ToolError>, Vec<Asked>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/base", listener.local_addr().unwrap());
    let egress = Egress { allow_private: true, response_bytes: RESPONSE_BYTES };
    let tools = make(Endpoint::new(&base, &[], &egress).unwrap());
    let tool = tools.iter().find(|tool| tool.metadata().name == name).expect("a tool of that name");
    let schema = jsonschema::validator_for(&tool.metadata().parameters).unwrap();
    assert!(schema.is_valid(&arguments), "{arguments} is not valid for {name}");
    let asked = Mutex::new(Vec::new());
    let call = Call { tenant: "acme".parse().unwrap(), arguments };
    let result = tokio::select! {
        result = tool.execute(call) => result,
        () = serve(listener, answers, &asked) => unreachable!("the stub serves for ever"),
    };
    (result.map(|output| output.content), asked.into_inner().unwrap())
}

/// What a tool says of every failure of the system that it asks.
pub(super) async fn failures(make: impl Fn(Endpoint) -> Vec<Box<dyn Tool>>, name: &str, arguments: Value) {
    let limited = Answer { status: 429, headers: "retry-after: 7\r\n", body: "slow down".to_owned() };
    let cases = [
        (answer(401, "{}"), "denied"),
        (answer(403, "{}"), "denied"),
        (limited, "limited"),
        (answer(500, "oops"), "unavailable"),
        (answer(200, "<html>"), "garbage"),
        (answer(200, "{\"a\":"), "garbage"),
        (answer(200, "null"), "garbage"),
        (answer(200, "17"), "garbage"),
        (answer(200, "x".repeat(RESPONSE_BYTES + 1)), "too_large"),
    ];
    let (result, _) = ask(&make, name, arguments.clone(), vec![answer(404, "{}")]).await;
    let missing = result.expect_err("what is not there");
    assert!(matches!(missing.code(), "arguments" | "garbage"), "{name}: {missing}");
    for (case, code) in cases {
        let (status, start) = (case.status, case.body.chars().take(9).collect::<String>());
        let (result, _) = ask(&make, name, arguments.clone(), vec![case]).await;
        let error = result.expect_err(&start);
        assert_eq!(error.code(), code, "{name}: {status} {start}: {error}");
        if let ToolError::Limited { after } = error {
            assert_eq!(after.map(|after| after.as_secs()), Some(7));
        }
    }
}

async fn serve(listener: TcpListener, answers: Vec<Answer>, asked: &Mutex<Vec<Asked>>) {
    let mut next = 0;
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let answer = &answers[next.min(answers.len() - 1)];
        next += 1;
        // A client that hangs up early is its own business.
        exchange(stream, answer, asked).await.unwrap_or_default();
    }
}

async fn exchange(stream: TcpStream, answer: &Answer, asked: &Mutex<Vec<Asked>>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let mut length = 0;
    loop {
        let mut header = String::new();
        stream.read_line(&mut header).await?;
        match header.trim_end().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse().unwrap();
            }
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    let line = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    asked.lock().unwrap().push(Asked { line, body: String::from_utf8(body).unwrap() });
    let head = format!(
        "HTTP/1.1 {} Stub\r\ncontent-type: application/json\r\n{}content-length: {}\r\nconnection: close\r\n\r\n",
        answer.status,
        answer.headers,
        answer.body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(answer.body.as_bytes()).await?;
    stream.flush().await
}
