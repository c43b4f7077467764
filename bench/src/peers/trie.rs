//! The ways of the rules as one trie for each kind of effect: rules that share the beginning of a path share its walk.

use crate::peers::ways::{WAYS, Way};
use crate::peers::workload::{Kind, Step};

/// A place in the walk: where to go on, and what to look for here.
#[derive(Debug, Default)]
pub struct Node {
    /// Steps onward, with the nodes that they lead to.
    pub steps: Vec<(Step, usize)>,
    /// Ways that end here.
    pub ways: Vec<&'static Way>,
}

/// The trie of each kind of effect.
#[derive(Debug)]
pub struct Tries {
    /// All nodes.
    pub nodes: Vec<Node>,
    /// Where each kind of effect begins; kinds without rules have a node without anything.
    pub roots: [usize; 7],
}

impl Tries {
    /// The tries of all rules.
    pub fn new() -> Tries {
        let mut tries = Tries { nodes: Vec::new(), roots: [0; 7] };
        for kind in Kind::ALL {
            tries.roots[kind.number()] = tries.nodes.len();
            tries.nodes.push(Node::default());
        }
        for way in WAYS {
            let mut at = tries.roots[way.effect.number()];
            for step in way.steps {
                let known = tries.nodes[at].steps.iter().find(|(known, _)| known == step).map(|(_, to)| *to);
                at = known.unwrap_or_else(|| {
                    tries.nodes.push(Node::default());
                    let to = tries.nodes.len() - 1;
                    tries.nodes[at].steps.push((*step, to));
                    to
                });
            }
            tries.nodes[at].ways.push(way);
        }
        tries
    }

    /// Most steps of a way.
    pub fn depth(&self) -> usize {
        WAYS.iter().map(|way| way.steps.len()).max().unwrap_or(0)
    }
}

impl Default for Tries {
    fn default() -> Tries {
        Tries::new()
    }
}
