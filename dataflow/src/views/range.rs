//! Where in a view the rows lie that a query asks for, by their keys. Pure.

use std::ops::Bound;

use schemas::read::{Query, ReadError};
use schemas::view::RowKey;

/// Between which keys the rows lie that are asked for; `None` if there can be none.
pub(super) fn range(query: &Query) -> Result<Option<(Bound<RowKey>, Bound<RowKey>)>, ReadError> {
    let of = query.filter.incident.and_then(|incident| RowKey::of_incident(query.view, incident));
    let Some(text) = &query.after else {
        let all = (Bound::Unbounded, Bound::Unbounded);
        return Ok(Some(of.map_or(all, |(from, to)| (Bound::Included(from), Bound::Excluded(to)))));
    };
    let unknown = || ReadError::After { text: text.chars().take(80).collect(), view: query.view };
    let after = RowKey::parse(query.view, text).ok_or_else(unknown)?;
    Ok(match of {
        None => Some((Bound::Excluded(after), Bound::Unbounded)),
        Some((_, to)) if to <= after => None,
        Some((from, to)) if after < from => Some((Bound::Included(from), Bound::Excluded(to))),
        Some((_, to)) => Some((Bound::Excluded(after), Bound::Excluded(to))),
    })
}

#[cfg(test)]
mod tests {
    use std::ops::RangeBounds;

    use schemas::ids::IncidentId;
    use schemas::read::Filter;
    use schemas::view::ViewName;

    use super::*;

    #[test]
    fn rows_of_an_incident_are_looked_up_page_by_page() {
        let incident = IncidentId(7);
        let (text, ends) = (
            |end: &str| RowKey::Text(format!("{incident}{end}").into()),
            |after: Option<String>| {
                let filter = Filter { incident: Some(incident), ..Filter::default() };
                let tenant = "shop".parse().unwrap();
                range(&Query { filter, after, ..Query::all(&tenant, ViewName::Chains) }).unwrap()
            },
        );
        let within = |bounds: (Bound<RowKey>, Bound<RowKey>), key: &RowKey| bounds.contains(key);
        let (first, second) = (text(" 0001 a"), text(" 0002 b"));
        let all = ends(None).unwrap();
        assert!(within(all.clone(), &first) && within(all.clone(), &second));
        assert!(!within(all, &RowKey::Text(format!("{} 0001 a", IncidentId(8)).into())));
        let rest = ends(Some(format!("{incident} 0001 a"))).unwrap();
        assert!(!within(rest.clone(), &first) && within(rest, &second));
        assert!(ends(Some(format!("{} 0001 a", IncidentId(8)))).is_none(), "nothing of it comes after that");
        assert!(within(ends(Some(format!("{} 0001 a", IncidentId(6)))).unwrap(), &first));
    }
}
