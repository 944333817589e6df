//! Damage to a file's bytes.

use arbitrary::Arbitrary;

use crate::list;

/// What is done to the bytes of a file: they are edited, then cut off.
#[derive(Arbitrary, Clone, Debug)]
pub struct Damage {
    /// What is edited.
    #[arbitrary(with = list::<_, 8>)]
    pub edits: Vec<Edit>,
    /// How much is left, in parts of 65,536; everything if `None`.
    pub left: Option<u16>,
}

/// An edit. Each place is taken modulo what there is.
#[derive(Arbitrary, Clone, Debug)]
pub enum Edit {
    /// A bit becomes another one.
    Flip {
        /// The byte's place.
        at: u32,
        /// The number of the bit.
        bit: u8,
    },
    /// A byte becomes another one.
    Byte {
        /// Its place.
        at: u32,
        /// What it becomes.
        value: u8,
    },
    /// A number of 8 bytes, at a multiple of 4, becomes one at which arithmetic breaks.
    Number {
        /// Its place, in units of 4 bytes.
        at: u32,
        /// The power of two that it is near.
        power: u8,
        /// What is added to that.
        add: i8,
    },
    /// As `Number`, among the last 1,024 bytes: section headers stand there.
    NumberNearEnd {
        /// Its place, in units of 4 bytes.
        at: u8,
        /// The power of two that it is near.
        power: u8,
        /// What is added to that.
        add: i8,
    },
}

impl Damage {
    /// Does it.
    pub fn apply(&self, bytes: &mut Vec<u8>) {
        for edit in &self.edits {
            edit.apply(bytes);
        }
        if let Some(left) = self.left {
            bytes.truncate((bytes.len() * usize::from(left)) >> 16);
        }
    }
}

impl Edit {
    fn apply(&self, bytes: &mut [u8]) {
        let length = bytes.len();
        if length < 8 {
            return;
        }
        match *self {
            Self::Flip { at, bit } => bytes[at as usize % length] ^= 1 << (bit % 8),
            Self::Byte { at, value } => bytes[at as usize % length] = value,
            Self::Number { at, power, add } => {
                put(bytes, at as usize * 4 % (length - 7), power, add);
            }
            Self::NumberNearEnd { at, power, add } => {
                put(
                    bytes,
                    length.saturating_sub(8 + usize::from(at) * 4),
                    power,
                    add,
                );
            }
        }
    }
}

fn put(bytes: &mut [u8], at: usize, power: u8, add: i8) {
    let number = (1_u64 << (power % 64)).wrapping_add_signed(add.into());
    bytes[at & !3..][..8].copy_from_slice(&number.to_le_bytes());
}
