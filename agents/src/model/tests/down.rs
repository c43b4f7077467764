//! Tests of a model that is down: what it may cost in time, and that it is left alone.

use schemas::answer::Plan;
use schemas::ids::TenantId;

use super::stub::{Reply, Stub, status};
use super::*;
use crate::model::purse::Asking;
use crate::model::voice::{Spoken, Voice};
use crate::plan::roster::Roster;
use crate::tool::registry::{Switch, What};

/// Well below the eight seconds that a model is waited for, so that a busy machine is not taken for a model that was.
const SOON: Duration = Duration::from_secs(6);

fn plan() -> Plan {
    Plan {
        agents_selected: vec!["graph".to_owned()],
        reasoning: "cause".to_owned(),
        decided_by: "rules".to_owned(),
        routes: Vec::new(),
        ambiguity_milli: 1_000,
        prompt: None,
    }
}

/// What comes of so many questions of one investigation, how long they take, and how often something was asked.
async fn investigation(
    stub: &Stub,
    voice: &Voice,
    left: Duration,
    questions: usize,
) -> (Spoken, Duration, usize) {
    switched(&Switch::default(), stub, voice, left, questions).await
}

async fn switched(
    switch: &Switch,
    stub: &Stub,
    voice: &Voice,
    left: Duration,
    questions: usize,
) -> (Spoken, Duration, usize) {
    let (tenant, roster): (TenantId, _) = ("shop".parse().unwrap(), Roster::built_in());
    let started = Instant::now();
    let ends = started + left;
    let asking = Asking { tenant: &tenant, purpose: "inc_1".to_owned(), state: None, ends, switch };
    let mut spoken = Spoken::default();
    for number in 0..questions {
        let question = format!("why, {number}?");
        let planned = stub.during(voice.plan(&asking, (&question, &roster), plan(), &mut spoken)).await;
        assert_eq!(planned, plan(), "without an answer the rules decide");
    }
    (spoken, started.elapsed(), stub.asked.take().len())
}

#[tokio::test]
async fn a_model_that_hangs_gets_what_is_left_and_is_asked_once_an_investigation() {
    let stub = Stub::new([Reply::Never]).await;
    let voice = Voice::new(Model::Live(stub.client()), 1_000_000);
    let none = investigation(&stub, &voice, Duration::from_millis(1_900), 3).await;
    assert_eq!((none.0.silent.as_deref(), none.2), (Some("no answer in time"), 0), "too little is left");
    let (spoken, took, asked) = investigation(&stub, &voice, Duration::from_millis(2_500), 3).await;
    assert_eq!((spoken.silent.as_deref(), asked), (Some("no answer in time"), 1));
    assert!((Duration::from_millis(2_400)..SOON).contains(&took), "{took:?}");
    // It has failed: from now on it costs at most two seconds.
    let (_, took, asked) = investigation(&stub, &voice, Duration::from_secs(20), 3).await;
    assert!(took < SOON && asked == 1, "{took:?} {asked}");
    let (_, _, asked) = investigation(&stub, &voice, Duration::from_secs(20), 3).await;
    assert_eq!(asked, 1);
    let (spoken, took, asked) = investigation(&stub, &voice, Duration::from_secs(20), 3).await;
    assert!(took < SOON && asked == 0, "{took:?} {asked}");
    let why = spoken.silent.unwrap();
    assert!(why.starts_with("unavailable: it failed several times; again after"), "{why}");
    assert_eq!(spoken.usd_micros, 0);
}

#[tokio::test]
async fn a_model_that_fails_is_left_alone_after_three_times_until_one_question_finds_out() {
    for refusal in [status(401), status(429), status(500), Reply::Is(200, "", "<html>".to_owned())] {
        let stub = Stub::new([refusal]).await;
        let voice = Voice::new(Model::Live(stub.client()), 1_000_000);
        for _ in 0..3 {
            let (_, took, asked) = investigation(&stub, &voice, Duration::from_secs(20), 1).await;
            assert!(took < SOON && 0 < asked, "{took:?}");
        }
        assert_eq!(investigation(&stub, &voice, Duration::from_secs(20), 2).await.2, 0);
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(31)).await;
        tokio::time::resume();
        assert!(0 < investigation(&stub, &voice, Duration::from_secs(20), 1).await.2, "nobody finds out");
        assert_eq!(investigation(&stub, &voice, Duration::from_secs(20), 2).await.2, 0, "one finds out");
    }
}

#[tokio::test]
async fn a_model_that_is_back_is_asked_again() {
    let stub = Stub::new([status(401), status(401), status(401), super::good()]).await;
    let model = Model::Live(stub.client());
    let ask = async || stub.during(model.plan(&facts(), WITHIN)).await;
    for _ in 0..3 {
        assert_eq!(ask().await.unwrap_err().why.code(), "denied");
    }
    assert_eq!(ask().await.unwrap_err().why.code(), "unavailable");
    assert_eq!(stub.asked.borrow().len(), 3, "it was asked all the same");
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(31)).await;
    tokio::time::resume();
    for _ in 0..2 {
        assert_eq!(ask().await.unwrap().value.agents, ["logs"]);
    }
}

#[tokio::test]
async fn a_model_that_is_switched_off_is_not_asked_and_what_is_under_way_ends() {
    let tenant: TenantId = "shop".parse().unwrap();
    for (who, off) in [(None, true), (Some("shop"), true), (Some("other"), false)] {
        let stub = Stub::new([Reply::Never]).await;
        let voice = Voice::new(Model::Live(stub.client()), 1_000_000);
        let switch = Switch::default();
        let under_way = switched(&switch, &stub, &voice, Duration::from_secs(9), 1);
        let switching = async {
            // The question is on its way once the other side has it.
            while stub.asked.borrow().is_empty() {
                tokio::task::yield_now().await;
            }
            switch.disable(who.map(|who| who.parse().unwrap()), What::Model);
        };
        let ((spoken, took, asked), ()) = tokio::join!(under_way, switching);
        assert_eq!((took < SOON, asked), (off, 1), "{who:?} {took:?}");
        assert_eq!(spoken.denied.is_some(), off);
        assert!(0 < spoken.usd_micros, "it may be at work on it");
        assert_eq!(switch.is_off(&tenant, &What::Model), off);
        let (spoken, _, asked) = switched(&switch, &stub, &voice, Duration::from_secs(9), 1).await;
        assert_eq!((spoken.silent.as_deref() == Some("models are off"), asked), (off, usize::from(!off)));
    }
}
