//! What an investigation tells the audit stream: no secret of a question, and that a model without money was not asked.

use agents::{Investigator, Voice};
use bench::scenario::{Family, generate};
use schemas::audit::Decision;
use schemas::state::{Investigation, ProductState};
use schemas::time::EventTime;
use sinks::cache::Cache;
use sinks::state::{Database, Place, serve};
use tests::prove::asked::model::Played;
use tests::prove::asked::{question, seen};

const SECRET: &str = "AKIAIOSFODNN7EXAMPLE";

#[test]
fn a_question_is_redacted_and_a_model_without_money_is_denied() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let engine = seen(&generate(Family::BadConfig, 7)).await.unwrap();
        let database = Database::open(&Place::Memory, i64::MAX).await.unwrap();
        let (requests, waiting) = tokio::sync::mpsc::channel(8);
        tokio::task::spawn_local(serve(database, Cache::local(0), waiting));
        let played = Played::start().await.unwrap();
        let poor = Investigator::new(engine.reader())
            .with_state(ProductState::new(requests))
            .with_voice(Voice::new(played.client().unwrap(), 0));
        let asked = question(&format!("why does checkout fail with {SECRET}?"));
        let found = poor.investigate(&asked, None).await.unwrap();
        assert!(played.read().is_empty(), "it was asked without money");
        let told = serde_json::to_string(&found.decisions).unwrap();
        assert!(!told.contains(SECRET) && told.contains("[redacted:"), "{told}");
        assert_eq!(found.question.query, asked.query, "had again, it must be the same question");
        let denied: Vec<_> =
            found.decisions.iter().filter(|record| record.decision == Decision::Denied).collect();
        assert_eq!(denied.len(), 1, "{told}");
        assert_eq!(
            (&denied[0].detail["what"], &denied[0].detail["code"]),
            (&"model".into(), &"spent".into())
        );
        let (answer, recording) = (found.answer, found.recording);
        assert_eq!(answer.missing.iter().filter(|missing| missing.source == "model").count(), 1);
        let then = Investigation { asked_at: EventTime(0), question: asked, answer, recording };
        assert_eq!(poor.again(&then).await.unwrap().differences, Vec::<String>::new());
        engine.shutdown().unwrap();
    });
}
