//! Who asks, and of whom. The single place: a token will decide here; today the request names its tenant.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use schemas::ids::TenantId;

use crate::problem::Problem;
use crate::state::Api;

/// The right to read one tenant's views. Only this module makes one.
#[derive(Clone, Debug)]
pub(crate) struct ReadAccess {
    tenant: TenantId,
}

impl ReadAccess {
    /// Whose views.
    pub(crate) fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// For a question that names its tenant in the body.
    pub(crate) fn to_tenant_of_question(tenant: &TenantId) -> Self {
        ReadAccess { tenant: tenant.clone() }
    }
}

/// The right to append to one tenant's topics, and to change its product state. Only this module makes one.
#[derive(Clone, Debug)]
pub(crate) struct WriteAccess {
    tenant: TenantId,
}

impl WriteAccess {
    /// Who may write may read.
    pub(crate) fn reading(&self) -> ReadAccess {
        ReadAccess { tenant: self.tenant.clone() }
    }

    /// Whose.
    pub(crate) fn tenant(&self) -> &TenantId {
        &self.tenant
    }
}

/// The right to switch for all tenants together. Only this module makes one: today whoever reaches the API has it.
#[derive(Clone, Debug)]
pub(crate) struct OperateAccess(());

impl FromRequestParts<Api> for OperateAccess {
    type Rejection = Problem;

    async fn from_request_parts(_: &mut Parts, _api: &Api) -> Result<Self, Problem> {
        Ok(OperateAccess(()))
    }
}

impl FromRequestParts<Api> for ReadAccess {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _api: &Api) -> Result<Self, Problem> {
        Ok(ReadAccess { tenant: named(parts)? })
    }
}

impl FromRequestParts<Api> for WriteAccess {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _api: &Api) -> Result<Self, Problem> {
        Ok(WriteAccess { tenant: named(parts)? })
    }
}

/// The tenant that a request names.
fn named(parts: &Parts) -> Result<TenantId, Problem> {
    let header = parts.headers.get("x-tenant-id").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let query = parts.uri.query().unwrap_or_default();
    let named = query.split('&').find_map(|pair| pair.strip_prefix("tenant_id=")).map(str::to_owned);
    let Some(text) = named.or(header) else {
        return Err(Problem::bad_request(
            "tenant_missing",
            "name a tenant: ?tenant_id=NAME or the header X-Tenant-Id",
        ));
    };
    text.parse().map_err(|error| Problem::bad_request("tenant_invalid", format!("{error}")))
}
