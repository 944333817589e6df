//! From a seed to the bytes that an input is built from, and on to the input.

use std::fmt::Debug;

use arbitrary::{Arbitrary, Unstructured};
use fastrand::Rng;

/// The longest string of bytes is twice this.
const LONGEST: usize = 1024;

/// The bytes of an input, by its number: short ones as often as long ones.
pub(crate) fn bytes(seed: u64, number: u64) -> Vec<u8> {
    let mut random = Rng::with_seed(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let most = (LONGEST >> random.usize(0..6)) * 2;
    let mut bytes = vec![0; random.usize(1..=most)];
    random.fill(&mut bytes);
    bytes
}

/// The input that the bytes stand for. `None` if they stand for none.
pub(crate) fn input<T>(bytes: &[u8]) -> Option<T>
where
    T: for<'a> Arbitrary<'a> + Debug,
{
    T::arbitrary(&mut Unstructured::new(bytes)).ok()
}
