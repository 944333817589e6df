//! Reads the language-specific data area of a function.
//!
//! ```text
//! header        start of landing pads, encoding and end of the type table, encoding of call sites
//! call sites    code range -> landing pad, first action
//! actions       selector, next action
//! types         backwards from the end of the table: selector 1 is the last one
//! filters       forwards from there: lists of types that may be thrown
//! ```

use std::ops::Range;

use crate::encoded::{self, Bases, OMIT, TypeInfo};
use crate::error::{TableError, TableKind, TableProblem};
use crate::reader::Reader;

/// What a function says of exceptions that pass through it.
///
/// Nothing but the header is read until it is asked for. [`ExceptionTable::verify`] reads
/// everything.
///
/// ```
/// use rewire_tables::{Action, ExceptionTable, Protection, TypeInfo};
///
/// // A function at 0x1000: what is called from its bytes 4 to 9 has the landing pad at byte 16,
/// // which catches everything.
/// let bytes = [
///     0xff, 0x03, 13, // types of 4 bytes, whose table ends 13 bytes further on
///     0x01, 4, // call sites of LEB128 numbers, 4 bytes
///     4, 5, 16, 1, // from, size, landing pad, action 0
///     1, 0, // the action: type 1, no further action
///     0, 0, 0, 0, 0, // padding, and type 1: no type, hence all
/// ];
/// let table = ExceptionTable::parse(&bytes, 0x2000, 0x1000)?;
/// let Protection::LandingPad { address, mut actions } = table.protection(0x1008)? else {
///     panic!("the call has a landing pad");
/// };
/// assert_eq!(address, 0x1010);
/// let catches_all = Action::Catch { selector: 1, type_info: TypeInfo::Any };
/// assert_eq!(actions.next(), Some(Ok(catches_all)));
/// assert_eq!(actions.next(), None);
/// # Ok::<(), rewire_tables::TableError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ExceptionTable<'d> {
    bytes: &'d [u8],
    bases: Bases,
    /// What landing pads are relative to.
    landing_pads: u64,
    call_site_encoding: u8,
    call_sites_at: usize,
    actions_at: usize,
    types: Option<TypeTable>,
}

#[derive(Clone, Copy, Debug)]
struct TypeTable {
    encoding: u8,
    /// The bytes of an entry.
    size: usize,
    /// Types lie in front of this offset, filters behind it.
    end: usize,
}

impl<'d> ExceptionTable<'d> {
    /// Reads the header. `bytes` begin with the table and may go on behind its end, which the
    /// format doesn't state. `address` is where they lie in memory, to which pointers in them are
    /// relative; `function` is the address of the function's first byte.
    ///
    /// # Errors
    ///
    /// If the header is malformed, or has an encoding that no compiler for x86-64 uses.
    pub fn parse(bytes: &'d [u8], address: u64, function: u64) -> Result<Self, TableError> {
        let mut reader = reader(bytes, 0);
        let bases = Bases {
            bytes: address,
            function,
        };
        let begin = reader;
        let encoding = reader.u8()?;
        let landing_pads = match encoding {
            OMIT => function,
            _ => match encoded::read(&mut reader, encoding, bases)? {
                TypeInfo::Any => 0,
                TypeInfo::At(address) => address,
                TypeInfo::Through(_) => {
                    return Err(begin.error(TableProblem::PointerEncoding(encoding)));
                }
            },
        };
        let types = TypeTable::read(&mut reader, bytes.len())?;
        let begin = reader;
        let call_site_encoding = reader.u8()?;
        // Call sites are numbers that are relative to nothing.
        if call_site_encoding & 0xf0 != 0 {
            return Err(begin.error(TableProblem::PointerEncoding(call_site_encoding)));
        }
        let begin = reader;
        let size = usize::try_from(reader.uleb()?);
        let size = size.map_err(|_| begin.error(TableProblem::Truncated))?;
        let call_sites_at = reader.at();
        reader.skip(size)?;
        Ok(Self {
            bytes,
            bases,
            landing_pads,
            call_site_encoding,
            call_sites_at,
            actions_at: reader.at(),
            types,
        })
    }

