//! Tests of calls that write, on behalf of an approval.

use super::*;

/// Two tools that could restart; `a.restart` answers as told.
fn writing(answers: &[Answer], calls_per_minute: u32) -> Box1 {
    let mut one = toolbox(answers, |metadata| {
        *metadata = Metadata { effect: Effect::Write, calls_per_minute, ..super::metadata("a.restart") };
    });
    let other = Told {
        metadata: Metadata { effect: Effect::Write, ..super::metadata("b.restart") },
        answers: Mutex::default(),
        asked: Arc::default(),
    };
    one.tools.add("b", None, vec![Box::new(other)]).unwrap();
    one
}

async fn act(one: &Box1, tool: &str) -> Option<Called> {
    one.tools.act(&tenant("one"), (tool, "restart"), json!({})).await
}

#[tokio::test(start_paused = true)]
async fn the_tool_that_was_approved_acts_and_no_other() {
    let one = writing(&[], 100);
    assert_eq!(act(&one, "b.restart").await.unwrap().tool, "b.restart");
    assert_eq!(one.asked(), 0);
    assert_eq!(act(&one, "a.restart").await.unwrap().status(), "ok");
    assert_eq!(one.asked(), 1);
    assert!(act(&one, "c.restart").await.is_none());
    assert!(one.tools.act(&tenant("one"), ("a.restart", "rollback"), json!({})).await.is_none());
    let reads = toolbox(&[], |metadata| *metadata = super::metadata("a.restart"));
    assert!(act(&reads, "a.restart").await.is_none(), "it does not write");
}

#[tokio::test(start_paused = true)]
async fn what_writes_is_called_once_and_under_the_limits_of_every_call() {
    let one = writing(&vec![away(); 5], 100);
    for _ in 0..5 {
        let called = act(&one, "a.restart").await.unwrap();
        assert_eq!((called.status(), called.attempts), ("unavailable", 1), "it is never repeated");
    }
    let called = act(&one, "a.restart").await.unwrap();
    assert_eq!((called.status(), called.attempts, one.asked()), ("unavailable", 0, 5), "the breaker is open");
    let few = writing(&[], 2);
    for expected in ["ok", "ok", "limited"] {
        assert_eq!(act(&few, "a.restart").await.unwrap().status(), expected);
    }
    let hung = writing(&[Answer::Never], 100);
    assert_eq!(act(&hung, "a.restart").await.unwrap().status(), "timed_out");
    few.tools.disable(None, What::Tools);
    assert_eq!(act(&few, "a.restart").await.unwrap().status(), "denied");
}
