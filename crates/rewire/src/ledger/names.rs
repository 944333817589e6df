//! Looks names up in libraries and along their search orders.

use std::sync::Arc;

use super::libraries::{Libraries, Namespace};
use super::{Definition, Entry, EntryId, EntryKind, Ledger};
use crate::base::ids::LibraryId;

impl Ledger {
    /// Creates a library; `None` if there is one of this name.
    pub(crate) fn add_library(&mut self, name: &str) -> Option<LibraryId> {
        if self.library(name).is_some() {
            return None;
        }
        Some(self.libraries.add(name.into()))
    }

    /// Returns the library of this name.
    pub(crate) fn library(&self, name: &str) -> Option<LibraryId> {
        self.libraries.by_name.get(name).copied()
    }

    /// Returns all libraries, in the order in which they were created.
    pub(crate) fn libraries(&self) -> Vec<LibraryId> {
        let mut all: Vec<LibraryId> = self.libraries.all.keys().copied().collect();
        all.sort_unstable();
        all
    }

    /// Whether the library exists and wasn't removed.
    pub(crate) fn is_library(&self, library: LibraryId) -> bool {
        self.libraries.all.contains_key(&library)
    }

    pub(crate) fn library_name(&self, library: LibraryId) -> &Arc<str> {
        &self.namespace(library).name
    }

    pub(crate) fn set_search(&mut self, library: LibraryId, search: Vec<LibraryId>) {
        for searched in &search {
            let searching = &mut self.namespace_mut(*searched).searched_by;
            if !searching.contains(&library) {
                searching.push(library);
            }
        }
        let before = std::mem::replace(&mut self.namespace_mut(library).search, search);
        for searched in before {
            if !self.namespace(library).search.contains(&searched) {
                let searching = &mut self.namespace_mut(searched).searched_by;
                searching.retain(|one| *one != library);
            }
        }
    }

    pub(crate) fn set_asks_host(&mut self, library: LibraryId, asks: bool) {
        self.namespace_mut(library).asks_host = asks;
    }

    /// Whether names that nothing else defines are looked up in the host process.
    pub(crate) fn asks_host(&self, library: LibraryId) -> bool {
        self.namespace(library).asks_host
    }

    pub(super) fn namespace(&self, library: LibraryId) -> &Namespace {
        let known = self.libraries.all.get(&library);
        known.unwrap_or(&self.libraries.gone)
    }

    pub(super) fn namespace_mut(&mut self, library: LibraryId) -> &mut Namespace {
        let Libraries { all, gone, .. } = &mut self.libraries;
        all.get_mut(&library).unwrap_or_else(|| {
            // Changes to a removed library are discarded.
            *gone = Namespace::new("".into());
            gone
        })
    }

    /// Returns the entry of a name in a library.
    pub(crate) fn find(&self, library: LibraryId, name: &str) -> Option<EntryId> {
        self.namespace(library).entries.get(name).copied()
    }

    /// Returns the entry of a name in a library; creates it if there is none.
    pub(crate) fn find_or_enter(&mut self, library: LibraryId, name: &Arc<str>) -> EntryId {
        if let Some(id) = self.namespace(library).entries.get(name) {
            return *id;
        }
        let mut entry = Entry::new(library, name.clone());
        // If a function of this name was removed and its address given out, the name gets that
        // address (slot) again.
        let former = self.tombstones.revive(library, name);
        if let Some((slot, generation)) = former {
            entry.slot = Some(slot);
            entry.generation = generation;
            entry.has_escaped = true;
            entry.is_removed = true;
        }
        let id = self.add(entry);
        if let Some((slot, _)) = former {
            self.by_slot.set(slot, id);
        }
        let entries = &mut self.namespace_mut(library).entries;
        entries.insert(name.clone(), id);
        self.names_version += 1;
        id
    }