    /// Reads everything that can be reached from the call sites.
    ///
    /// # Errors
    ///
    /// The first one found.
    pub fn verify(&self) -> Result<(), TableError> {
        for call_site in self.call_sites() {
            for action in self.actions(&call_site?) {
                if let Action::Filter { types, .. } = action? {
                    for one in types {
                        one?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The call sites, lowest address first. Iterating stops after an error.
    pub fn call_sites(&self) -> CallSites<'d> {
        CallSites {
            table: *self,
            // The end of the call sites is the end of what can be read.
            reader: reader(&self.bytes[..self.actions_at], self.call_sites_at),
            last: self.bases.function,
        }
    }

    /// Says what is done with an exception that leaves a call. `address` is within the call
    /// instruction: of a frame that is being unwound, the return address less 1.
    ///
    /// # Errors
    ///
    /// If the call sites up to that one are malformed.
    pub fn protection(&self, address: u64) -> Result<Protection<'d>, TableError> {
        for call_site in self.call_sites() {
            let call_site = call_site?;
            if address < call_site.code.start {
                break;
            }
            if call_site.code.contains(&address) {
                return Ok(match call_site.landing_pad {
                    None => Protection::None,
                    Some(address) => Protection::LandingPad {
                        address,
                        actions: self.actions(&call_site),
                    },
                });
            }
        }
        Ok(Protection::Terminate)
    }

    /// What the landing pad of a call site does, in the order in which it is asked.
    pub fn actions(&self, call_site: &CallSite) -> Actions<'d> {
        let next = match (call_site.landing_pad, call_site.action) {
            (None, _) => NextAction::None,
            (Some(_), None) => NextAction::Cleanup,
            (Some(_), Some(place)) => match usize::try_from(place) {
                Ok(place) => NextAction::At(self.actions_at.saturating_add(place)),
                Err(_) => NextAction::At(usize::MAX),
            },
        };
        Actions {
            table: *self,
            next,
            // An action takes at least 2 bytes, so a chain that is longer goes in a circle.
            left: self.bytes.len() / 2,
        }
    }

    /// The type of a positive selector.
    ///
    /// # Errors
    ///
    /// If the table has no such type.
    pub fn type_info(&self, selector: u64) -> Result<TypeInfo, TableError> {
        let problem = TableProblem::TypeIndex(selector);
        let none = reader(self.bytes, self.actions_at).error(problem);
        let types = self.types.ok_or(none)?;
        let distance = usize::try_from(selector).ok();
        let distance = distance.and_then(|one| one.checked_mul(types.size));
        let at = distance.and_then(|distance| types.end.checked_sub(distance));
        // Types lie behind the actions.
        let at = at
            .filter(|at| selector > 0 && *at >= self.actions_at)
            .ok_or(none)?;
        encoded::read(&mut reader(self.bytes, at), types.encoding, self.bases)
    }

    /// The types of the filter of a negative selector.
    fn filter(&self, selector: i64) -> Result<FilterTypes<'d>, TableError> {
        let problem = TableProblem::FilterIndex(selector);
        let none = reader(self.bytes, self.actions_at).error(problem);
        let types = self.types.ok_or(none)?;
        let place = selector.checked_add(1).map(i64::unsigned_abs);
        let place = place.and_then(|place| usize::try_from(place).ok());
        let at = place.and_then(|place| types.end.checked_add(place));
        let at = at.filter(|at| *at < self.bytes.len()).ok_or(none)?;
        Ok(FilterTypes {
            table: *self,
            reader: Some(reader(self.bytes, at)),
        })
    }
}

fn reader(bytes: &[u8], at: usize) -> Reader<'_> {
    Reader::new(bytes, at, TableKind::Exception)
}

impl TypeTable {
    fn read(reader: &mut Reader<'_>, length: usize) -> Result<Option<Self>, TableError> {
        let begin = *reader;
        let encoding = reader.u8()?;
        if encoding == OMIT {
            return Ok(None);
        }
        let Some(size) = encoded::size(encoding) else {
            return Err(begin.error(TableProblem::PointerEncoding(encoding)));
        };
        let begin = *reader;
        let distance = usize::try_from(reader.uleb()?).ok();
        let end = distance.and_then(|distance| reader.at().checked_add(distance));
        match end.filter(|end| *end <= length) {
            Some(end) => Ok(Some(Self {
                encoding,
                size,
                end,
            })),
            None => Err(begin.error(TableProblem::Truncated)),
        }
    }
}

/// A range of code, and where exceptions from its calls go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallSite {
    /// The code, from its first byte to behind its last one.
    pub code: Range<u64>,
    /// The address of the landing pad. Without one, exceptions pass on to the caller.
    pub landing_pad: Option<u64>,
    /// Where the first action is, from the start of the actions; without one, the landing pad only
    /// cleans up.
    action: Option<u64>,
}

/// Iterates over call sites.
#[derive(Clone, Debug)]
pub struct CallSites<'d> {
    table: ExceptionTable<'d>,
    reader: Reader<'d>,
    /// Where the call site in front ends.
    last: u64,
}

