//! Which profiles stay together when some leave. Merges only ever join what was apart, so they are a forest.

use std::collections::{BTreeMap, BTreeSet};

/// The connected components, each sorted, in the order of their smallest.
pub(crate) fn components<T: Copy + Ord>(
    nodes: &BTreeSet<T>,
    edges: impl IntoIterator<Item = (T, T)>,
) -> Vec<BTreeSet<T>> {
    let mut neighbours: BTreeMap<T, Vec<T>> = BTreeMap::new();
    for (a, b) in edges {
        neighbours.entry(a).or_default().push(b);
        neighbours.entry(b).or_default().push(a);
    }
    let (mut left, mut found) = (nodes.clone(), Vec::new());
    while let Some(first) = left.pop_first() {
        let (mut component, mut next) = (BTreeSet::from([first]), vec![first]);
        while let Some(node) = next.pop() {
            for other in neighbours.get(&node).into_iter().flatten() {
                if left.remove(other) {
                    component.insert(*other);
                    next.push(*other);
                }
            }
        }
        found.push(component);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_hangs_together() {
        let nodes = BTreeSet::from([1, 2, 3, 4, 5]);
        let found = components(&nodes, [(5, 1), (2, 3), (3, 9)]);
        assert_eq!(found, [BTreeSet::from([1, 5]), BTreeSet::from([2, 3]), BTreeSet::from([4])]);
        assert_eq!(components(&nodes, []).len(), 5);
    }
}