    /// Removes an entry, and its name from the library.
    pub(super) fn forget_name(&mut self, id: EntryId) {
        let Some(entry) = self.entries.remove(id) else {
            return;
        };
        let entries = &mut self.namespace_mut(entry.library).entries;
        if entries.get(&entry.name) == Some(&id) {
            entries.remove(&entry.name);
            self.names_version += 1;
        }
    }

    /// Returns the global names of a library.
    pub(crate) fn names(&self, library: LibraryId) -> impl Iterator<Item = (&Arc<str>, EntryId)> {
        let entries = self.namespace(library).entries.iter();
        entries.map(|(name, id)| (name, *id))
    }

    /// Makes a name that its library doesn't define an alias of the definition in the first library
    /// of the search order that has one. Returns whether there was one. The name stays an alias
    /// until the library itself defines it.
    pub(crate) fn import(&mut self, id: EntryId) -> bool {
        let Some(found) = self.sought(id) else {
            return false;
        };
        let kind = self.entry(found).kind;
        let entry = self.entry_mut(id);
        entry.definition = Definition::Alias(found, 0);
        if entry.kind == EntryKind::Unknown {
            entry.kind = kind;
        }
        true
    }

    /// Whether `library` is `other`, or has `other` in its search order.
    pub(super) fn searches(&self, library: LibraryId, other: LibraryId) -> bool {
        library == other || self.namespace(library).search.contains(&other)
    }

    /// The definition that [`Ledger::import`] would make the name an alias of.
    fn sought(&self, id: EntryId) -> Option<EntryId> {
        let entry = self.entry(id);
        if entry.definition != Definition::None || entry.is_present() {
            return None;
        }
        self.found_along(entry.library, &entry.name)
    }

    /// Finds the definition of a name along a library's search order.
    fn found_along(&self, library: LibraryId, name: &str) -> Option<EntryId> {
        // Names of hidden visibility are not found from other libraries.
        let is_defined = |found: &EntryId| {
            let known = self.entry(*found);
            known.definition != Definition::None && known.visibility.is_seen_outside()
        };
        let search = self.namespace(library).search.iter();
        let mut found = search.filter_map(|library| self.find(*library, name));
        found.find(is_defined)
    }

    /// Returns the entry that a name stands for in code of a library, and imports the name if the
    /// library doesn't define it. If the library has no entry for the name, returns what is found
    /// along the search order.
    pub(crate) fn found_by_code(&mut self, library: LibraryId, name: &str) -> Option<EntryId> {
        match self.find(library, name) {
            Some(id) => {
                self.import(id);
                Some(id)
            }
            None => self.found_along(library, name),
        }
    }

    /// As [`Ledger::found_by_code`], but without importing the name.
    pub(crate) fn seen_by_code(&self, library: LibraryId, name: &str) -> Option<EntryId> {
        match self.find(library, name) {
            Some(id) => Some(self.sought(id).unwrap_or(id)),
            None => self.found_along(library, name),
        }
    }

    /// Returns the names in other libraries that stand for this one, or will when something that
    /// names them is linked. Costs a lookup for each library that searches this one.
    pub(crate) fn importers(&self, id: EntryId) -> Vec<EntryId> {
        let mut importers = vec![id];
        let mut next = 0;
        // An importing library may in turn be searched by others.
        while let Some(found) = importers.get(next).copied() {
            next += 1;
            let entry = self.entry(found);
            let searching = self.namespace(entry.library).searched_by.iter();
            let searching = searching.map(|one| self.namespace(*one));
            for id in searching.filter_map(|one| one.entries.get(&entry.name).copied()) {
                let known = self.entry(id);
                let stands_for = match known.definition {
                    Definition::Alias(target, _) if known.elected.is_none() => Some(target),
                    _ => self.sought(id),
                };
                if stands_for == Some(found) && !importers.contains(&id) {
                    importers.push(id);
                }
            }
        }
        importers.swap_remove(0);
        importers
    }
}
