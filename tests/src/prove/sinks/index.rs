//! What stands in the embedded index, read from its folder.

use std::path::PathBuf;

use schemas::ids::TenantId;
use schemas::read::PAGE_ROWS_MAX;
use schemas::search::Search;
use schemas::time::Epoch;
use sinks::index::{self, Reader};

use super::stores::Kept;
use crate::prove::real::views::Texts;

/// Nothing is removed for its age.
const FOR_EVER_MS: i64 = 3_650 * 86_400_000;

/// A reader of the folder, beside the process that writes it.
pub(crate) struct Index {
    pub(crate) folder: PathBuf,
    pub(crate) tenants: Vec<TenantId>,
}

impl Index {
    fn open(&self) -> Result<index::Index, String> {
        let settings = index::Settings { path: self.folder.clone(), retention_ms: FOR_EVER_MS };
        index::Index::new(settings).map_err(|error| error.to_string())
    }

    /// The epoch that the index says it has.
    pub(crate) fn epoch(&self) -> Result<Epoch, String> {
        let progress = self.open()?.progress().map_err(|error| error.to_string())?;
        Ok(progress.map_or(0, |progress| progress.epoch))
    }

    /// Its live rows.
    pub(crate) fn kept(&self) -> Result<Kept, String> {
        let (epoch, reader) = (self.epoch()?, self.open()?.reader());
        let mut rows = Texts::new();
        for tenant in &self.tenants {
            of_tenant(&reader, tenant, &mut rows)?;
        }
        Ok(Kept { epoch, rows })
    }
}

fn of_tenant(reader: &Reader, tenant: &TenantId, rows: &mut Texts) -> Result<(), String> {
    let expression = "live:true".parse().map_err(|error| format!("{error}"))?;
    let mut search = Search {
        tenant: tenant.clone(),
        expression,
        from: None,
        to: None,
        after: None,
        limit: PAGE_ROWS_MAX,
    };
    loop {
        let page = reader.search(&search).map_err(|error| error.to_string())?;
        for hit in page.hits {
            let place = (tenant.clone(), hit.view);
            if !rows.entry(place).or_default().insert(hit.row.to_string()) {
                return Err(format!("a row stands twice: {}", hit.row));
            }
        }
        search.after = page.next;
        if search.after.is_none() {
            return Ok(());
        }
    }
}
