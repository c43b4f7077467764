//! The metrics of an investigation, as the registry prints them: names, labels, and nothing else that would have no bound.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use agents::plan::roster::Roster;
use agents::{Desk, Investigator, Voice};
use bench::scenario::{Family, generate};
use metrics_exporter_prometheus::PrometheusBuilder;
use tests::prove::asked::model::Played;
use tests::prove::asked::tools::{Manner, five, toolbox};
use tests::prove::asked::{question, seen};

/// The labels of each metric that is printed, but for those of buckets, and all values of each.
fn printed(text: &str) -> BTreeMap<String, BTreeMap<String, BTreeSet<String>>> {
    let mut metrics: BTreeMap<String, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let (name, rest) = line.split_once('{').unwrap();
        let name = name.trim_end_matches("_sum").trim_end_matches("_count").trim_end_matches("_bucket");
        let of = metrics.entry(name.to_owned()).or_default();
        for pair in rest.split_once('}').unwrap().0.split(',') {
            let (label, value) = pair.split_once('=').unwrap();
            if label != "quantile" && label != "le" {
                of.entry(label.to_owned()).or_default().insert(value.trim_matches('"').to_owned());
            }
        }
    }
    metrics
}

#[test]
fn calls_of_agents_tools_and_models_are_counted_by_tenant_and_outcome() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let printer = recorder.handle();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // What an investigation measures is measured on the thread that has it.
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let engine = seen(&generate(Family::BadConfig, 7)).await.unwrap();
            let played = Played::start().await.unwrap();
            let (tools, handles) = five(Duration::from_millis(500), "");
            handles[0].set(Manner::Denied);
            let investigator = Investigator::new(engine.reader())
                .with_tools(Roster::built_in(), Arc::new(toolbox(tools).unwrap()))
                .with_voice(Voice::new(played.client().unwrap(), 1_000_000_000));
            let desk = Desk::new(investigator, 1);
            desk.ask(question("why does checkout fail?"), None).await.unwrap();
            engine.shutdown().unwrap();
        });
    });
    let metrics = printed(&printer.render());
    let labels = |name: &str| {
        let of = metrics.get(name).unwrap_or_else(|| panic!("{name} is not in {:?}", metrics.keys()));
        of.keys().map(String::as_str).collect::<Vec<_>>()
    };
    for (name, expected) in [
        ("kgroot_investigations_total", vec!["status", "tenant"]),
        ("kgroot_investigation_seconds", vec!["status", "tenant"]),
        ("kgroot_agent_runs_total", vec!["agent", "status", "tenant"]),
        ("kgroot_agent_seconds", vec!["agent", "status", "tenant"]),
        ("kgroot_tool_calls_total", vec!["agent", "status", "tenant", "tool"]),
        ("kgroot_tool_seconds", vec!["agent", "status", "tenant", "tool"]),
        ("kgroot_tool_breaker_open", vec!["tenant", "tool"]),
        ("kgroot_model_calls_total", vec!["role", "status", "tenant"]),
        ("kgroot_model_seconds", vec!["role", "status", "tenant"]),
        ("kgroot_model_tokens_total", vec!["role", "side", "tenant"]),
        ("kgroot_model_usd_micros_total", vec!["role", "tenant"]),
        ("kgroot_model_breaker_open", vec!["model"]),
    ] {
        assert_eq!(labels(name), expected, "{name}");
    }
    let values =
        |name: &str, label: &str| metrics[name][label].iter().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(values("kgroot_model_calls_total", "role"), ["draft", "word"]);
    assert_eq!(values("kgroot_model_tokens_total", "side"), ["input", "output"]);
    assert_eq!(values("kgroot_tool_calls_total", "tenant"), ["shop"]);
    assert!(values("kgroot_tool_calls_total", "status").contains(&"denied"));
    let fared = values("kgroot_agent_runs_total", "status");
    assert!(fared.contains(&"ok") && fared.contains(&"failed"), "{fared:?}");
}
