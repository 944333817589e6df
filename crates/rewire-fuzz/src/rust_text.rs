//! A value as Rust text.

use std::fmt::Debug;

use arbitrary::Arbitrary;

use crate::bytes;

/// The input that bytes stand for, as Rust text.
pub(crate) fn of_bytes<T>(bytes: &[u8]) -> Option<String>
where
    T: for<'a> Arbitrary<'a> + Debug,
{
    bytes::input::<T>(bytes).map(|input| rust_text(&input))
}

/// What a derived `Debug` prints, with `vec!` before lists: Rust, where the variants are imported.
fn rust_text(value: &impl Debug) -> String {
    format!("{value:?}").replace('[', "vec![")
}

#[cfg(test)]
mod tests {
    use super::rust_text;

    #[test]
    fn lists_are_vectors() {
        let value = (Some(-3), vec![vec!['a'], vec![]]);
        assert_eq!(rust_text(&value), "(Some(-3), vec![vec!['a'], vec![]])");
    }
}
