//! Functions that compilers emit calls of, and that neither the C library nor libgcc_s has on
//! Debian 12: 16-byte atomics (libatomic's, GCC's "Atomic Library Interface") and conversions to
//! bfloat16 (psABI, section 3.1.2: a `__bf16` is passed in the low 16 bits of a vector register).

use std::arch::asm;

use rewire_memory::ExecAddr;

/// Puts the bits of a `__bf16` in the low bits of a vector register, where it is returned.
fn bf16(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits))
}

fn round_to_bf16(value: f32) -> u16 {
    let bits = value.to_bits();
    if value.is_nan() {
        return (bits >> 16) as u16 | 0x40;
    }
    // To nearest, ties to even.
    let half = 0x7fff + (bits >> 16 & 1);
    (bits.wrapping_add(half) >> 16) as u16
}

extern "C" fn truncate_single(value: f32) -> f32 {
    bf16(round_to_bf16(value))
}

extern "C" fn truncate_double(value: f64) -> f32 {
    bf16(round_to_bf16(round_to_odd(value)))
}

/// Rounds to single precision such that rounding the result once more is as if the value were
/// rounded once: an inexact result gets an odd last bit.
fn round_to_odd(value: f64) -> f32 {
    let nearest = value as f32;
    let back = f64::from(nearest);
    if value.is_nan() || back == value || nearest.to_bits() & 1 == 1 {
        return nearest;
    }
    // The neighbour on the other side of the value has an odd last bit.
    let bits = nearest.to_bits();
    let towards_zero = back.abs() > value.abs();
    f32::from_bits(if towards_zero { bits - 1 } else { bits + 1 })
}

/// Replaces `old` by `new` if the word holds `old`; otherwise returns what it holds.
///
/// # Safety
///
/// The caller must ensure that `at` is valid for reads and writes, and aligned to 16 bytes.
unsafe fn swap(at: *mut u128, old: u128, new: u128) -> Result<(), u128> {
    let (mut low, mut high) = (old as u64, (old >> 64) as u64);
    // SAFETY: as the caller promises. All but the first x86-64 processors have the instruction. The
    // compiler reserves %rbx, which is restored here (Intel SDM vol. 2, CMPXCHG16B).
    unsafe {
        asm!(
            "xchg {new_low}, rbx",
            "lock cmpxchg16b [{at}]",
            "mov rbx, {new_low}",
            at = in(reg) at,
            new_low = inout(reg) new as u64 => _,
            in("rcx") (new >> 64) as u64,
            inout("rax") low,
            inout("rdx") high,
            options(nostack),
        );
    }
    let held = u128::from(high) << 64 | u128::from(low);
    if held == old { Ok(()) } else { Err(held) }
}

/// Applies `change` to the word and returns what it held.
///
/// # Safety
///
/// The caller must ensure what [`swap`] requires.
unsafe fn update(at: *mut u128, change: impl Fn(u128) -> u128) -> u128 {
    let mut held = 0;
    loop {
        // SAFETY: as the caller promises.
        match unsafe { swap(at, held, change(held)) } {
            Ok(()) => return held,
            Err(now) => held = now,
        }
    }
}

unsafe extern "C" fn load(at: *mut u128, _order: i32) -> u128 {
    // SAFETY: the compiler that emits the call promises a valid, aligned word.
    unsafe { update(at, |held| held) }
}

unsafe extern "C" fn store(at: *mut u128, value: u128, _order: i32) {
    // SAFETY: as in `load`.
    unsafe { update(at, |_| value) };
}

unsafe extern "C" fn exchange(at: *mut u128, value: u128, _order: i32) -> u128 {
    // SAFETY: as in `load`.
    unsafe { update(at, |_| value) }
}

unsafe extern "C" fn compare_exchange(
    at: *mut u128,
    expected: *mut u128,
    new: u128,
    _success: i32,
    _failure: i32,
) -> bool {
    // SAFETY: as in `load`; `expected` is valid as well.
    unsafe {
        match swap(at, expected.read_unaligned(), new) {
            Ok(()) => true,
            Err(held) => {
                expected.write_unaligned(held);
                false
            }
        }
    }
}

macro_rules! fetch {
    ($($name:ident = $change:expr;)*) => {
        $(unsafe extern "C" fn $name(at: *mut u128, value: u128, _order: i32) -> u128 {
            let change: fn(u128, u128) -> u128 = $change;
            // SAFETY: as in `load`.
            unsafe { update(at, |held| change(held, value)) }
        })*
    };
}

fetch! {
    fetch_add = u128::wrapping_add;
    fetch_sub = u128::wrapping_sub;
    fetch_and = |held, value| held & value;
    fetch_or = |held, value| held | value;
    fetch_xor = |held, value| held ^ value;
    fetch_nand = |held, value| !(held & value);
}

/// Returns the address of the function with this name.
pub(crate) fn find(name: &str) -> Option<ExecAddr> {
    let address = match name {
        "__truncsfbf2" => truncate_single as *const () as u64,
        "__truncdfbf2" => truncate_double as *const () as u64,
        "__atomic_load_16" => load as *const () as u64,
        "__atomic_store_16" => store as *const () as u64,
        "__atomic_exchange_16" => exchange as *const () as u64,
        "__atomic_compare_exchange_16" => compare_exchange as *const () as u64,
        "__atomic_fetch_add_16" => fetch_add as *const () as u64,
        "__atomic_fetch_sub_16" => fetch_sub as *const () as u64,
        "__atomic_fetch_and_16" => fetch_and as *const () as u64,
        "__atomic_fetch_or_16" => fetch_or as *const () as u64,
        "__atomic_fetch_xor_16" => fetch_xor as *const () as u64,
        "__atomic_fetch_nand_16" => fetch_nand as *const () as u64,
        _ => return None,
    };
    Some(ExecAddr::new(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversions_round_once() {
        assert_eq!(round_to_bf16(1.0), 0x3f80);
        assert_eq!(
            round_to_bf16(f32::from_bits(0x3f80_8000)),
            0x3f80,
            "a tie, to even"
        );
        assert_eq!(
            round_to_bf16(f32::from_bits(0x3f81_8000)),
            0x3f82,
            "a tie, to even"
        );
        assert_eq!(round_to_bf16(f32::MAX), 0x7f80);
        // Just above a tie, by less than single precision can represent.
        let above = f64::from(f32::from_bits(0x3f80_8000)) * (1.0 + f64::EPSILON);
        assert_eq!(round_to_bf16(above as f32), 0x3f80);
        assert_eq!(round_to_bf16(round_to_odd(above)), 0x3f81);
        let below = f64::from(f32::from_bits(0x3f81_8000)) * (1.0 - f64::EPSILON);
        assert_eq!(round_to_bf16(round_to_odd(below)), 0x3f81);
    }
}
