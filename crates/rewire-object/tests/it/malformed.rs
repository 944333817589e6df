//! Objects with bytes missing, and at odd addresses. `fuzz` damages them in other ways.

use crate::fuzz::damaged::{assembled, take_through};

#[test]
fn no_truncation_panics() {
    let bytes = assembled();
    for end in 0..=bytes.len() {
        take_through(&bytes[..end]);
    }
}

#[test]
fn any_address_will_do() {
    // Members of archives start at even addresses only; slices of files anywhere.
    let shifted = [&[0], assembled()].concat();
    assert!(rewire_object::parse("t", &shifted[1..]).is_ok());
}
