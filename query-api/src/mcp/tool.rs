//! The tools: names, what a model is told of them, and their schemas.

use std::sync::Arc;

use rmcp::model::{Tool as Listed, ToolAnnotations};

use crate::mcp::schemas;

/// A tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tool {
    Investigate,
    Incidents,
    Incident,
    Chains,
    Topology,
    WhatChanged,
    Search,
}

impl Tool {
    /// Every tool, in the order in which an investigation needs them.
    pub(super) const ALL: [Tool; 7] = [
        Tool::Investigate,
        Tool::Incidents,
        Tool::Incident,
        Tool::Chains,
        Tool::Topology,
        Tool::WhatChanged,
        Tool::Search,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Tool::Investigate => "investigate",
            Tool::Incidents => "incidents",
            Tool::Incident => "incident",
            Tool::Chains => "chains",
            Tool::Topology => "topology",
            Tool::WhatChanged => "what_changed",
            Tool::Search => "search",
        }
    }

    /// The tool with a name, or the nearest name.
    pub(super) fn named(name: &str) -> Result<Tool, &'static str> {
        let found = Tool::ALL.into_iter().find(|tool| tool.name() == name);
        found.ok_or_else(|| {
            let names = Tool::ALL.map(Tool::name);
            names.into_iter().min_by_key(|known| strsim::damerau_levenshtein(known, name)).unwrap_or_default()
        })
    }

    fn title(self) -> &'static str {
        match self {
            Tool::Investigate => "Investigate an outage",
            Tool::Incidents => "List incidents",
            Tool::Incident => "Show one incident",
            Tool::Chains => "Show causal chains",
            Tool::Topology => "Show what an entity depends on",
            Tool::WhatChanged => "Show what changed",
            Tool::Search => "Search events and conclusions",
        }
    }

    fn description(self) -> &'static str {
        match self {
            Tool::Investigate => {
                "Ask why something fails. Gives ranked root causes, each with its causal chain, the rule behind every \
                 link and the events that prove it; what was ruled out; and which sources said nothing. Start here. \
                 Each call is counted against the tenant's hourly limit and kept."
            }
            Tool::Incidents => "Incidents with ranked root causes, latest first.",
            Tool::Incident => "One incident with its causal chains and its alert.",
            Tool::Chains => {
                "Causal chains from a root cause to a symptom, of an incident or through an entity. Give incident_id, \
                 entity, or both."
            }
            Tool::Topology => {
                "Relations of an entity (runs on, calls, owned by, deployed from) with the time in which they held."
            }
            Tool::WhatChanged => {
                "Changes (pushes, deployments, configuration, scaling) within a window, latest first. Says so when \
                 there was none."
            }
            Tool::Search => {
                "Full-text search over events and conclusions, latest first: words, \"phrases\", begin*, either OR \
                 other, -not, field:value."
            }
        }
    }

    /// As it is listed.
    pub(super) fn listed(self) -> Listed {
        let annotations = ToolAnnotations::with_title(self.title())
            .read_only(true)
            .destructive(false)
            .idempotent(true)
            .open_world(false);
        Listed::new(self.name(), self.description(), schemas::input(self))
            .with_title(self.title())
            .with_raw_output_schema(Arc::new(schemas::output(self)))
            .with_annotations(annotations)
    }
}
