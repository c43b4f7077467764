//! Indented `Key: value` text as a tree.

/// Deepest nesting that is followed; deeper lines belong to the last node.
const DEPTH_MAX: usize = 12;

/// A line with what is indented below it. Lines without a key have an empty one.
#[derive(Debug, Default)]
pub(super) struct Node<'a> {
    pub(super) key: &'a str,
    pub(super) value: &'a str,
    pub(super) children: Vec<Node<'a>>,
}

impl<'a> Node<'a> {
    /// The first child with a key.
    pub(super) fn child(&self, key: &str) -> Option<&Node<'a>> {
        self.children.iter().find(|child| child.key == key)
    }

    /// The value of a child; "" when it is absent or `<none>`, `<unset>`, `<nil>`.
    pub(super) fn text(&self, key: &str) -> &'a str {
        let value = self.child(key).map_or("", |child| child.value);
        if matches!(value, "<none>" | "<unset>" | "<nil>" | "<unknown>") { "" } else { value }
    }

    /// A child's values, one per line: its own and those of the lines below that have no key of their own or, for
    /// maps, any.
    pub(super) fn lines(&self, key: &str) -> Vec<&'a str> {
        let Some(child) = self.child(key) else { return Vec::new() };
        let own = Some(child.value).filter(|value| !value.is_empty() && *value != "<none>");
        own.into_iter().chain(child.children.iter().map(|line| line.value)).collect()
    }
}

/// Builds the tree of a block of lines.
pub(super) fn tree<'a>(lines: &[&'a str]) -> Node<'a> {
    let mut stack: Vec<(usize, Node<'a>)> = vec![(0, Node::default())];
    let mut last_value_column = 0;
    for line in lines {
        let content = line.trim_start();
        if content.is_empty() {
            continue;
        }
        let indent = line.len() - content.len() + 1;
        // A value continued on the next line stands under the value of the line above it, not under a key.
        let continues = 1 < indent && indent == last_value_column && !content.starts_with('-');
        let (key, value) = if continues { ("", content.trim_end()) } else { split(content) };
        if !continues {
            last_value_column =
                if key.is_empty() || value.is_empty() { 0 } else { value_column(line, value) };
        }
        while 1 < stack.len() && stack.last().is_some_and(|(above, _)| indent <= *above)
            || DEPTH_MAX < stack.len()
        {
            close(&mut stack);
        }
        stack.push((indent, Node { key, value, children: Vec::new() }));
    }
    while 1 < stack.len() {
        close(&mut stack);
    }
    stack.pop().map(|(_, root)| root).unwrap_or_default()
}

fn close<'a>(stack: &mut Vec<(usize, Node<'a>)>) {
    let Some((_, node)) = stack.pop() else { return };
    if let Some((_, parent)) = stack.last_mut() {
        parent.children.push(node);
    }
}

fn value_column(line: &str, value: &str) -> usize {
    line.find(value).map_or(0, |at| at + 1)
}

/// `Key:  value`; the colon ends a key only before a blank or the end of the line.
fn split(content: &str) -> (&str, &str) {
    let content = content.trim_end();
    if let Some(key) = content.strip_suffix(':')
        && !key.contains("  ")
    {
        return (key, "");
    }
    match content.split_once(": ") {
        Some((key, value)) if !key.contains("  ") => (key, value.trim()),
        _ => ("", content),
    }
}
