//! What a change did.

use std::fmt;
use std::sync::Arc;

use crate::base::ids::{Generation, UnitId};

/// A name that got another definition.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replaced {
    /// The name.
    pub name: Arc<str>,
    /// The number of the new definition.
    pub generation: Generation,
    /// How many definitions use the name.
    pub users: usize,
    /// Of a variable that has other memory now: the variables whose initial values have the address
    /// of its former memory. Nobody changed what they hold.
    pub pointers: Vec<Arc<str>>,
}

/// What a change did.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Changed {
    /// Names that are defined now and were not before.
    pub added: Vec<Arc<str>>,
    /// Names that have another definition.
    pub replaced: Vec<Replaced>,
    /// Names that nothing defines any more.
    pub removed: Vec<Arc<str>>,
    /// The units that came, one for each module, in the order of the steps.
    pub units: Vec<UnitId>,
    /// Functions whose IR takes others for something else than they are now. Calls from them pass
    /// values as their own IR says.
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

/// A line for each name.
impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let added = self.added.iter().map(|name| format!("defined {name}"));
        let replaced = self.replaced.iter().map(Replaced::to_string);
        let removed = self.removed.iter().map(|name| format!("removed {name}"));
        let lines: Vec<String> = added.chain(replaced).chain(removed).collect();
        f.write_str(&lines.join("\n"))
    }
}

/// A function that takes another one for one of another type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Mismatch {
    /// The one whose IR names the other.
    pub user: Arc<str>,
    /// The other one.
    pub name: Arc<str>,
    /// The type that the user's IR declares.
    pub declared: Arc<str>,
    /// The type that it has. The two may have one name: structs of one name can have other fields.
    pub defined: Arc<str>,
}
