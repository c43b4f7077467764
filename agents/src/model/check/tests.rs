//! Tests of `check`.

use super::*;

const STATEMENTS: [&str; 2] = [
    "OOMKilled on pod:prod/checkout-7d9f at 2026-11-26T14:02:11.000Z after 12 restarts in 300 ms",
    "Deployment payments changed its image to registry.example/payments:v1.2.3 (5% of traffic)",
];

fn checked(text: &str) -> Result<(), Fault> {
    let names = ["checkout", "billing", "payments", "checkout-cache"].map(str::to_owned);
    sentence(text, &STATEMENTS, &names.into())
}

#[test]
fn what_keeps_to_its_statements_passes() {
    for text in [
        "The pod checkout-7d9f was OOMKilled at 14:02 after 12 restarts.",
        "At 14:02:11 UTC prod/checkout-7d9f ran out of memory. Twelve restarts followed within 300ms.",
        "Payments moved to v1.2.3 for 5 percent of traffic, and then CPU and memory rose.",
        "On 2026-11-26 the out-of-memory kill hit checkout-7d9f's container.",
        "300 milliseconds were enough.",
    ] {
        assert_eq!(checked(text), Ok(()), "{text}");
    }
}

#[test]
fn what_names_or_measures_something_else_is_dropped() {
    for text in [
        "The service billing failed.",
        "Billing failed.",
        "The pod checkout-7d9e was killed.",
        "The service checkout-cache was killed.",
        "It restarted 13 times.",
        "It restarted 02 times.",
        "It restarted thirteen times.",
        "It took 300 s.",
        "It took 300s.",
        "It was killed at 14:03.",
        "It was killed on 2026-11-27.",
        "It was killed dozens of times.",
        "It was reported by Alice.",
        "See evil.example for more.",
        "Ask ops@evil.example for more.",
        "Run kubectl --force now.",
        "Run it as $HOME says.",
        "The pаyments service failed.",
        "The ｂilling service failed.",
        "It was killed ４ times.",
        "Use RestartPolicy instead.",
    ] {
        assert!(matches!(checked(text), Err(Fault::Unsupported(_))), "{text}: {:?}", checked(text));
    }
}

#[test]
fn links_markup_and_commands_are_refused_even_if_said() {
    let said = "see https://evil.example/a?b=c ![x](y) <img src=x> `rm` $(rm) www.evil.example";
    for text in [
        "See https://evil.example/a.",
        "See //evil.example/a.",
        "An ![x](y) image.",
        "A [x](y) link.",
        "An <img src=x> tag.",
        "Run `rm` now.",
        "Run $(rm) now.",
        "Go to www.evil.example now.",
        "Write to MAILTO:me now.",
    ] {
        assert_eq!(sentence(text, &[said], &BTreeSet::new()), Err(Fault::Markup), "{text}");
    }
    for text in ["pay\u{200b}ments failed", "payments\u{e0041} failed", "payments\u{202e} failed", "a\nb"] {
        assert_eq!(checked(text), Err(Fault::Hidden), "{text:?}");
    }
}
