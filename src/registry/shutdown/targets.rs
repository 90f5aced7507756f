//! Selects the operations that a shutdown cancels: every one that no other operation protects.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::operation::OperationId;
use crate::registry::member::Member;

/// How an operation relates to the members above it.
#[derive(Clone, Copy, Default)]
struct Position {
    /// Whether an ancestor that is `covered` runs it in a shield or in clean-up.
    protected: bool,
    /// Whether it is a member, or below one.
    covered: bool,
}

/// Returns the members that no other member protects from a cancellation. A member protects
/// operations that it runs in a shield or in clean-up.
///
/// Ancestors count even if they are not registered: an operation is protected if an ancestor runs it
/// in a shield or in clean-up, and that ancestor is a member or is below one.
pub(super) fn shutdown_targets(members: &[Arc<Member>]) -> Vec<Arc<Member>> {
    let ids: HashSet<OperationId> = members.iter().map(|member| member.operation.id()).collect();
    // Each operation is visited once, so a long chain of members costs no more than a short one.
    let mut positions: HashMap<OperationId, Position> = HashMap::new();
    let mut path = Vec::new();
    for member in members {
        let mut position = Position::default();
        let mut next = Some(member.operation.clone());
        while let Some(operation) = next {
            let id = operation.id();
            if let Some(known) = positions.get(&id) {
                position = *known;
                break;
            }
            let (above, sheltered) = operation.parent();
            path.push((id, sheltered));
            next = above;
        }
        // Walk back from the topmost ancestor to the member.
        while let Some((id, sheltered)) = path.pop() {
            position = Position {
                protected: position.protected || sheltered && position.covered,
                covered: position.covered || ids.contains(&id),
            };
            positions.insert(id, position);
        }
    }
    let is_target = |member: &&Arc<Member>| !positions[&member.operation.id()].protected;
    members.iter().filter(is_target).cloned().collect()
}
