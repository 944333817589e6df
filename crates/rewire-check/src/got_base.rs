//! Where the GOT is, if the caller doesn't say.
//!
//! Nothing in the linked bytes names the GOT's address by itself. But each relocation that
//! depends on it can be solved for it, and in a correct link all of them agree. If they don't,
//! those in the minority are at fault.

use std::collections::BTreeMap;

use crate::formula::{self, Compute};
use crate::linked::{Linked, Meaning};
use crate::memory::Memory;
use crate::object::{Object, Place, Section};
use crate::symbols::{Stands, Symbols};

/// Collects what each relocation says.
#[derive(Debug, Default)]
pub(crate) struct Election {
    /// From address to the number of relocations that are right if the GOT is there.
    votes: BTreeMap<u64, usize>,
}

impl Election {
    /// Adds the relocations of one section, which starts at `start`.
    pub(crate) fn add(
        &mut self,
        symbols: &Symbols<'_>,
        memory: &Memory<'_>,
        section: &Section<'_>,
        start: u64,
    ) {
        for relocation in &section.relocations {
            let Ok(rule) = formula::rule(relocation.code) else {
                continue;
            };
            let stands = symbols.stands(relocation.symbol, section);
            let place = start.wrapping_add(relocation.offset);
            let Some(field) = memory.read(place, rule.field.width()) else {
                continue;
            };
            let value = rule.field.value(field);
            let addend = relocation.addend as u64;
            let base = match (rule.compute, stands) {
                (Compute::GotDistance, _) | (Compute::Distance, Stands::GotBase) => {
                    value.wrapping_sub(addend).wrapping_add(place)
                }
                (Compute::Address, Stands::GotBase) => value.wrapping_sub(addend),
                (Compute::GotOffset | Compute::CallGotOffset, Stands::Address { address, .. }) => {
                    address.wrapping_add(addend).wrapping_sub(value)
                }
                _ => continue,
            };
            *self.votes.entry(base).or_default() += 1;
        }
    }

    /// The address that most agree on; the lowest of several.
    pub(crate) fn winner(&self) -> Option<u64> {
        let most = self.votes.values().max()?;
        let mut winners = self.votes.iter().filter(|(_, votes)| *votes == most);
        winners.next().map(|(base, _)| *base)
    }
}

/// The address that the caller gave to `_GLOBAL_OFFSET_TABLE_`.
pub(crate) fn given(object: &Object<'_>, linked: &Linked<'_>) -> Option<u64> {
    linked.symbols.iter().find_map(|(index, meaning)| {
        let symbol = object.symbols.get(*index)?;
        match meaning {
            Meaning::Address { address, .. } if symbol.place == Place::GotBase => Some(*address),
            _ => None,
        }
    })
}
