//! Addresses in the executing process, kept apart from plain numbers by their type.

use std::fmt;
use std::ops::Add;

/// An address in the executing process, in bytes.
///
/// It is a number that is never dereferenced by this crate; it may lie in memory that does not
/// exist yet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ExecAddr(u64);

impl ExecAddr {
    /// The null address.
    pub const NULL: Self = Self(0);

    /// The address with this number.
    #[must_use]
    pub const fn new(address: u64) -> Self {
        Self(address)
    }

    /// The address as a number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Whether this is the null address.
    #[must_use]
    pub const fn is_null(self) -> bool {
        self.0 == 0
    }

    /// The address `delta` bytes on; `None` where it would leave the address space.
    #[must_use]
    pub const fn checked_add(self, delta: u64) -> Option<Self> {
        match self.0.checked_add(delta) {
            Some(address) => Some(Self(address)),
            None => None,
        }
    }

    /// The address `delta` bytes on or back; `None` where it would leave the address space.
    #[must_use]
    pub const fn checked_add_signed(self, delta: i64) -> Option<Self> {
        match self.0.checked_add_signed(delta) {
            Some(address) => Some(Self(address)),
            None => None,
        }
    }

    /// The signed distance in bytes from `base` to this address.
    ///
    /// It wraps: addresses more than half the address space apart come out with the other sign,
    /// which is how the processor adds them up as well.
    #[must_use]
    pub const fn offset_from(self, base: Self) -> i64 {
        self.0.wrapping_sub(base.0) as i64
    }

    /// The first address at or above this one that is a multiple of `align`, a power of two;
    /// `None` where it would leave the address space or `align` isn't a power of two.
    #[must_use]
    pub const fn align_up(self, align: u64) -> Option<Self> {
        if !align.is_power_of_two() {
            return None;
        }
        match self.0.checked_add(align - 1) {
            Some(end) => Some(Self(end & !(align - 1))),
            None => None,
        }
    }

    /// Whether the address is a multiple of `align`; never where `align` isn't a power of two.
    #[must_use]
    pub const fn is_aligned_to(self, align: u64) -> bool {
        align.is_power_of_two() && self.0 & (align - 1) == 0
    }
}

impl Add<u64> for ExecAddr {
    type Output = Self;

    /// The address `delta` bytes on, wrapping at the end of the address space, as the processor
    /// does; [`ExecAddr::checked_add`] tells of the wrap.
    fn add(self, delta: u64) -> Self {
        Self(self.0.wrapping_add(delta))
    }
}

/// Where a thing of this process is.
impl<T> From<*const T> for ExecAddr {
    fn from(pointer: *const T) -> Self {
        Self::new(pointer as u64)
    }
}

impl From<u64> for ExecAddr {
    fn from(address: u64) -> Self {
        Self(address)
    }
}

impl fmt::Display for ExecAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::Debug for ExecAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::LowerHex for ExecAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::LowerHex::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_wraps_or_says_so() {
        let top = ExecAddr::new(u64::MAX);
        assert_eq!(top + 1, ExecAddr::NULL);
        assert_eq!(top.checked_add(1), None);
        assert_eq!(top.align_up(16), None);
        assert_eq!(ExecAddr::new(17).align_up(16), Some(ExecAddr::new(32)));
        assert_eq!(ExecAddr::new(17).align_up(3), None);
        assert_eq!(ExecAddr::new(4).offset_from(ExecAddr::new(8)), -4);
        assert_eq!(ExecAddr::new(4).checked_add_signed(-5), None);
    }

    #[test]
    fn prints_as_hexadecimal() {
        let addr = ExecAddr::new(0x7f00);
        assert_eq!(
            format!("{addr} {addr:?} {addr:x} {addr:#x}"),
            "0x7f00 0x7f00 7f00 0x7f00"
        );
    }
}
