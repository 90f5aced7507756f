//! Selects the operations that a shutdown cancels: all except those that run inside a shield or the clean-up of an operation
//! that the shutdown covers too.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::operation::OperationId;
use crate::registry::member::Member;

/// How an operation relates to the members above it.
#[derive(Clone, Copy, Default)]
struct Position {
    /// Whether the operation is in a shield or in clean-up of an ancestor that is a member or below a member.
    shielded: bool,
    /// Whether the operation is a member or has an ancestor that is a member.
    at_or_below_member: bool,
}

/// Returns the members that a shutdown cancels. Leaves out each member that another member runs in a shield or in clean-up.
///
/// The shield may also belong to an operation that is not registered, if that operation is below a member.
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
            let (above, shielded) = operation.parent();
            path.push((id, shielded));
            next = above;
        }
        // Walk back from the topmost ancestor to the member.
        while let Some((id, shielded)) = path.pop() {
            position = Position {
                shielded: position.shielded || shielded && position.at_or_below_member,
                at_or_below_member: position.at_or_below_member || ids.contains(&id),
            };
            positions.insert(id, position);
        }
    }
    let is_target = |member: &&Arc<Member>| !positions[&member.operation.id()].shielded;
    members.iter().filter(is_target).cloned().collect()
}
