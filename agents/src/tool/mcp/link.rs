//! The link to one server: made when it is needed, and made anew after it broke or a call on it was given up.
//!
//! A call that gets no answer costs itself only. Others that are under way keep the connection they began on; whoever
//! comes next gets a new one.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use rmcp::RoleClient;
use rmcp::model::{CallToolRequestParams, CallToolResult, ErrorCode, PaginatedRequestParams, Tool};
use rmcp::service::{ClientInitializeError, RunningService, ServiceError};
use rmcp::transport::streamable_http_client::StreamableHttpError;
use serde_json::{Map, Value};

use crate::tool::{ToolError, egress};

/// A server introduces itself, and lists its tools, within so long each.
const INTRODUCTION: Duration = Duration::from_secs(20);
/// Pages of the list of tools.
const PAGES: usize = 20;

/// Makes a connection.
pub(super) type Dial = Box<dyn Fn() -> BoxFuture<'static, Result<Live, ToolError>> + Send + Sync>;

/// One connection. The program behind it, if it is one, ends with it.
pub(super) struct Live {
    pub(super) service: RunningService<RoleClient, ()>,
    /// Whether it said more at once than is read.
    pub(super) exceeded: Arc<AtomicBool>,
    pub(super) _process: Option<tokio::process::Child>,
}

/// The link to one server.
pub(super) struct Link {
    dial: Dial,
    bytes: usize,
    live: Mutex<Option<Arc<Live>>>,
    /// The connection that is being made, by one at a time. Whoever gives up leaves it to the next one: a program may
    /// take longer to start than a call may take.
    dialing: tokio::sync::Mutex<Option<BoxFuture<'static, Result<Live, ToolError>>>>,
}

impl Link {
    /// A link that is not connected yet.
    pub(super) fn new(dial: Dial, bytes: usize) -> Self {
        Link { dial, bytes, live: Mutex::new(None), dialing: tokio::sync::Mutex::new(None) }
    }

    /// The tools of the server among those that are wanted.
    pub(super) async fn offered(
        &self,
        wanted: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, Tool>, ToolError> {
        let live = self.connected().await?;
        let listing = async {
            let mut offered = BTreeMap::new();
            let mut cursor = None;
            for _ in 0..PAGES {
                let page = PaginatedRequestParams::default().with_cursor(cursor);
                let page =
                    live.service.list_tools(Some(page)).await.map_err(|error| self.failed(&error, &live))?;
                let tools = page.tools.into_iter().filter(|tool| wanted.contains(tool.name.as_ref()));
                offered.extend(tools.map(|tool| (tool.name.to_string(), tool)));
                cursor = page.next_cursor;
                if cursor.is_none() || offered.len() == wanted.len() {
                    break;
                }
            }
            Ok(offered)
        };
        tokio::time::timeout(INTRODUCTION, listing).await.unwrap_or(Err(ToolError::TimedOut(INTRODUCTION)))
    }

    /// Calls a tool of the server.
    pub(super) async fn call(
        &self,
        tool: &str,
        arguments: Map<String, Value>,
    ) -> Result<CallToolResult, ToolError> {
        let live = self.connected().await?;
        let mut given_up = GivenUp { link: self, live: &live, answered: false };
        let parameters = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
        let outcome = live.service.peer().call_tool(parameters).await;
        given_up.answered = matches!(outcome, Ok(_) | Err(ServiceError::McpError(_)));
        outcome.map_err(|error| self.failed(&error, &live))
    }

    async fn connected(&self) -> Result<Arc<Live>, ToolError> {
        let mut dialing = self.dialing.lock().await;
        if let Some(live) = self.lock().as_ref().filter(|live| !live.service.is_transport_closed()) {
            return Ok(Arc::clone(live));
        }
        let made = dialing.get_or_insert_with(|| {
            let dial = tokio::time::timeout(INTRODUCTION, (self.dial)());
            Box::pin(async move { dial.await.unwrap_or(Err(ToolError::TimedOut(INTRODUCTION))) })
        });
        let made = made.await;
        *dialing = None;
        let live = Arc::new(made?);
        *self.lock() = Some(Arc::clone(&live));
        Ok(live)
    }

    fn failed(&self, error: &ServiceError, live: &Live) -> ToolError {
        if live.exceeded.load(Ordering::SeqCst) {
            return ToolError::TooLarge(self.bytes);
        }
        match error {
            ServiceError::McpError(error) => match error.code {
                ErrorCode::INVALID_PARAMS | ErrorCode::INVALID_REQUEST => {
                    ToolError::Arguments("the server does not take them".to_owned())
                }
                ErrorCode::METHOD_NOT_FOUND => {
                    ToolError::Denied("the server has no such tool any more".to_owned())
                }
                _ => ToolError::Unavailable("the server says that it failed".to_owned()),
            },
            ServiceError::UnexpectedResponse => ToolError::Garbage("an answer to something else".to_owned()),
            other => caused(other),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Live>>> {
        // Nothing in here panics half way.
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call on its way. If it ends without an answer, its connection is not used for another one.
struct GivenUp<'a> {
    link: &'a Link,
    live: &'a Arc<Live>,
    answered: bool,
}

impl Drop for GivenUp<'_> {
    fn drop(&mut self) {
        let mut live = self.link.lock();
        if !self.answered && live.as_ref().is_some_and(|live| Arc::ptr_eq(live, self.live)) {
            *live = None;
        }
    }
}

/// Why there is no connection, in words of our own.
pub(super) fn unconnected(error: &ClientInitializeError, exceeded: &AtomicBool, bytes: usize) -> ToolError {
    match error {
        _ if exceeded.load(Ordering::SeqCst) => ToolError::TooLarge(bytes),
        ClientInitializeError::TransportError { error, .. } => caused(error.error.as_ref()),
        other => caused(other),
    }
}

/// What lies below an error of the protocol.
fn caused(error: &(dyn Error + 'static)) -> ToolError {
    let mut source = Some(error);
    while let Some(cause) = source {
        if let Some(refused) = cause.downcast_ref::<egress::Refused>() {
            return ToolError::Denied(refused.to_string());
        }
        match cause.downcast_ref::<StreamableHttpError<reqwest::Error>>() {
            Some(StreamableHttpError::ResponseBodyTooLarge { max_size }) => {
                return ToolError::TooLarge(*max_size);
            }
            Some(StreamableHttpError::AuthRequired(_) | StreamableHttpError::InsufficientScope(_)) => {
                return ToolError::Denied("the server wants other credentials".to_owned());
            }
            Some(
                StreamableHttpError::Deserialize(_)
                | StreamableHttpError::UnexpectedContentType(_)
                | StreamableHttpError::UnexpectedServerResponse(_),
            ) => {
                return ToolError::Garbage("not a message of the protocol".to_owned());
            }
            Some(StreamableHttpError::Client(error)) => source = Some(error),
            _ => source = cause.source(),
        }
    }
    ToolError::Unavailable("the connection to the server broke".to_owned())
}
