//! Against a tree, on random changes that cross both limits often.

use differential_dataflow::Hashable;

use super::*;

#[test]
fn it_is_what_a_tree_would_be_at_any_length() {
    let (mut ordered, mut tree) = (Ordered::<u64, u64>::default(), BTreeMap::new());
    let (mut lists, mut trees) = (0, 0);
    for turn in 0..20_000u64 {
        let draw = turn.hashed();
        // Long and short by turns.
        let grows = draw % 10 < if turn / 2_000 % 2 == 0 { 9 } else { 1 };
        let key = draw / 10 % 400;
        match draw / 4_000 % 2 {
            _ if !grows => assert_eq!(ordered.remove(&key), tree.remove(&key)),
            0 => {
                ordered.insert(key, turn);
                tree.insert(key, turn);
            }
            _ => {
                *ordered.or_default(key) += turn;
                *tree.entry(key).or_default() += turn;
            }
        }
        let keys = key / 2..=key;
        ordered.range_mut(keys.clone()).for_each(|(_, value)| *value += 1);
        tree.range_mut(keys.clone()).for_each(|(_, value)| *value += 1);
        assert!(ordered.range(keys.clone()).eq(tree.range(keys)), "turn {turn}");
        assert!(ordered.iter().eq(&tree) && ordered.is_empty() == tree.is_empty(), "turn {turn}");
        assert_eq!(ordered.get(&key), tree.get(&key), "turn {turn}");
        assert_eq!(ordered.get_mut(&key), tree.get_mut(&key), "turn {turn}");
        match &ordered {
            Ordered::List(list) => lists += usize::from(list.len() == LIST_MAX),
            Ordered::Tree(tree) => trees += usize::from(tree.len() == TREE_MIN),
        }
    }
    assert!(0 < lists && 0 < trees, "neither limit was met: {lists}, {trees}");
}
