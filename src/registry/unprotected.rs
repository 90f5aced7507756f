//! `unprotected`: whom a shutdown asks.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::member::Member;
use crate::operation::OperationId;

/// Where an operation stands.
#[derive(Clone, Copy, Default)]
struct Place {
    /// Whether it is part of what one of the members protects.
    protected: bool,
    /// Whether it is one of the members, or below one.
    listed: bool,
}

/// Those of the members that are not part of what another of them protects from a cancellation: a
/// shield, or what runs afterwards.
///
/// Operations in between count, also those that are no members: what one protects that is cancelled
/// with a member above it, or protected by that, is protected too.
pub(super) fn unprotected(members: &[Arc<Member>]) -> Vec<Arc<Member>> {
    let ids: HashSet<OperationId> = members.iter().map(|member| member.operation.id()).collect();
    // Each is looked at once, however long the chains are.
    let mut places: HashMap<OperationId, Place> = HashMap::new();
    let mut way = Vec::new();
    for member in members {
        let mut place = Place::default();
        let mut next = Some(member.operation.clone());
        while let Some(operation) = next {
            let id = operation.id();
            if let Some(known) = places.get(&id) {
                place = *known;
                break;
            }
            // Until it is known: nobody is protected by who is below.
            places.insert(id, Place::default());
            let (above, sheltered) = operation.above();
            way.push((id, sheltered));
            next = above;
        }
        // From the top down.
        while let Some((id, sheltered)) = way.pop() {
            place = Place {
                protected: place.protected || sheltered && place.listed,
                listed: place.listed || ids.contains(&id),
            };
            places.insert(id, place);
        }
    }
    let is_free = |id: OperationId| !places.get(&id).is_some_and(|place| place.protected);
    members.iter().filter(|member| is_free(member.operation.id())).cloned().collect()
}
