//! `Relations`: who is told when a node is cancelled.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Weak;

use crate::wait::Places;
use crate::{Reason, Text};

pub(super) type Callback = Box<dyn FnOnce(&Reason) + Send>;

/// What a node below makes of the reason.
// A word, as what stands beside it: parts of words are slow to copy once they have been written.
#[derive(Clone, Copy, Debug)]
#[repr(usize)]
pub(super) enum Inherits {
    /// A child that was made as one: nothing, as it finds `Reason::Parent` in its parent.
    Nothing,
    /// A child that became one: `Reason::Parent`.
    Parent,
    /// A link: the reason as it is.
    Reason,
}

/// A node below.
pub(super) type Below<N> = (Weak<N>, Inherits);

/// Who is told when a node of type `N` is cancelled, and what. It stands under the lock of the node:
/// nothing here runs code of others.
pub(super) struct Relations<N> {
    /// The nodes below that are told.
    pub(super) below: Places<Below<N>>,
    /// Mostly there is none of it, and then it allocates nothing.
    rare: Option<Box<Rare>>,
}

#[derive(Default)]
struct Rare {
    /// By a number that grows, which keeps them in the order in which they came.
    callbacks: BTreeMap<u64, Callback>,
    next_callback: u64,
    /// What the reasons of those below call the node.
    label: Option<Text>,
}

impl<N> Relations<N> {
    fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// Adds a callback and tells its number.
    pub(super) fn add_callback(&mut self, callback: Callback) -> u64 {
        let rare = self.rare();
        let number = rare.next_callback;
        rare.next_callback += 1;
        rare.callbacks.insert(number, callback);
        number
    }

    pub(super) fn remove_callback(&mut self, number: u64) -> Option<Callback> {
        self.rare.as_mut()?.callbacks.remove(&number)
    }

    /// Takes out the eldest callback.
    pub(super) fn next_callback(&mut self) -> Option<Callback> {
        Some(self.rare.as_mut()?.callbacks.pop_first()?.1)
    }

    pub(super) fn callbacks(&self) -> usize {
        self.rare.as_ref().map_or(0, |rare| rare.callbacks.len())
    }

    /// Names the node. The first name stays, as reasons may have told it: another is handed back.
    pub(super) fn label(&mut self, name: Text) -> Option<Text> {
        let label = &mut self.rare().label;
        if label.is_some() {
            return Some(name);
        }
        *label = Some(name);
        None
    }

    /// What children make of the reason of the node, which is this.
    pub(super) fn parent_reason(&self, reason: &Reason) -> Reason {
        let label = self.rare.as_ref().and_then(|rare| rare.label.clone());
        Reason::parent_named(label, reason.clone())
    }
}

impl<N> Default for Relations<N> {
    fn default() -> Self {
        Relations { below: Places::default(), rare: None }
    }
}

impl<N> fmt::Debug for Relations<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relations")
            .field("below", &self.below.len())
            .field("callbacks", &self.callbacks())
            .finish()
    }
}
