//! Finds the definitions that use a name.

use crate::ledger::{EntryId, Ledger, UseAspect};

/// Returns the definitions that use a name, each once.
pub(super) fn users_of(ledger: &Ledger, id: EntryId) -> Vec<EntryId> {
    some_users_of(ledger, id, |_| true)
}

/// As [`users_of`], with those whose code contains a copy of the name's body or value, which they
/// need not name themselves.
pub(super) fn users_and_inliners_of(ledger: &Ledger, id: EntryId) -> Vec<EntryId> {
    let mut users = users_of(ledger, id);
    let inliners = ledger.inliners(id);
    if !inliners.is_empty() {
        users.extend(inliners.into_iter().filter(|user| *user != id));
        users.sort_unstable();
        users.dedup();
    }
    users
}

/// Returns the definitions that use a name's address or body, rather than its slot.
pub(super) fn placed_users_of(ledger: &Ledger, id: EntryId) -> Vec<EntryId> {
    some_users_of(ledger, id, |aspect| aspect != UseAspect::Slot)
}

fn some_users_of(ledger: &Ledger, id: EntryId, counts: impl Fn(UseAspect) -> bool) -> Vec<EntryId> {
    let uses = ledger.users(id).filter(|(_, one)| counts(one.aspect));
    let mut users: Vec<EntryId> = Vec::new();
    for user in uses.filter_map(|(within, _)| within) {
        // A user's uses mostly follow one another. Sorting them all, where a function is called in
        // thousands of places, would take longer than linking its new body.
        if user != id && users.last() != Some(&user) {
            users.push(user);
        }
    }
    users.sort_unstable();
    users.dedup();
    users
}

/// Returns the labels of entries, sorted.
pub(super) fn names(ledger: &Ledger, ids: &[EntryId]) -> Vec<String> {
    let mut names: Vec<String> = ids
        .iter()
        .map(|id| ledger.entry(*id).label().to_owned())
        .collect();
    names.sort_unstable();
    names
}
