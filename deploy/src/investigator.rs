//! The agents behind the functions that the API knows.

use std::sync::Arc;

use agents::Desk;
use agents::error::{ActError, InvestigateError};
use agents::redact;
use axum::http::StatusCode;
use query_api::{Investigator, Problem};

/// A desk as the API knows it.
pub fn of(desk: Desk) -> Investigator {
    let (again, acting, listing) = (desk.clone(), desk.clone(), desk.clone());
    let (switching, telling) = (desk.clone(), desk.clone());
    let usd_micros_per_day = desk.usd_micros_per_day();
    Investigator {
        ask: Arc::new(move |question, steps| {
            let desk = desk.clone();
            Box::pin(async move { desk.ask(question, steps).await.map_err(problem) })
        }),
        again: Arc::new(move |then| {
            let desk = again.clone();
            Box::pin(async move { desk.again(&then).await.map_err(problem) })
        }),
        act: Arc::new(move |tenant, approval| {
            let desk = acting.clone();
            Box::pin(async move { desk.act(&tenant, &approval).await.map_err(not_done) })
        }),
        tools: Arc::new(move |tenant| listing.tools(tenant)),
        switch: Arc::new(move |tenant, what, enabled| switching.switch(tenant, what, enabled)),
        switched_off: Arc::new(move |tenant| telling.switched_off(tenant)),
        usd_micros_per_day,
        spawn: Arc::new(|work| {
            #[expect(clippy::disallowed_methods, reason = "tasks are spawned in this crate only")]
            drop(tokio::spawn(work));
        }),
    }
}

fn not_done(error: ActError) -> Problem {
    // It is kept, and may hold what a system outside has said.
    let detail = redact::text(&error.to_string());
    match error {
        ActError::Other => Problem::new(StatusCode::CONFLICT, "approval_differs", detail),
        ActError::NoTool(_) => Problem::new(StatusCode::CONFLICT, "action_has_no_tool", detail),
        ActError::Refused(..) => Problem::new(StatusCode::CONFLICT, "action_refused", detail),
        ActError::Failed(..) => Problem::new(StatusCode::BAD_GATEWAY, "action_failed", detail),
    }
}

fn problem(error: InvestigateError) -> Problem {
    use InvestigateError as E;
    let detail = error.to_string();
    match error {
        E::Window(_) => Problem::unprocessable("window_invalid", detail).at("/time_window", "invalid"),
        E::Ids(_) => Problem::unprocessable("ids_too_many", detail).at("/correlation_ids", "too many"),
        E::UnknownService { .. } => {
            Problem::new(StatusCode::NOT_FOUND, "service_unknown", detail).at("/service", "unknown")
        }
        E::Busy(_) => Problem::new(StatusCode::TOO_MANY_REQUESTS, "investigations_under_way", detail),
        E::Read(read) => read.into(),
    }
}
