//! What a check found.

use std::fmt;

/// What [`check`](crate::check()) found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The number of relocations that were checked: all those of loaded sections.
    pub relocations: usize,
    /// Where the linked bytes are not what the object asks for, section by section. Empty for a
    /// correct link.
    pub differences: Vec<Difference>,
    /// Who is used where, as the linked bytes show it, in the order of the relocations.
    pub uses: Vec<Use>,
}

/// One place where the linked bytes are not what the object asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The section's name.
    pub section: String,
    /// Bytes from the section's start.
    pub offset: u64,
    /// The relocation's type as the psABI spells it; `None` where a byte differs that no
    /// relocation has to do with, or where the section as a whole is at fault.
    pub relocation: Option<&'static str>,
    /// The symbol that the relocation names (a section's name for section symbols).
    pub symbol: Option<String>,
    /// What should be there.
    pub expected: String,
    /// What is there.
    pub found: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{:#x}", self.section, self.offset)?;
        if let Some(relocation) = self.relocation {
            write!(f, " ({relocation}")?;
            if let Some(symbol) = &self.symbol {
                write!(f, " against {symbol}")?;
            }
            f.write_str(")")?;
        }
        write!(f, ": expected {}, found {}", self.expected, self.found)
    }
}

/// A use of a symbol, as the linked bytes show it.
///
/// Relocations that reach no symbol (`NONE`, `SIZE32`, `SIZE64`, `GOTPC32`, `GOTPC64`) give none,
/// and neither do fields that reach nothing that has a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// The ELF index of the symbol that the bytes reach. This is the relocation's own symbol
    /// wherever the bytes reach what that symbol stands for. For a section symbol it is the
    /// symbol that lies exactly at the address that is called or taken, if there is one.
    pub symbol: usize,
    /// Its name (a section's name for section symbols).
    pub name: String,
    /// The run-time address of the field, as the object places it: where an instruction was
    /// rewritten, the new field may start a byte earlier.
    pub at: u64,
    /// How it is used.
    pub kind: UseKind,
}

/// How a symbol is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UseKind {
    /// A direct call or jump, which may go through a near entry.
    Call,
    /// `call` or `jmp` through the word that the symbol names (`call *f.slot(%rip)`).
    SlotCall,
    /// `call` or `jmp` through the symbol's GOT entry.
    GotCall,
    /// Any other instruction or datum that leads to the symbol's GOT entry.
    GotLoad,
    /// The symbol's address: computed by `lea`, or standing in data or in an instruction, be it
    /// as its immediate operand or as an absolute displacement (`table(,%rax,8)`).
    Address,
    /// An instruction reads or writes memory at the symbol.
    Data,
    /// A thread-local access.
    Thread,
}
