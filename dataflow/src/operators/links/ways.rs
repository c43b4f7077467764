//! The ways that rules walk through the topology, as one trie: rules that share the beginning of a path share its joins.

use std::collections::{BTreeMap, BTreeSet};

use schemas::catalogue::{Direction, Kind, Path, RuleIndex, RuleSpec, Rules, Step};
use schemas::entity::RelationKind;
use schemas::ids::Tenant;

/// A node of the trie: the steps walked so far.
#[derive(Debug)]
struct Node {
    hops: usize,
    text: String,
    children: BTreeMap<(RelationKind, Direction), u16>,
    /// Rules that look for their causes here.
    rules: BTreeSet<RuleIndex>,
    /// Kinds of effects for which a rule ends here or further on.
    wanted_by: BTreeSet<Kind>,
}

/// The rules of the engine, and the trie of all their paths.
#[derive(Debug)]
pub(crate) struct Ways {
    specs: Rules,
    nodes: Vec<Node>,
    depth: usize,
}

/// The node of the empty path: the effect's own entity.
pub(crate) const START: u16 = 0;

impl Ways {
    /// The ways of every rule.
    pub(crate) fn of(rules: &Rules) -> Ways {
        let root = Node {
            hops: 0,
            text: "self".to_owned(),
            children: BTreeMap::new(),
            rules: BTreeSet::new(),
            wanted_by: BTreeSet::new(),
        };
        let mut ways = Ways { specs: rules.clone(), nodes: vec![root], depth: 0 };
        for (index, rule) in rules.iter() {
            for path in &rule.paths {
                for steps in path.written_out() {
                    ways.insert(&steps, index, &rule.effects);
                }
            }
        }
        ways
    }

    /// The longest way, in edges.
    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    /// Edges walked to reach a node.
    pub(crate) fn hops(&self, node: u16) -> usize {
        self.nodes[usize::from(node)].hops
    }

    /// The path as text, stars written out.
    pub(crate) fn text(&self, node: u16) -> &str {
        &self.nodes[usize::from(node)].text
    }

    /// Steps that are worth walking from a node for an effect of a kind.
    pub(crate) fn steps(
        &self,
        node: u16,
        effect: Kind,
    ) -> impl Iterator<Item = ((RelationKind, Direction), u16)> + '_ {
        let children = self.nodes[usize::from(node)].children.iter();
        children
            .filter(move |(_, child)| self.nodes[usize::from(**child)].wanted_by.contains(&effect))
            .map(|(step, child)| (*step, *child))
    }

    /// A rule.
    pub(crate) fn rule(&self, index: RuleIndex) -> &RuleSpec {
        self.specs.rule(index)
    }

    /// Rules that look for causes of a tenant's effect of a kind at a node.
    pub(crate) fn rules(
        &self,
        node: u16,
        tenant: Tenant,
        effect: Kind,
    ) -> impl Iterator<Item = (RuleIndex, &RuleSpec)> {
        let rules = self.nodes[usize::from(node)].rules.iter().map(|index| (*index, self.rule(*index)));
        rules.filter(move |(_, rule)| rule.effects.contains(&effect) && rule.scope.includes(tenant))
    }

    /// Whether any rule explains effects of a kind.
    pub(crate) fn explains(&self, effect: Kind) -> bool {
        self.nodes[usize::from(START)].wanted_by.contains(&effect)
    }

    fn insert(&mut self, steps: &[Step], rule: RuleIndex, effects: &[Kind]) {
        let mut node = START;
        self.nodes[usize::from(node)].wanted_by.extend(effects);
        for (step, hops) in steps.iter().zip(1..) {
            let label = (step.relation, step.direction);
            let known = self.nodes[usize::from(node)].children.get(&label).copied();
            node = known.unwrap_or_else(|| self.add_child(node, *step, hops));
            self.nodes[usize::from(node)].wanted_by.extend(effects);
        }
        self.nodes[usize::from(node)].rules.insert(rule);
        self.depth = self.depth.max(steps.len());
    }

    fn add_child(&mut self, parent: u16, step: Step, hops: usize) -> u16 {
        let index = match u16::try_from(self.nodes.len()) {
            Ok(index) => index,
            Err(_) => panic!("the rule catalogue has more than 65535 distinct path prefixes"),
        };
        let arrow = Path(vec![Step { repeats: false, ..step }]).to_string();
        let above = &self.nodes[usize::from(parent)];
        let text = if parent == START { arrow } else { format!("{} {arrow}", above.text) };
        let (children, rules, wanted_by) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        self.nodes.push(Node { hops, text, children, rules, wanted_by });
        self.nodes[usize::from(parent)].children.insert((step.relation, step.direction), index);
        index
    }
}
