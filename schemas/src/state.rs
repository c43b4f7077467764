//! Product state: what the product itself keeps beside the views, and how it is asked for.
//!
//! `sinks` keeps it; the API asks through one [`ProductState`], a channel of [`StateRequest`]s, as it asks the engine
//! through a reader. There is no request without a tenant.

mod approval;
mod budget;
mod case;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use crate::answer::{Answer, AnswerStatus, Question};
use crate::audit::AuditRecord;
use crate::ids::{IncidentId, TenantId};
use crate::time::{Epoch, EventTime};
use crate::view::IncidentRow;

pub use approval::{Approval, Used};
pub use budget::{Reservation, Reserved, Spending};
pub use case::{Case, LESSON_BYTES_MAX, Lesson, Likeness};

/// Cases of a tenant that are compared with an incident.
pub const CASES_MAX: usize = 1_000;
/// Longest name of a service, `namespace/name` included, in bytes.
pub const SERVICE_BYTES_MAX: usize = 320;
/// Longest name or address of a repository, in bytes.
pub const REPOSITORY_BYTES_MAX: usize = 512;

/// An investigation as it was answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Investigation {
    /// When it was asked first.
    #[schema(value_type = String, format = DateTime)]
    pub asked_at: EventTime,
    /// The question.
    pub question: Question,
    /// The answer.
    pub answer: Answer,
    /// What else it rests on, beside the views and the recorded tool calls.
    pub recording: Recording,
}

/// What an investigation rests on beside the views and its tool calls: enough to have it again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Recording {
    /// Cases that were looked at.
    pub cases: Vec<Case>,
    /// Repositories that were looked up.
    pub repositories: Vec<Repository>,
    /// What a model said.
    #[schema(value_type = Vec<Object>)]
    pub completions: Vec<Value>,
    /// What the model cost, in millionths of a dollar.
    pub usd_micros: u64,
    /// Why the model did not help, the first time it did not.
    pub silent: Option<String>,
    /// Why the model was not to be asked, as a stable code such as `spent`.
    #[serde(default)]
    pub denied: Option<String>,
    /// What the views held of it, packed by who answered, and kept beside this document; absent when it was too much.
    #[serde(skip)]
    #[schema(ignore)]
    pub views: Option<String>,
    /// How alike cases are, by vectors of a model; nothing without one.
    #[serde(default)]
    pub likeness: Option<Likeness>,
}

/// An investigation that was just answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Investigated {
    /// The question.
    pub question: Question,
    /// The answer.
    pub answer: Answer,
    /// What else it rests on.
    pub recording: Recording,
    /// What was decided, free of secrets, for the audit stream.
    pub decisions: Vec<AuditRecord>,
}

/// An investigation in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Asked {
    /// Its id.
    pub investigation_id: String,
    /// When it was asked first.
    #[schema(value_type = String, format = DateTime)]
    pub asked_at: EventTime,
    /// Text of the question.
    pub query: String,
    /// How it ended.
    pub status: AnswerStatus,
    /// One sentence.
    pub summary: String,
}

/// Where the code of a service is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Repository {
    /// Service or workload, `name` or `namespace/name`.
    #[schema(example = "shop/checkout")]
    pub service: String,
    /// Name or address, such as `acme/checkout`.
    #[schema(example = "acme/checkout")]
    pub repository: String,
}

/// Why a text cannot be part of a [`Repository`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{part} is {text:?}; use 1 to {max} bytes without spaces or control characters")]
pub struct RepositoryError {
    /// Which part.
    pub part: &'static str,
    text: String,
    max: usize,
}

impl Repository {
    /// Checks both names.
    pub fn new(service: &str, repository: &str) -> Result<Self, RepositoryError> {
        let checked = |part: &'static str, text: &str, max: usize| {
            let plain = !text.chars().any(|c| c.is_whitespace() || c.is_control());
            if !text.is_empty() && text.len() <= max && plain {
                Ok(text.to_owned())
            } else {
                Err(RepositoryError { part, text: text.chars().take(80).collect(), max })
            }
        };
        Ok(Repository {
            service: checked("service", service, SERVICE_BYTES_MAX)?,
            repository: checked("repository", repository, REPOSITORY_BYTES_MAX)?,
        })
    }
}

/// An incident as it last was, also when the views have forgotten it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct PastIncident {
    /// Its last revision.
    #[schema(value_type = Object)]
    pub incident: IncidentRow,
    /// Epoch of that revision.
    pub epoch: Epoch,
    /// Whether the views have it still.
    pub live: bool,
}

/// Which part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// `next` of the part before.
    pub after: Option<String>,
    /// Most entries.
    pub limit: usize,
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed<T> {
    /// Entries, in the order of the list.
    pub entries: Vec<T>,
    /// Pass as `after` for what follows; `None` at the end.
    pub next: Option<String>,
}

