//! The ways that rules walk through the topology, as one trie: rules that share the beginning of a path share its steps.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schemas::catalogue::{Direction, Kind, Path, RuleIndex, RuleSpec, Rules, Step};
use schemas::entity::RelationKind;
use schemas::ids::Tenant;

/// A relation, and which way it is followed.
pub(crate) type Label = (RelationKind, Direction);

/// A node of the trie: the steps walked so far.
#[derive(Debug)]
struct Node {
    hops: usize,
    text: Arc<str>,
    children: BTreeMap<Label, u16>,
    /// Rules that look for their causes here, by kind of effect, then by kind of cause.
    rules: BTreeMap<Kind, BTreeMap<Kind, BTreeSet<RuleIndex>>>,
    /// Steps to nodes where a rule looks for causes, or further on, by kind of effect.
    steps: BTreeMap<Kind, BTreeSet<(Label, u16)>>,
}

impl Node {
    fn new(hops: usize, text: &str) -> Self {
        Node {
            hops,
            text: text.into(),
            children: BTreeMap::new(),
            rules: BTreeMap::new(),
            steps: BTreeMap::new(),
        }
    }
}

/// The rules of the engine, and the trie of all their paths.
#[derive(Debug)]
pub(crate) struct Ways {
    specs: Rules,
    nodes: Vec<Node>,
    causes: BTreeSet<Kind>,
    labels: BTreeSet<Label>,
}

/// The node of the empty path: the effect's own entity.
pub(crate) const START: u16 = 0;

impl Ways {
    /// The ways of every rule.
    pub(crate) fn of(rules: &Rules) -> Ways {
        let mut ways = Ways {
            specs: rules.clone(),
            nodes: vec![Node::new(0, "self")],
            causes: BTreeSet::new(),
            labels: BTreeSet::new(),
        };
        for (index, rule) in rules.iter() {
            for path in &rule.paths {
                for steps in path.written_out() {
                    ways.insert(&steps, index, rule);
                }
            }
            ways.causes.extend(&rule.causes);
        }
        ways
    }

    /// Edges walked to reach a node.
    pub(crate) fn hops(&self, node: u16) -> usize {
        self.nodes[usize::from(node)].hops
    }

    /// The path as text, stars written out.
    pub(crate) fn text(&self, node: u16) -> &Arc<str> {
        &self.nodes[usize::from(node)].text
    }

    /// Steps that are worth walking from a node for an effect of a kind.
    pub(crate) fn steps(&self, node: u16, effect: Kind) -> impl Iterator<Item = (Label, u16)> + '_ {
        self.nodes[usize::from(node)].steps.get(&effect).into_iter().flatten().copied()
    }

    /// A rule.
    pub(crate) fn rule(&self, index: RuleIndex) -> &RuleSpec {
        self.specs.rule(index)
    }

    /// Rules by which a cause of a kind, at a node, can have had a tenant's effect of a kind.
    pub(crate) fn rules(
        &self,
        node: u16,
        tenant: Tenant,
        (effect, cause): (Kind, Kind),
    ) -> impl Iterator<Item = (RuleIndex, &RuleSpec)> {
        let rules = self.nodes[usize::from(node)].rules.get(&effect).and_then(|rules| rules.get(&cause));
        rules
            .into_iter()
            .flatten()
            .map(|index| (*index, self.rule(*index)))
            .filter(move |(_, rule)| rule.scope.includes(tenant))
    }

    /// Whether any rule looks for causes of effects of a kind at a node.
    pub(crate) fn looks(&self, node: u16, effect: Kind) -> bool {
        self.nodes[usize::from(node)].rules.contains_key(&effect)
    }

    /// Whether any rule explains effects of a kind.
    pub(crate) fn explains(&self, effect: Kind) -> bool {
        self.looks(START, effect) || self.nodes[usize::from(START)].steps.contains_key(&effect)
    }

    /// Whether any rule has a kind among its causes.
    pub(crate) fn causes(&self, kind: Kind) -> bool {
        self.causes.contains(&kind)
    }

    /// Whether any path has such a step.
    pub(crate) fn walks(&self, label: Label) -> bool {
        self.labels.contains(&label)
    }

    fn insert(&mut self, steps: &[Step], index: RuleIndex, rule: &RuleSpec) {
        let mut node = START;
        for (step, hops) in steps.iter().zip(1..) {
            let label = (step.relation, step.direction);
            let known = self.nodes[usize::from(node)].children.get(&label).copied();
            let next = known.unwrap_or_else(|| self.add_child(node, *step, hops));
            for effect in &rule.effects {
                self.nodes[usize::from(node)].steps.entry(*effect).or_default().insert((label, next));
            }
            self.labels.insert(label);
            node = next;
        }
        let rules = &mut self.nodes[usize::from(node)].rules;
        for effect in &rule.effects {
            for cause in &rule.causes {
                rules.entry(*effect).or_default().entry(*cause).or_default().insert(index);
            }
        }
    }

    fn add_child(&mut self, parent: u16, step: Step, hops: usize) -> u16 {
        let index = match u16::try_from(self.nodes.len()) {
            Ok(index) => index,
            Err(_) => panic!("the rule catalogue has more than 65535 distinct path prefixes"),
        };
        let arrow = Path(vec![Step { repeats: false, ..step }]).to_string();
        let above = &self.nodes[usize::from(parent)];
        let text = if parent == START { arrow } else { format!("{} {arrow}", above.text) };
        self.nodes.push(Node::new(hops, &text));
        self.nodes[usize::from(parent)].children.insert((step.relation, step.direction), index);
        index
    }
}
