//! The agents behind the functions that the API knows.

use std::sync::Arc;

use agents::Desk;
use agents::error::InvestigateError;
use axum::http::StatusCode;
use query_api::{Investigator, Problem};

/// A desk as the API knows it.
pub fn of(desk: Desk) -> Investigator {
    let again = desk.clone();
    Investigator {
        ask: Arc::new(move |question, steps| {
            let desk = desk.clone();
            Box::pin(async move { desk.ask(question, steps).await.map_err(problem) })
        }),
        again: Arc::new(move |then| {
            let desk = again.clone();
            Box::pin(async move { desk.again(&then).await.map_err(problem) })
        }),
        spawn: Arc::new(|work| {
            #[expect(clippy::disallowed_methods, reason = "tasks are spawned in this crate only")]
            drop(tokio::spawn(work));
        }),
    }
}

fn problem(error: InvestigateError) -> Problem {
    use InvestigateError as E;
    let detail = error.to_string();
    match error {
        E::Window(_) => Problem::unprocessable("window_invalid", detail).at("/time_window", "invalid"),
        E::UnknownService { .. } => {
            Problem::new(StatusCode::NOT_FOUND, "service_unknown", detail).at("/service", "unknown")
        }
        E::Busy(_) => Problem::new(StatusCode::TOO_MANY_REQUESTS, "investigations_under_way", detail),
        E::Read(read) => read.into(),
    }
}