/// Whether one more investigation may be asked, and how many after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admission {
    /// So many within the window.
    pub limit: u32,
    /// The window.
    pub window_s: u64,
    /// So many may follow at once.
    pub remaining: u32,
    /// Refused; it may be asked again after so many milliseconds. `None`: admitted.
    pub refused_for_ms: Option<u64>,
}

/// Why product state was not read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// The database is away or busy: the same may succeed later.
    #[error("{0}")]
    Away(String),
    /// A person has to mend something: credentials, rights, a version, a file.
    #[error("{0}")]
    Broken(String),
    /// A part of a list was asked for that none was before.
    #[error("the cursor {0:?} is not one of ours; pass `next_cursor` of the page before")]
    Cursor(String),
}

/// Where an answer goes.
pub type Reply<T> = oneshot::Sender<Result<T, StateError>>;

/// A request, with the channel for its answer.
#[derive(Debug)]
pub enum StateRequest {
    /// Keeps an investigation; one that is kept already stays as it is.
    Keep(Box<Investigated>, Reply<()>),
    /// One investigation.
    Investigation(TenantId, String, Reply<Option<Investigation>>),
    /// Investigations, latest first.
    Investigations(TenantId, Part, Reply<Listed<Asked>>),
    /// Says where the code of a service is.
    Map(TenantId, Repository, Reply<()>),
    /// Forgets it; tells whether it was known.
    Unmap(TenantId, String, Reply<bool>),
    /// Where the code of a service is.
    Repository(TenantId, String, Reply<Option<Repository>>),
    /// The whole map, by service.
    Repositories(TenantId, Part, Reply<Listed<Repository>>),
    /// One incident.
    Incident(TenantId, IncidentId, Reply<Option<PastIncident>>),
    /// Incidents, latest first.
    Incidents(TenantId, Part, Reply<Listed<PastIncident>>),
    /// Keeps a case as the incident now is; what people added to it stays.
    Learn(TenantId, Box<Case>, Reply<()>),
    /// Cases, latest first, at most [`CASES_MAX`].
    Cases(TenantId, Reply<Vec<Case>>),
    /// Says what people know of a case, in place of a certain lesson if one is named; tells whether there was such a case.
    Teach(TenantId, IncidentId, Box<(Lesson, Option<Lesson>)>, Reply<bool>),
    /// Keeps a record under the next number of its name, unless the last one of that name decided the same, or it ends what
    /// never began; tells whether it was kept.
    Signal(TenantId, Box<AuditRecord>, Reply<bool>),
    /// Keeps a record under its own name, unless there is one.
    Note(TenantId, Box<AuditRecord>, Reply<()>),
    /// Sets money aside, if the limit of the day, in millionths of a dollar, allows it.
    Reserve(TenantId, Box<Reservation>, u64, Reply<Reserved>),
    /// What was set aside under this name came to so much.
    Settle(TenantId, String, u64, Reply<()>),
    /// What was spent.
    Spending(TenantId, Reply<Spending>),
    /// Keeps an approval.
    Approve(TenantId, Box<Approval>, Reply<()>),
    /// Uses an approval, at most once.
    Use(TenantId, String, Reply<Used>),
    /// Counts an investigation; nothing when they are not limited.
    Admit(TenantId, Reply<Option<Admission>>),
    /// What a session left under a key, unless that was too long ago.
    Recall(TenantId, String, Reply<Option<Vec<u8>>>),
    /// Leaves something under a key for a while.
    Remember(TenantId, String, Vec<u8>, Reply<()>),
}

/// The handle through which product state is reached. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ProductState {
    requests: mpsc::Sender<StateRequest>,
}

impl ProductState {
    /// A handle whose requests arrive at `requests`.
    pub fn new(requests: mpsc::Sender<StateRequest>) -> Self {
        ProductState { requests }
    }

    /// Sends a request whose answer nobody waits for, unless too many wait already.
    pub fn tell<T>(&self, request: impl FnOnce(Reply<T>) -> StateRequest) {
        let (reply, _nobody) = oneshot::channel();
        let _left_out = self.requests.try_send(request(reply));
    }

    /// Sends a request, and waits for its answer.
    pub async fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> StateRequest) -> Result<T, StateError> {
        let stopped = || StateError::Away("the product state has stopped".to_owned());
        let (reply, answer) = oneshot::channel();
        self.requests.send(request(reply)).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_cannot_be_meant_is_refused_with_its_part() {
        assert!(Repository::new("shop/checkout", "https://github.com/acme/checkout").is_ok());
        for (service, repository, part) in [
            ("", "acme/checkout", "service"),
            ("check out", "acme/checkout", "service"),
            ("checkout", "acme\u{0}", "repository"),
            ("checkout", &"a".repeat(REPOSITORY_BYTES_MAX + 1), "repository"),
        ] {
            assert_eq!(Repository::new(service, repository).unwrap_err().part, part);
        }
    }
}
