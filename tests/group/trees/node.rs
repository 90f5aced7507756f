//! The nodes of a tree: what kind of member each one is, and what has become of it.

use cancelable::Operation;
use cancelable::group::GroupHandle;

use crate::orders::{Failed, Inbox};

pub(super) type Handle = GroupHandle<'static, usize, Failed>;

/// What kind of member a node is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Plain,
    /// An operation with clean-up.
    Operation {
        shielded: bool,
        clean_up_panics: bool,
    },
    Shielded,
    Daemon,
    /// Takes the results of the others until there are none.
    Drains,
    /// Has a group of its own, and waits for it.
    Group {
        in_place: bool,
        operation: bool,
        keeps_going: bool,
        bound: Option<usize>,
    },
}

/// A node of the tree. Node 0 is the root: a group that is not a member of another group.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) parent: usize,
    pub(super) kind: Kind,
    pub(super) inbox: Inbox,
    /// Whether its future exists.
    pub(super) is_alive: bool,
    /// Whether the executor dropped its future, so that nothing waits for its descendants.
    pub(super) is_abandoned: bool,
    /// Its group, once it has begun.
    pub(super) group: Option<Handle>,
    /// The number of results that its group must return, and the number that has been taken.
    pub(super) owed: usize,
    pub(super) taken: usize,
    /// Whether the code after the scope of its group has run.
    pub(super) has_outcome: bool,
    /// Its operation, if the node is an operation, and how often the hooks and the clean-up have run.
    pub(super) operation: Option<Operation>,
    pub(super) ends: usize,
    pub(super) cleaned: usize,
    pub(super) lost: usize,
}

impl Node {
    pub(super) fn new(parent: usize, kind: Kind) -> Self {
        Node {
            parent,
            kind,
            inbox: Inbox::default(),
            is_alive: false,
            is_abandoned: false,
            group: None,
            owed: 0,
            taken: 0,
            has_outcome: false,
            operation: None,
            ends: 0,
            cleaned: 0,
            lost: 0,
        }
    }
}

/// The state of all nodes.
pub(super) struct State {
    pub(super) nodes: Vec<Node>,
    /// Whether the test is dropping a task or the root at this moment.
    pub(super) is_dropping: bool,
    /// The nodes that ended before something below them.
    pub(super) early: Vec<usize>,
    /// The nodes whose section was dropped in the middle, but not by the test.
    pub(super) cut: Vec<usize>,
}

impl State {
    /// Returns whether a node is below another one.
    fn is_below(&self, mut node: usize, top: usize) -> bool {
        while node > top {
            node = self.nodes[node].parent;
            if node == top {
                return true;
            }
        }
        false
    }

    /// Returns whether a descendant of a node is alive. With `strictly`, skips the descendants of abandoned nodes.
    pub(super) fn has_alive_below(&self, top: usize, strictly: bool) -> bool {
        (0..self.nodes.len()).any(|node| {
            let excused = strictly
                && (0..node).any(|between| {
                    self.nodes[between].is_abandoned
                        && self.is_below(between, top)
                        && self.is_below(node, between)
                });
            self.nodes[node].is_alive && self.is_below(node, top) && !excused
        })
    }
}