impl CallSites<'_> {
    fn read(&mut self) -> Result<CallSite, TableError> {
        let (table, begin) = (&self.table, self.reader);
        let mut number = || encoded::read_raw(&mut self.reader, table.call_site_encoding);
        let (start, size, landing_pad) = (number()?, number()?, number()?);
        let action = self.reader.uleb()?;
        let start = table.bases.function.checked_add(start);
        let end = start.and_then(|start| start.checked_add(size));
        let (Some(start), Some(end)) = (start, end) else {
            return Err(begin.error(TableProblem::AddressOutOfRange));
        };
        if start < self.last {
            return Err(begin.error(TableProblem::CallSiteOrder));
        }
        self.last = end;
        Ok(CallSite {
            code: start..end,
            landing_pad: (landing_pad != 0).then(|| table.landing_pads.wrapping_add(landing_pad)),
            action: action.checked_sub(1),
        })
    }
}

impl Iterator for CallSites<'_> {
    type Item = Result<CallSite, TableError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.reader.at() >= self.table.actions_at {
            return None;
        }
        let call_site = self.read();
        if call_site.is_err() {
            self.reader = reader(&[], self.table.actions_at);
        }
        Some(call_site)
    }
}

/// What is done with an exception that leaves a call.
#[derive(Clone, Debug)]
pub enum Protection<'d> {
    /// The call isn't supposed to let exceptions out: C++ calls `std::terminate`.
    Terminate,
    /// Nothing: the exception passes on to the caller.
    None,
    /// A landing pad may be entered: if an action catches the exception, or cleans up.
    LandingPad {
        /// The landing pad's address.
        address: u64,
        /// What it does.
        actions: Actions<'d>,
    },
}

/// What a landing pad does for some exceptions.
#[derive(Clone, Debug, PartialEq)]
pub enum Action<'d> {
    /// It cleans up, whatever the exception; its selector is 0.
    Cleanup,
    /// It catches exceptions of a type.
    Catch {
        /// What the landing pad gets to tell its handlers apart; positive.
        selector: u64,
        /// The type.
        type_info: TypeInfo,
    },
    /// It stops exceptions whose type isn't among these: `throw(A, B)` in C++ before C++17.
    Filter {
        /// What the landing pad gets to tell its handlers apart; negative.
        selector: i64,
        /// The types that may pass.
        types: FilterTypes<'d>,
    },
}

#[derive(Clone, Copy, Debug)]
enum NextAction {
    None,
    Cleanup,
    At(usize),
}

/// Iterates over the actions of a landing pad. Iterating stops after an error.
#[derive(Clone, Debug)]
pub struct Actions<'d> {
    table: ExceptionTable<'d>,
    next: NextAction,
    /// How many more there can be.
    left: usize,
}

impl<'d> Actions<'d> {
    fn read(&mut self, at: usize) -> Result<Action<'d>, TableError> {
        let mut reader = reader(self.table.bytes, at);
        let begin = reader;
        if self.left == 0 {
            return Err(begin.error(TableProblem::ActionOffset));
        }
        self.left -= 1;
        let selector = reader.sleb()?;
        let link = reader.at();
        let distance = reader.sleb()?;
        if distance != 0 {
            let next = isize::try_from(distance).ok();
            let next = next.and_then(|distance| link.checked_add_signed(distance));
            let next = next.filter(|next| *next >= self.table.actions_at);
            let next = next.ok_or(begin.error(TableProblem::ActionOffset))?;
            self.next = NextAction::At(next);
        }
        Ok(match selector {
            0 => Action::Cleanup,
            1.. => Action::Catch {
                selector: selector.unsigned_abs(),
                type_info: self.table.type_info(selector.unsigned_abs())?,
            },
            _ => Action::Filter {
                selector,
                types: self.table.filter(selector)?,
            },
        })
    }
}

impl<'d> Iterator for Actions<'d> {
    type Item = Result<Action<'d>, TableError>;

    fn next(&mut self) -> Option<Self::Item> {
        match std::mem::replace(&mut self.next, NextAction::None) {
            NextAction::None => None,
            NextAction::Cleanup => Some(Ok(Action::Cleanup)),
            NextAction::At(at) => {
                let action = self.read(at);
                if action.is_err() {
                    self.next = NextAction::None;
                }
                Some(action)
            }
        }
    }
}

/// Iterates over the types that a filter lets pass. Iterating stops after an error.
#[derive(Clone, Debug)]
pub struct FilterTypes<'d> {
    table: ExceptionTable<'d>,
    /// `None` at the end.
    reader: Option<Reader<'d>>,
}

impl PartialEq for FilterTypes<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.clone().eq(other.clone())
    }
}

impl Iterator for FilterTypes<'_> {
    type Item = Result<TypeInfo, TableError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut reader = self.reader.take()?;
        let selector = match reader.uleb() {
            Ok(0) => return None,
            Ok(selector) => selector,
            Err(error) => return Some(Err(error)),
        };
        let type_info = self.table.type_info(selector);
        if type_info.is_ok() {
            self.reader = Some(reader);
        }
        Some(type_info)
    }
}
