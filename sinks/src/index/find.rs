//! Questions in the form of the embedded index, and what it finds.

use std::ops::Bound;

use schemas::search::query::{Clause, Test};
use schemas::search::{Hit, Search};
use schemas::time::{Epoch, EventTime};
use serde_json::Value;
use tantivy::collector::sort_key::{SortByStaticFastValue, SortByString};
use tantivy::collector::{DocSetCollector, TopDocs};
use tantivy::query::{AllQuery, BooleanQuery, Occur, PhraseQuery, Query, RangeQuery, RegexQuery, TermQuery};
use tantivy::schema::{IndexRecordOption, Value as _};
use tantivy::{DocAddress, Order, Searcher, TantivyDocument, TantivyError, Term};

use super::fields::Fields;
use crate::document::hit;

/// Hits of a page and one more, newest first, then by id.
pub(super) fn find(searcher: &Searcher, fields: &Fields, search: &Search) -> Result<Vec<Hit>, TantivyError> {
    let newest_first = (
        (SortByStaticFastValue::<i64>::for_field("at"), Order::Desc),
        (SortByString::for_field("id"), Order::Asc),
    );
    let top = TopDocs::with_limit(search.limit + 1).order_by(newest_first);
    let found = searcher.search(&query(fields, search)?, &top)?;
    found
        .into_iter()
        .map(|(_, address)| hit(&source(searcher, fields, address)?).ok_or_else(foreign))
        .collect()
}

/// Documents that are live as of an earlier epoch.
pub(super) fn live_before(
    searcher: &Searcher,
    fields: &Fields,
    epoch: Epoch,
) -> Result<Vec<Value>, TantivyError> {
    let live = exactly(fields, schemas::search::query::FieldName::Live, "true");
    let before = Term::from_field_u64(fields.epoch, epoch);
    let earlier: Box<dyn Query> = Box::new(RangeQuery::new(Bound::Unbounded, Bound::Excluded(before)));
    let both = BooleanQuery::intersection(vec![live, earlier]);
    let found = searcher.search(&both, &DocSetCollector)?;
    found.into_iter().map(|address| source(searcher, fields, address)).collect()
}

/// Documents that ended before an instant.
pub(super) fn ended_before(fields: &Fields, before: EventTime) -> Box<dyn Query> {
    let before = Term::from_field_i64(fields.until, before.0);
    Box::new(RangeQuery::new(Bound::Unbounded, Bound::Excluded(before)))
}

fn source(searcher: &Searcher, fields: &Fields, address: DocAddress) -> Result<Value, TantivyError> {
    let document: TantivyDocument = searcher.doc(address)?;
    let text = document.get_first(fields.source).and_then(|value| value.as_str());
    text.and_then(|text| serde_json::from_str(text).ok()).ok_or_else(foreign)
}

fn foreign() -> TantivyError {
    TantivyError::InternalError("a document is not one of ours".to_owned())
}

fn query(fields: &Fields, search: &Search) -> Result<BooleanQuery, TantivyError> {
    let tenant = Term::from_field_text(fields.tenant, search.tenant.as_str());
    let mut parts: Vec<(Occur, Box<dyn Query>)> = vec![(Occur::Must, term(tenant))];
    let mut must = |query: Box<dyn Query>| parts.push((Occur::Must, query));
    if let Some(from) = search.from {
        let from = Term::from_field_i64(fields.until, from.0);
        must(Box::new(RangeQuery::new(Bound::Included(from), Bound::Unbounded)));
    }
    if let Some(to) = search.to {
        let to = Term::from_field_i64(fields.at, to.0);
        must(Box::new(RangeQuery::new(Bound::Unbounded, Bound::Excluded(to))));
    }
    if let Some(after) = &search.after {
        let at = Term::from_field_i64(fields.at, after.at.0);
        let older: Box<dyn Query> = Box::new(RangeQuery::new(Bound::Unbounded, Bound::Excluded(at.clone())));
        let id = fields.id_term(&after.id);
        let behind: Box<dyn Query> = Box::new(RangeQuery::new(Bound::Excluded(id), Bound::Unbounded));
        let same = BooleanQuery::intersection(vec![term(at), behind]);
        must(Box::new(BooleanQuery::union(vec![older, Box::new(same)])));
    }
    for clause in &search.expression.clauses {
        parts.push(self::clause(fields, clause)?);
    }
    Ok(BooleanQuery::new(parts))
}

fn clause(fields: &Fields, clause: &Clause) -> Result<(Occur, Box<dyn Query>), TantivyError> {
    let mut tests = clause.tests.iter().map(|asked| test(fields, asked)).collect::<Result<Vec<_>, _>>()?;
    if clause.negated {
        // A phrase alone is asked by the library for documents that it has passed, which it does not survive; a union is
        // not (tantivy 0.27, `query/exclude.rs`).
        tests.extend(tests.iter().map(|query| query.box_clone()).collect::<Vec<_>>());
    }
    let any: Box<dyn Query> = Box::new(BooleanQuery::union(tests));
    Ok((if clause.negated { Occur::MustNot } else { Occur::Must }, any))
}

fn test(fields: &Fields, test: &Test) -> Result<Box<dyn Query>, TantivyError> {
    let word = |word: &String| Term::from_field_text(fields.text, word);
    Ok(match test {
        Test::Phrase(words) => match words.as_slice() {
            [] => Box::new(AllQuery),
            [one] => term(word(one)),
            several => Box::new(PhraseQuery::new(several.iter().map(word).collect())),
        },
        // Letters and digits stand for themselves in a pattern.
        Test::Prefix(begin) => Box::new(RegexQuery::from_pattern(&format!("{begin}.*"), fields.text)?),
        Test::Field(name, value) => exactly(fields, *name, value),
    })
}

fn exactly(fields: &Fields, name: schemas::search::query::FieldName, value: &str) -> Box<dyn Query> {
    let Some(field) = fields.exact.get(&name) else { panic!("every field has its place in the index") };
    term(Term::from_field_text(*field, value))
}

fn term(term: Term) -> Box<dyn Query> {
    Box::new(TermQuery::new(term, IndexRecordOption::Basic))
}
