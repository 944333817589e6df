//! What each symbol of a graph is bound to: the caller says so.

use std::ops::Index;

use smallvec::SmallVec;

use crate::addr::ExecAddr;
use crate::graph::{FEW, LinkGraph, Symbol, SymbolId, SymbolPlace};

/// What a symbol means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Binding {
    /// It is where the object defines it.
    Own,
    /// It is at this address: the object doesn't define it, or another copy won over its own.
    Address(ExecAddr),
    /// The object defines the body of a function, but whoever takes or calls its name must get
    /// this address. Sections that describe bodies
    /// ([`SectionRole::describes_bodies`](crate::graph::SectionRole::describes_bodies)) mean
    /// the body.
    Canonical(ExecAddr),
    /// As [`Binding::Canonical`], but a direct call (`PLT32`) within the object goes to the
    /// object's own body, because the compiler relied on what that body does.
    Tied(ExecAddr),
    /// A function outside of the engine's memory: whoever takes its address gets `address`,
    /// and a direct call (`PLT32`) may go to `call`, which leads to the same function from
    /// nearby (psABI, section 5.2, "Procedure Linkage Table").
    Foreign {
        /// The function's own address.
        address: ExecAddr,
        /// Where a direct call goes.
        call: ExecAddr,
    },
    /// A word that holds a function's address, and will always hold it: the slot of a function
    /// that is never replaced. It is at `slot`; an instruction that calls or jumps through it
    /// (`call *f.slot(%rip)`) may go to `function` directly, and is rewritten so where the
    /// distance fits ([`Site::is_direct`](crate::Site::is_direct)).
    FixedSlot {
        /// The address of the word.
        slot: ExecAddr,
        /// The function that it leads to.
        function: ExecAddr,
    },
    /// Its address is null: an `extern_weak` symbol that nothing defines. A `PLT32` call of it
    /// (always behind a test for null) leads to a jump to address 0.
    Null,
    /// A thread-local variable that is found by asking for its module and offset
    /// (general-dynamic and local-dynamic access: `TLSGD`, `TLSLD`, `DTPOFF32`, `DTPOFF64`).
    Thread {
        /// The module's number, as `__tls_get_addr` takes it.
        module: u64,
        /// Bytes from the start of the module's thread-local block.
        offset: u64,
    },
    /// A thread-local variable at this offset, in bytes, from the thread pointer (initial-exec
    /// and local-exec access: `GOTTPOFF`, `TPOFF32`, `TPOFF64`).
    ThreadOffset(i64),
    /// Not bound. It is an error if a kept relocation refers to it.
    Unbound,
}

/// One [`Binding`] for each symbol of a graph, indexed by [`SymbolId`].
///
/// Made by [`LinkGraph::default_bindings`](crate::graph::LinkGraph::default_bindings).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bindings(SmallVec<[Binding; FEW]>);

impl Bindings {
    /// What the symbol is bound to; [`Binding::Unbound`] where there is no such symbol.
    #[must_use]
    pub fn get(&self, symbol: SymbolId) -> Binding {
        self.0
            .get(symbol.index())
            .copied()
            .unwrap_or(Binding::Unbound)
    }

    /// Binds the symbol; returns whether there is such a symbol.
    pub fn set(&mut self, symbol: SymbolId, binding: Binding) -> bool {
        match self.0.get_mut(symbol.index()) {
            Some(place) => {
                *place = binding;
                true
            }
            None => false,
        }
    }

    /// The number of symbols.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no symbols.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All symbols with their bindings.
    pub fn iter(&self) -> impl Iterator<Item = (SymbolId, Binding)> {
        (0..).map(SymbolId).zip(self.0.iter().copied())
    }
}

impl Index<SymbolId> for Bindings {
    type Output = Binding;

    /// As [`Bindings::get`].
    fn index(&self, symbol: SymbolId) -> &Binding {
        self.0.get(symbol.index()).unwrap_or(&Binding::Unbound)
    }
}

impl FromIterator<Binding> for Bindings {
    fn from_iter<I: IntoIterator<Item = Binding>>(bindings: I) -> Self {
        Self(bindings.into_iter().collect())
    }
}

impl LinkGraph<'_> {
    /// Bindings with [`Binding::Own`] for what the object defines and [`Binding::Unbound`] for
    /// the rest. Thread-local symbols must be bound by the caller before they are used.
    #[must_use]
    pub fn default_bindings(&self) -> Bindings {
        let own = |symbol: &Symbol<'_>| match symbol.place {
            SymbolPlace::Undefined => Binding::Unbound,
            _ => Binding::Own,
        };
        self.symbols.iter().map(own).collect()
    }
}
