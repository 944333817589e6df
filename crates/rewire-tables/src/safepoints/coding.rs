//! How root sets and deoptimisation states are written: as unsigned LEB128 numbers.
//!
//! ```text
//! set      roots, stack objects, root..., slot...
//! root     location [location of the derived pointer]
//!          the first number of the base's location has bit 2 set if there is another one
//! location slot: register (bits 0 and 1), offset from bit 3 on, zigzag; constant: 3, the constant
//! deopt    values, value...; a value is a kind, then its parts
//! ```

use super::root::{Root, RootLocation};
use crate::statepoint::{BaseRegister, DeoptValue, StackSlot};

const CONSTANT: u64 = 3;
const DERIVED: u64 = 4;

pub(super) fn write_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

pub(super) fn read_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    let mut shift = 0;
    loop {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(first & 0x7f).checked_shl(shift)?;
        if first & 0x80 == 0 {
            return Some(number);
        }
        shift += 7;
    }
}

fn zigzag(offset: i32) -> u64 {
    u64::from(((offset << 1) ^ (offset >> 31)) as u32)
}

fn unzigzag(number: u64) -> i32 {
    let number = number as u32;
    (number >> 1) as i32 ^ -((number & 1) as i32)
}

fn write_location(bytes: &mut Vec<u8>, location: RootLocation, mark: u64) {
    match location {
        RootLocation::Slot(slot) => {
            write_number(bytes, zigzag(slot.offset) << 3 | slot.base.code() | mark);
        }
        RootLocation::Constant(value) => {
            write_number(bytes, CONSTANT | mark);
            write_number(bytes, value);
        }
    }
}

/// A location, and whether it is marked.
fn read_location(bytes: &mut &[u8]) -> Option<(RootLocation, bool)> {
    let number = read_number(bytes)?;
    let location = match BaseRegister::of_code(number & 3) {
        Some(base) => RootLocation::Slot(StackSlot {
            base,
            offset: unzigzag(number >> 3),
        }),
        None => RootLocation::Constant(read_number(bytes)?),
    };
    Some((location, number & DERIVED != 0))
}

pub(super) fn write_root(bytes: &mut Vec<u8>, root: Root) {
    let is_derived = root.is_derived();
    write_location(bytes, root.base, if is_derived { DERIVED } else { 0 });
    if is_derived {
        write_location(bytes, root.derived, 0);
    }
}

pub(super) fn read_root(bytes: &mut &[u8]) -> Option<Root> {
    let (base, is_derived) = read_location(bytes)?;
    let derived = match is_derived {
        true => read_location(bytes)?.0,
        false => base,
    };
    Some(Root { base, derived })
}

pub(super) fn write_slot(bytes: &mut Vec<u8>, slot: StackSlot) {
    write_location(bytes, RootLocation::Slot(slot), 0);
}

pub(super) fn read_slot(bytes: &mut &[u8]) -> Option<StackSlot> {
    read_location(bytes)?.0.slot()
}

pub(super) fn write_set(roots: &[Root], objects: &[StackSlot]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_number(&mut bytes, roots.len() as u64);
    write_number(&mut bytes, objects.len() as u64);
    for root in roots {
        write_root(&mut bytes, *root);
    }
    for object in objects {
        write_slot(&mut bytes, *object);
    }
    bytes
}

/// The numbers of roots and of stack objects, which a set begins with.
pub(super) fn read_counts(bytes: &mut &[u8]) -> [u64; 2] {
    [(); 2].map(|()| read_number(bytes).unwrap_or(0))
}

pub(super) fn write_deopt(bytes: &mut Vec<u8>, value: DeoptValue) {
    match value {
        DeoptValue::Constant(value) => {
            write_number(bytes, 0);
            write_number(bytes, value);
        }
        DeoptValue::Slot { slot, size } => {
            write_number(bytes, 1);
            write_number(bytes, size.into());
            write_slot(bytes, slot);
        }
        DeoptValue::Address(slot) => {
            write_number(bytes, 2);
            write_slot(bytes, slot);
        }
        DeoptValue::Register { register, size } => {
            write_number(bytes, 3);
            write_number(bytes, size.into());
            write_number(bytes, register.into());
        }
    }
}

pub(super) fn read_deopt(bytes: &mut &[u8]) -> Option<DeoptValue> {
    Some(match read_number(bytes)? {
        0 => DeoptValue::Constant(read_number(bytes)?),
        1 => {
            let size = read_number(bytes)? as u16;
            let slot = read_slot(bytes)?;
            DeoptValue::Slot { slot, size }
        }
        2 => DeoptValue::Address(read_slot(bytes)?),
        _ => {
            let size = read_number(bytes)? as u16;
            let register = read_number(bytes)? as u16;
            DeoptValue::Register { register, size }
        }
    })
}
