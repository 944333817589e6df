//! [`Changed`]: what a change did.

use std::fmt;
use std::sync::Arc;

use crate::base::ids::{Generation, UnitId};

/// A name whose definition was replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replaced {
    /// The name.
    pub name: Arc<str>,
    /// The generation of the new definition.
    pub generation: Generation,
    /// The number of linked definitions that use the name; callers that aren't compiled yet don't
    /// count.
    pub users: usize,
    /// For a variable that got other memory: the variables whose initial values contain the address
    /// of its former memory. Their present values were not changed.
    pub pointers: Vec<Arc<str>>,
}

/// What a change did; returned by [`Change::commit`](crate::Change::commit).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Changed {
    /// Names that are defined now and weren't before.
    pub added: Vec<Arc<str>>,
    /// Names whose definitions were replaced.
    pub replaced: Vec<Replaced>,
    /// Names that nothing defines any more.
    pub removed: Vec<Arc<str>>,
    /// The units that were added, one for each module, in the order of the steps.
    pub units: Vec<UnitId>,
    /// Functions whose IR declares another function with a type that it no longer has. Their calls
    /// pass values as their own IR says.
    pub mismatches: Vec<Mismatch>,
}

impl fmt::Display for Replaced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            generation,
            users,
            ..
        } = self;
        let plural = if *users == 1 { "" } else { "s" };
        write!(
            f,
            "replaced {name} (generation {generation}, {users} user{plural})"
        )
    }
}

/// Formats a line for each name.
impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let added = self.added.iter().map(|name| format!("defined {name}"));
        let replaced = self.replaced.iter().map(Replaced::to_string);
        let removed = self.removed.iter().map(|name| format!("removed {name}"));
        let lines: Vec<String> = added.chain(replaced).chain(removed).collect();
        f.write_str(&lines.join("\n"))
    }
}

/// A function that declares another function with a type that the other doesn't have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Mismatch {
    /// The function whose IR contains the declaration.
    pub user: Arc<str>,
    /// The function that it declares.
    pub name: Arc<str>,
    /// The declared type.
    pub declared: Arc<str>,
    /// The actual type. The two types may read the same, because structs of one name can have
    /// different fields.
    pub defined: Arc<str>,
}
