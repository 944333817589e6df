//! Which symbols need an entry in the object's GOT.

use smallvec::{SmallVec, smallvec};

use crate::bind::Bindings;
use crate::error::{Culprit, LinkError};
use crate::graph::{
    FEW, LinkGraph, Relocation, Section, SectionRole, Segment, SymbolId, SymbolPlace,
};
use crate::relax::{self, Nearness};
use crate::reloc::Formula;
use crate::symbol_state::{self, SymbolState};

/// What a GOT entry holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GotKind {
    /// 8 bytes: the symbol's address.
    Address,
    /// 16 bytes: the symbol's module and its offset in the module's thread-local block.
    ThreadPair,
    /// 16 bytes: the module of the object's thread-local variables, and 0.
    ThreadModule,
    /// 8 bytes: the symbol's offset from the thread pointer.
    ThreadOffset,
}

impl GotKind {
    /// The entry's size in bytes.
    #[must_use]
    pub const fn size(self) -> u64 {
        match self {
            Self::Address | Self::ThreadOffset => 8,
            Self::ThreadPair | Self::ThreadModule => 16,
        }
    }
}

/// Marks a symbol without an entry.
pub(crate) const NO_ENTRY: u32 = u32::MAX;

/// One entry, at an offset from the GOT's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) symbol: SymbolId,
    pub(crate) offset: u32,
    pub(crate) kind: GotKind,
}

/// The object's GOT.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Got {
    /// Offset of the first entry in the read-only segment.
    pub(crate) start: u64,
    /// Bytes.
    pub(crate) size: u64,
    pub(crate) entries: Vec<Entry>,
    /// For each symbol, the offset of its entry from the GOT's start, or [`NO_ENTRY`]; empty where
    /// none has one. A symbol has one at most, for its binding says which kind it is.
    pub(crate) offsets: SmallVec<[u32; FEW]>,
    /// The offset of the pair that local-dynamic access needs.
    pub(crate) module_pair: Option<u32>,
}

/// Collects the entries that relocations need.
pub(crate) struct GotBuilder<'a, 'data> {
    graph: &'a LinkGraph<'data>,
    bindings: &'a Bindings,
    kept: &'a [bool],
    nearness: &'a [Nearness],
    got: Got,
    size: u64,
}

impl<'a, 'data> GotBuilder<'a, 'data> {
    pub(crate) fn new(
        graph: &'a LinkGraph<'data>,
        bindings: &'a Bindings,
        kept: &'a [bool],
        nearness: &'a [Nearness],
    ) -> Self {
        let got = Got {
            offsets: smallvec![NO_ENTRY; graph.symbols.len()],
            ..Got::default()
        };
        Self {
            graph,
            bindings,
            kept,
            nearness,
            got,
            size: 0,
        }
    }

    /// Notes what one relocation of a kept section needs.
    #[inline]
    pub(crate) fn visit(
        &mut self,
        section: &Section<'_>,
        relocation: &Relocation,
    ) -> Result<(), LinkError> {
        let kind = match relocation.kind.formula() {
            Formula::GotEntryPc => {
                let nearness = self.nearness.get(relocation.symbol.index());
                let nearness = nearness.copied().unwrap_or_default();
                let rewrite = relax::plan(section, relocation, nearness);
                let has_address = matches!(
                    self.state(relocation),
                    SymbolState::Address | SymbolState::FixedSlot
                );
                if rewrite.is_some() && has_address {
                    return Ok(());
                }
                GotKind::Address
            }
            Formula::GotEntryOffset => GotKind::Address,
            Formula::ThreadPairPc => GotKind::ThreadPair,
            Formula::ThreadModulePc => GotKind::ThreadModule,
            Formula::ThreadOffsetEntryPc => GotKind::ThreadOffset,
            _ => return Ok(()),
        };
        self.need(section, relocation, kind)
    }

    /// The entries, all offsets final.
    pub(crate) fn finish(mut self) -> Result<Got, LinkError> {
        if self.size > u64::from(NO_ENTRY) {
            return Err(LinkError::too_large(self.graph, Segment::ReadOnly));
        }
        self.got.size = self.size;
        Ok(self.got)
    }

    fn need(
        &mut self,
        section: &Section<'_>,
        relocation: &Relocation,
        kind: GotKind,
    ) -> Result<(), LinkError> {
        let state = self.state(relocation);
        // A field that will hold 0 needs no entry.
        let ignored = state == SymbolState::Discarded
            && matches!(section.role, SectionRole::EhFrame | SectionRole::Debug);
        if ignored {
            return Ok(());
        }
        symbol_state::check_formula(self.graph, section, relocation, state)?;
        let offset = self.size as u32;
        if kind == GotKind::ThreadModule {
            if self.got.module_pair.is_some() {
                return Ok(());
            }
            self.got.module_pair = Some(offset);
        } else {
            let Some(place) = self.got.offsets.get_mut(relocation.symbol.index()) else {
                let at = Culprit::new(self.graph, section, relocation);
                return Err(LinkError::Unbound { at });
            };
            if *place != NO_ENTRY {
                return Ok(());
            }
            *place = offset;
        }
        self.size += kind.size();
        self.got.entries.push(Entry {
            symbol: relocation.symbol,
            offset,
            kind,
        });
        Ok(())
    }

    fn state(&self, relocation: &Relocation) -> SymbolState {
        let id = relocation.symbol;
        let placed = match self.graph.symbol(id).map(|symbol| symbol.place) {
            Some(SymbolPlace::Defined { section, .. }) => {
                self.kept.get(section.index()).is_some_and(|kept| *kept)
            }
            _ => false,
        };
        symbol_state::state(self.graph, id, self.bindings[id], placed)
    }
}
