//! Removes libraries.

use rewire_memory::{ExecAddr, Slots};

use super::{Definition, EntryId, Ledger, LibraryId, State};

impl Ledger {
    /// Removes a library whose units have left. Names that code still uses stay, undefined. Returns
    /// the address of the library's `__dso_handle`, if nothing knows that address, so that it can
    /// be freed.
    pub(crate) fn forget_library(&mut self, library: LibraryId, slots: &Slots) -> Option<ExecAddr> {
        let names: Vec<EntryId> = self.namespace(library).entries.values().copied().collect();
        let mut handle = None;
        for id in names {
            let entry = self.entry(id);
            if entry.definition == Definition::Engine
                && entry.users.is_empty()
                && !entry.has_escaped
                && let State::Present(at) = entry.state
            {
                handle = Some(at.addr());
            }
            if entry.definition != Definition::None || entry.is_present() {
                self.remove_definition(id, slots);
            }
            self.note_if_over(id);
        }
        self.set_search(library, Vec::new());
        if let Some(gone) = self.libraries.all.remove(&library) {
            self.libraries.by_name.remove(&gone.name);
            for searching in gone.searched_by {
                let search = &mut self.namespace_mut(searching).search;
                search.retain(|one| *one != library);
            }
        }
        self.names_version += 1;
        handle
    }
}
