//! The views as pages of rows.

use axum::Json;
use axum::extract::{Path, State};
use schemas::ids::IncidentId;
use schemas::read::{AsOf, Filter, Query};
use schemas::state::StateRequest;
use schemas::view::{Row, ViewName};
use serde::{Deserialize, Serialize};

use crate::access::ReadAccess;
use crate::problem::{Problem, ProblemDocument};
use crate::routes::parts;
use crate::state::Api;

/// Paging and narrowing, the same for every view.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Parameters {
    /// Whose views.
    #[allow(dead_code)] // Read by the access check, which comes first.
    tenant_id: Option<String>,
    /// Most rows, 1 to 500.
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Epoch; the latest complete one when absent.
    as_of: Option<u64>,
    /// Rows whose time ends at or after this instant.
    from: Option<String>,
    /// Rows whose time begins before this instant.
    to: Option<String>,
    /// Rows that name this entity, as `kind/namespace/name`.
    entity: Option<String>,
    /// Rows of this incident.
    incident_id: Option<String>,
}

/// One page.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Rows {
    /// When this was true.
    #[schema(value_type = Object)]
    as_of: AsOf,
    /// Rows in key order.
    #[schema(value_type = Vec<Object>)]
    rows: Vec<Row>,
    /// Pass as `cursor` for the next page; null at the end.
    next_cursor: Option<String>,
}

/// One incident. Rows are printed as they are: a tree of values first was most of the work of answering.
#[derive(Serialize)]
pub(crate) struct OneIncident {
    as_of: AsOf,
    incident: Row,
    chains: Vec<Row>,
    alert: Option<Row>,
    live: bool,
}

async fn page(
    api: &Api,
    access: &ReadAccess,
    view: ViewName,
    parameters: Parameters,
) -> Result<Json<Rows>, Problem> {
    let limit = parts::limit(parameters.limit)?;
    let filter = filter(&parameters)?;
    let query = Query {
        filter,
        as_of: parameters.as_of,
        after: parameters.cursor,
        limit,
        ..Query::all(access.tenant(), view)
    };
    let page = api.peek(access, query).await?;
    Ok(Json(Rows { as_of: page.as_of, rows: page.rows, next_cursor: page.next }))
}

fn filter(parameters: &Parameters) -> Result<Filter, Problem> {
    let (from, to) = parts::window(parameters.from.as_deref(), parameters.to.as_deref())?;
    let incident = parameters.incident_id.as_ref().map(|id| id.parse::<IncidentId>()).transpose();
    let incident = incident.map_err(|error| {
        Problem::unprocessable("incident_invalid", error.to_string()).at("incident_id", "not an id")
    })?;
    let entity = parameters.entity.as_ref().map(|text| entity(text)).transpose()?;
    Ok(Filter { entity, incident, from, to, ..Filter::default() })
}

fn entity(text: &str) -> Result<schemas::entity::Entity, Problem> {
    let bad = |detail: String| Problem::unprocessable("entity_invalid", detail).at("entity", "not an entity");
    let (kind, rest) = text
        .split_once('/')
        .ok_or_else(|| bad(format!("{text:?} is not kind/namespace/name or kind/name")))?;
    let (namespace, name) = rest.split_once('/').unwrap_or(("", rest));
    Ok(schemas::entity::Entity::namespaced(kind.parse().map_err(bad)?, namespace, name))
}

/// One incident with its chains and its alert; as it last was, without them, when the views have forgotten it.
#[utoipa::path(get, path = "/api/v1/incidents/{id}", params(("id" = String, Path, description = "inc_…"), ("tenant_id" = String, Query, description = "whose views")),
    responses((status = 200, description = "incident, chains, alert; `live` is false when it is of the past"), (status = 404, body = ProblemDocument)))]
pub(crate) async fn incident(
    State(api): State<Api>,
    access: ReadAccess,
    Path(id): Path<String>,
) -> Result<Json<OneIncident>, Problem> {
    let incident: IncidentId = id.parse().map_err(|error: schemas::ids::IdError| {
        Problem::unprocessable("incident_invalid", error.to_string())
    })?;
    let of_incident = Filter { incident: Some(incident), ..Filter::default() };
    let all = |view| Query { filter: of_incident.clone(), ..Query::all(access.tenant(), view) };
    let found = api.peek(&access, all(ViewName::Incidents)).await?;
    let as_of = found.as_of;
    let Some(row) = found.rows.into_iter().next() else {
        let past = |tenant, reply| StateRequest::Incident(tenant, incident, reply);
        if let Some(past) = api.kept(&access, past).await? {
            let incident = past.incident.into();
            return Ok(Json(OneIncident { as_of, incident, chains: vec![], alert: None, live: false }));
        }
        let detail = format!("no incident {id}; GET /api/v1/incidents lists those there are");
        return Err(Problem::new(axum::http::StatusCode::NOT_FOUND, "incident_unknown", detail));
    };
    let at = |view| Query { as_of: Some(as_of.epoch), ..all(view) };
    let chains = api.peek(&access, at(ViewName::Chains)).await?.rows;
    let alert = api.peek(&access, at(ViewName::Alerts)).await?.rows.into_iter().next();
    Ok(Json(OneIncident { as_of, incident: row, chains, alert, live: true }))
}

macro_rules! view_route {
    ($(#[$doc:meta])* $name:ident, $path:literal, $view:expr) => {
        $(#[$doc])*
        #[utoipa::path(get, path = $path, params(Parameters),
            responses((status = 200, body = Rows), (status = 404, body = ProblemDocument), (status = 422, body = ProblemDocument)))]
        pub(crate) async fn $name(
            State(api): State<Api>,
            access: ReadAccess,
            parameters: Result<axum::extract::Query<Parameters>, axum::extract::rejection::QueryRejection>,
        ) -> Result<Json<Rows>, Problem> {
            let axum::extract::Query(parameters) =
                parameters.map_err(|error| Problem::bad_request("query_invalid", error.body_text()))?;
            page(&api, &access, $view, parameters).await
        }
    };
}

view_route!(
    /// Incidents with ranked root causes.
    incidents, "/api/v1/incidents", ViewName::Incidents
);
view_route!(
    /// Chains from root cause to symptom.
    chains, "/api/v1/chains", ViewName::Chains
);
view_route!(
    /// Anomaly candidates.
    anomalies, "/api/v1/anomalies", ViewName::Anomalies
);
view_route!(
    /// Alerts raised by the engine.
    alerts, "/api/v1/alerts", ViewName::Alerts
);
view_route!(
    /// Relations with valid time.
    topology, "/api/v1/topology", ViewName::Topology
);
view_route!(
    /// Refused records with reason and position.
    rejects, "/api/v1/rejects", ViewName::Rejects
);
view_route!(
    /// Runs of one kind on one entity.
    episodes, "/api/v1/episodes", ViewName::Episodes
);
view_route!(
    /// Episodes of class change: pushes, deployments, configuration.
    change_episodes, "/api/v1/change-episodes", ViewName::Changes
);
view_route!(
    /// Entities that any live fact names.
    entities, "/api/v1/entities", ViewName::Entities
);
view_route!(
    /// Accepted events.
    events, "/api/v1/events", ViewName::Events
);
view_route!(
    /// Proposed causes with rule and evidence.
    links, "/api/v1/links", ViewName::Links
);
view_route!(
    /// Counts per source.
    coverage, "/api/v1/coverage", ViewName::Coverage
);
