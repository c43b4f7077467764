//! Full-text search in OpenSearch: questions to requests, answers to hits. What is asked has the same answer in the
//! embedded index.

use schemas::search::query::{Clause, FieldName, Test};
use schemas::search::{Hit, Hits, Search, SearchError};
use serde_json::{Value, json};

use super::client::Client;
use super::translate::{self, Naming};
use super::{Settings, StoreError};
use crate::document::{VIEWS, hit};

/// Asks OpenSearch.
pub struct Reader {
    client: Client,
    naming: Naming,
}

impl Reader {
    /// Reads the settings; nothing is connected yet.
    pub fn new(settings: Settings) -> Result<Self, StoreError> {
        let Settings { url, credentials, prefix, shard, .. } = settings;
        Ok(Reader { client: Client::new(&url, credentials)?, naming: Naming { prefix, shard } })
    }

    /// Answers. Documents are seen up to a second after they were written.
    pub async fn search(&self, search: &Search) -> Result<Hits, SearchError> {
        let away = |error: StoreError| SearchError::Away(error.to_string());
        // Read before the documents: these are at least of that epoch, unless they are not seen yet.
        let progress = self.client.get(&self.naming.progress_path()).await.map_err(away)?;
        let epoch =
            progress.and_then(|found| translate::read_progress(&found)).map_or(0, |found| found.epoch);
        let found = self.client.search(&self.naming, request(search)).await.map_err(away)?;
        let found = found["hits"]["hits"].as_array().cloned().unwrap_or_default();
        let hits: Option<Vec<Hit>> = found.iter().map(|found| hit(&found["_source"])).collect();
        let foreign = || SearchError::Away("it holds a document that is not one of ours".to_owned());
        Ok(Hits::page(epoch, hits.ok_or_else(foreign)?, search.limit))
    }
}

/// The body of a search for a page and one more.
fn request(search: &Search) -> Value {
    let mut must = vec![json!({ "term": { "tenant_id": search.tenant } })];
    let mut must_not = Vec::new();
    if let Some(from) = search.from {
        must.push(json!({ "range": { "until": { "gte": from.0 } } }));
    }
    if let Some(to) = search.to {
        must.push(json!({ "range": { "at": { "lt": to.0 } } }));
    }
    for Clause { negated, tests } in &search.expression.clauses {
        let any: Vec<Value> = tests.iter().map(test).collect();
        let clause = json!({ "bool": { "should": any, "minimum_should_match": 1 } });
        if *negated { &mut must_not } else { &mut must }.push(clause);
    }
    let mut request = json!({
        "size": search.limit + 1,
        "track_total_hits": false,
        "sort": [{ "at": "desc" }, { "id": "asc" }],
        "query": { "bool": { "filter": must, "must_not": must_not } }
    });
    if let Some(after) = &search.after {
        request["search_after"] = json!([after.at.0, after.id]);
    }
    request
}

fn test(test: &Test) -> Value {
    match test {
        Test::Phrase(words) => json!({ "match_phrase": { "text": words.join(" ") } }),
        Test::Prefix(begin) => json!({ "prefix": { "text": begin } }),
        Test::Field(FieldName::Live, value) => match value.as_str() {
            "true" | "false" => json!({ "term": { "live": value == "true" } }),
            _ => json!({ "match_none": {} }),
        },
        Test::Field(field, value) => json!({ "term": { field.as_str(): value } }),
    }
}

impl Naming {
    /// All indexes of rows.
    pub(super) fn rows(&self) -> String {
        VIEWS.map(|view| self.pattern(view)).join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_becomes_filters_in_the_order_of_hits() {
        let search = Search {
            tenant: "shop".parse().unwrap(),
            expression: "\"connection refused\" -view:alerts live:true".parse().unwrap(),
            from: None,
            to: None,
            after: None,
            limit: 10,
        };
        let found = request(&search);
        assert_eq!((&found["size"], &found["sort"][0]["at"]), (&json!(11), &json!("desc")));
        let filter = &found["query"]["bool"]["filter"];
        assert_eq!(filter[0]["term"]["tenant_id"], "shop");
        assert_eq!(filter[1]["bool"]["should"][0]["match_phrase"]["text"], "connection refused");
        assert_eq!(filter[2]["bool"]["should"][0]["term"]["live"], true);
        let except = &found["query"]["bool"]["must_not"][0]["bool"]["should"][0];
        assert_eq!(except["term"]["view"], "alerts");
    }
}
