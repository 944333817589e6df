//! Records of statepoints: what LLVM's `gc.statepoint` leaves in a stack map.
//!
//! The order of a record's locations is described in LLVM's "Garbage Collection Safepoints in
//! LLVM", section *Stack Map Format*: calling convention, flags, the number of deoptimisation
//! values, these, then a base and a derived pointer for each root. Behind them, LLVM writes the
//! addresses of variables on the stack that are among the `gc-live` values.

use crate::error::{TableError, TableKind, TableProblem};
use crate::stack_map::{Location, Locations, MapRecord};

/// A record, read as one of a statepoint.
///
/// The format doesn't say what a record is of: one of `llvm.experimental.stackmap` with three
/// constants reads like a statepoint without roots. Whoever reads a record as a statepoint has to
/// know that it is one.
#[derive(Clone, Debug)]
pub struct Statepoint<'d> {
    calling_convention: u64,
    flags: u64,
    deopt: (Locations<'d>, u16),
    roots: (Locations<'d>, u16),
    objects: Locations<'d>,
}

impl<'d> Statepoint<'d> {
    /// Reads a record.
    ///
    /// # Errors
    ///
    /// If the record doesn't have a statepoint's form.
    pub fn read(record: &MapRecord<'d>) -> Result<Self, TableError> {
        let mut locations = record.locations();
        let not_one = |reason| TableError {
            table: TableKind::StackMap,
            offset: record.bytes_offset(),
            problem: TableProblem::NotAStatepoint(reason),
        };
        let mut constant = || locations.next().and_then(Location::constant);
        let (Some(calling_convention), Some(flags), Some(count)) =
            (constant(), constant(), constant())
        else {
            return Err(not_one("it does not begin with three constants"));
        };
        let deopt = match u16::try_from(count) {
            Ok(count) if usize::from(count) <= locations.len() => (locations.clone(), count),
            _ => return Err(not_one("it has fewer deoptimisation values than it says")),
        };
        locations.skip_ahead(deopt.1);
        let roots = locations.clone();
        let is_object = |one: &Location| matches!(one, Location::Direct { .. });
        let last_root = roots.clone().enumerate().filter(|(_, one)| !is_object(one));
        let count = last_root.last().map_or(0, |(place, _)| place + 1);
        if count % 2 != 0 {
            return Err(not_one("its base and derived pointers are not pairs"));
        }
        let count = count as u16;
        locations.skip_ahead(count);
        Ok(Self {
            calling_convention,
            flags,
            deopt,
            roots: (roots, count),
            objects: locations,
        })
    }

    /// LLVM's number of the calling convention of the call.
    pub fn calling_convention(&self) -> u64 {
        self.calling_convention
    }

    /// The statepoint's flags: 1 for a transition to code that the collector doesn't know, 2 if
    /// deoptimisation values may be in registers.
    pub fn flags(&self) -> u64 {
        self.flags
    }

    /// The values of the operand bundle `deopt`.
    pub fn deopt_state(&self) -> impl Iterator<Item = Location> + use<'d> {
        let (locations, count) = self.deopt.clone();
        locations.take(count.into())
    }

    /// The roots: the base pointer of each, and the derived one, which is equal to it where the
    /// pointer isn't derived.
    pub fn roots(&self) -> impl Iterator<Item = (Location, Location)> + use<'d> {
        let (mut locations, count) = self.roots.clone();
        (0..count / 2).map_while(move |_| Some((locations.next()?, locations.next()?)))
    }

    /// The bytes' offset of the first root.
    pub(crate) fn roots_at(&self) -> usize {
        self.roots.0.at()
    }

    /// Addresses of variables on the stack that the statepoint was given as live.
    pub fn stack_objects(&self) -> Locations<'d> {
        self.objects.clone()
    }
}

/// A register that stack slots are relative to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BaseRegister {
    /// The stack pointer, as it is during the call: the address behind the return address.
    Rsp,
    /// The frame pointer, in frames whose size is known only at run time.
    Rbp,
    /// The base pointer, in such frames with variables of stricter alignment than the stack's. It
    /// is preserved by callees, so a stack walker finds it by the callees' frame descriptions.
    Rbx,
}

impl BaseRegister {
    const ALL: [Self; 3] = [Self::Rsp, Self::Rbp, Self::Rbx];

    /// DWARF's number of the register (System V psABI for x86-64, figure 3.36).
    pub fn dwarf_number(self) -> u16 {
        match self {
            Self::Rsp => 7,
            Self::Rbp => 6,
            Self::Rbx => 3,
        }
    }

    pub(crate) fn of_dwarf(number: u16) -> Result<Self, TableProblem> {
        let mut all = Self::ALL.into_iter();
        let found = all.find(|one| one.dwarf_number() == number);
        found.ok_or(TableProblem::BaseRegister(number))
    }

    pub(crate) fn code(self) -> u64 {
        self as u64
    }

    pub(crate) fn of_code(code: u64) -> Option<Self> {
        Self::ALL.get(code as usize).copied()
    }
}

/// A place in a frame. Its address is the register's value in that frame plus the offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StackSlot {
    /// The register.
    pub base: BaseRegister,
    /// What is added to it, in bytes.
    pub offset: i32,
}

/// A value of a safepoint's deoptimisation state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeoptValue {
    /// A constant, sign-extended to 64 bits.
    Constant(u64),
    /// The value lies in a stack slot.
    Slot {
        /// Where.
        slot: StackSlot,
        /// Its size in bytes.
        size: u16,
    },
    /// The value is the address of a variable on the stack.
    Address(StackSlot),
    /// The value is in a register: only with the statepoint's flag for that.
    Register {
        /// DWARF's number of the register.
        register: u16,
        /// The value's size in bytes.
        size: u16,
    },
}

impl DeoptValue {
    pub(crate) fn of(location: Location) -> Result<Self, TableProblem> {
        let slot = |register, offset| {
            let base = BaseRegister::of_dwarf(register)?;
            Ok(StackSlot { base, offset })
        };
        Ok(match location {
            Location::Register { register, size } => Self::Register { register, size },
            Location::Direct {
                register, offset, ..
            } => Self::Address(slot(register, offset)?),
            Location::Indirect {
                register,
                offset,
                size,
            } => Self::Slot {
                slot: slot(register, offset)?,
                size,
            },
            Location::Constant { value, .. } => Self::Constant(i64::from(value) as u64),
            Location::LargeConstant { value, .. } => Self::Constant(value),
        })
    }
}
