//! Sequences of changes as data. Whatever the numbers are, they stand for something: each is taken
//! modulo what there is.

use arbitrary::Arbitrary;
use rewire_fuzz::list;

/// An engine, and what is done with it.
#[derive(Arbitrary, Clone, Debug)]
pub(crate) struct Sequence {
    pub(crate) level: u8,
    pub(crate) threads: u8,
    pub(crate) remembers: bool,
    #[arbitrary(with = list::<_, 60>)]
    pub(crate) steps: Vec<Step>,
}

/// Which names are called and looked up after a step, a bit each.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(crate) struct Looks(pub(crate) u32);

/// Something that is done.
#[derive(Arbitrary, Clone, Debug)]
pub(crate) struct Step {
    pub(crate) act: Act,
    pub(crate) looks: Looks,
}

#[derive(Arbitrary, Clone, Debug)]
pub(crate) enum Act {
    /// Nothing but looks.
    Look,
    /// `Change::define` of a module, or of one for each definition.
    Define {
        what: Module,
        apart: bool,
        resets: bool,
        types: Types,
    },
    /// `Change::add`, of a module whose names are new.
    Add {
        what: Module,
    },
    /// A weak function, or one in a COMDAT group: copies of it may stand in several units.
    AddCopies {
        #[arbitrary(with = list::<_, 2>)]
        copies: Vec<Copy>,
    },
    /// `Library::replace`.
    Replace {
        function: u8,
        body: Body,
    },
    Remove {
        name: u8,
        force: bool,
    },
    /// The unit of a name.
    RemoveUnit {
        of: u8,
        force: bool,
    },
    /// Removes a function and defines it, in one change.
    Swap {
        function: u8,
        body: Body,
    },
    Undo,
    /// A new version of the unit of a name.
    Reload {
        of: u8,
        what: Module,
        force: bool,
    },
    Unload {
        function: u8,
    },
    /// The IR of a function is asked for when it is next called.
    Refresh {
        function: u8,
        add: u8,
    },
    Reclaim,
    /// Stores to a variable.
    Store {
        variable: u8,
        value: u8,
    },
    CompileAll,
}

/// What becomes of types that change.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq)]
pub(crate) enum Types {
    Recompile,
    GoAhead,
    Refuse,
}

/// Some definitions, of one library.
#[derive(Arbitrary, Clone, Debug)]
pub(crate) enum Module {
    Functions(#[arbitrary(with = list::<_, 3>)] Vec<Function>),
    OfOtherLibrary(#[arbitrary(with = list::<_, 2>)] Vec<Function>),
    /// Constants and variables.
    Data(#[arbitrary(with = list::<_, 3>)] Vec<Datum>),
}

#[derive(Arbitrary, Clone, Debug)]
pub(crate) enum Function {
    Is {
        name: u8,
        body: Body,
    },
    /// An alias of a function of the same module.
    Alias {
        name: u8,
        of: u8,
    },
}

#[derive(Arbitrary, Clone, Debug)]
pub(crate) struct Body {
    pub(crate) add: u8,
    /// What it calls, of those that come before it in the order of all functions, so that each
    /// call ends.
    #[arbitrary(with = list::<_, 3>)]
    pub(crate) calls: Vec<u8>,
    /// The constant or variable that it reads, if that is there.
    pub(crate) reads: Option<u8>,
    /// One in four is inlined wherever it is called.
    pub(crate) inlined: u8,
    /// One in eight takes a parameter.
    pub(crate) takes: u8,
}

#[derive(Arbitrary, Clone, Debug)]
pub(crate) enum Datum {
    Constant {
        name: u8,
        value: u8,
    },
    /// A constant, and a pointer to it.
    Pointed {
        name: u8,
        value: u8,
    },
    /// One in eight has 64 bits.
    Variable {
        name: u8,
        value: u8,
        wide: u8,
    },
}

#[derive(Arbitrary, Clone, Debug)]
pub(crate) struct Copy {
    pub(crate) name: u8,
    pub(crate) value: u8,
    pub(crate) kind: CopyKind,
}

#[derive(Arbitrary, Clone, Copy, Debug, PartialEq)]
pub(crate) enum CopyKind {
    Weak,
    Group,
    Strong,
}
