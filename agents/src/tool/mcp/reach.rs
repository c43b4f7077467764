//! Two ways to reach a server: a program that is started, and an address.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rmcp::serve_client;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::common::client_side_sse::ExponentialBackoff;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use tokio::process::Command;

use super::bounded::Bounded;
use super::link::{Dial, Live, unconnected};
use crate::tool::ToolError;
use crate::tool::endpoint::Endpoint;
use crate::tool::secret::Secret;

/// By a program. It sees of our environment nothing, and ends with its connection.
pub(super) fn program(
    command: Vec<String>,
    environment: Vec<(String, Secret)>,
    bytes: usize,
) -> Result<Dial, String> {
    let Some((program, arguments)) = command.split_first().filter(|(program, _)| program.starts_with('/'))
    else {
        return Err("command: the whole path of a program, and its arguments".to_owned());
    };
    let (program, arguments) = (program.clone(), arguments.to_vec());
    Ok(Box::new(move || {
        let mut command = Command::new(&program);
        command
            .args(&arguments)
            .env_clear()
            .envs(environment.iter().map(|(name, value)| (name, value.expose())))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        Box::pin(async move {
            let does_not =
                |what: String| ToolError::Unavailable(format!("the program does not start: {what}"));
            let mut child = command.spawn().map_err(|error| does_not(error.kind().to_string()))?;
            let (Some(stdout), Some(stdin)) = (child.stdout.take(), child.stdin.take()) else {
                return Err(does_not("it has no pipes".to_owned()));
            };
            let exceeded = Arc::new(AtomicBool::new(false));
            let reader = Bounded::new(stdout, bytes, Arc::clone(&exceeded));
            let service = serve_client((), (reader, stdin)).await;
            let service = service.map_err(|error| unconnected(&error, &exceeded, bytes))?;
            Ok(Live { service, exceeded, _process: Some(child) })
        })
    }))
}

/// By an address: the transport called streamable HTTP, over a client that reaches only what it may.
pub(super) fn address(endpoint: Endpoint, bytes: usize) -> Dial {
    Box::new(move || {
        let endpoint = endpoint.clone();
        Box::pin(async move {
            let mut retries = ExponentialBackoff::default();
            retries.max_times = Some(2);
            let mut config = StreamableHttpClientTransportConfig::with_uri(endpoint.base().as_str())
                .max_json_response_size(bytes)
                .max_sse_event_size(bytes)
                .max_error_response_size(0);
            config.retry_config = Arc::new(retries);
            let transport = StreamableHttpClientTransport::with_client(endpoint.client(), config);
            let exceeded = Arc::new(AtomicBool::new(false));
            let service = serve_client((), transport).await;
            let service = service.map_err(|error| unconnected(&error, &exceeded, bytes))?;
            Ok(Live { service, exceeded, _process: None })
        })
    })
}
