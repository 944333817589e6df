//! Objects that nobody thought of.

pub(crate) mod damaged;
mod input;
mod kinds;
mod oracle;
mod write;

use damaged::Damaged;
use input::Object;

#[test]
fn links_are_what_the_checker_computes() {
    rewire_fuzz::run(|object: &Object| oracle::link_and_check(object));
}

#[test]
fn damaged_objects_are_errors() {
    rewire_fuzz::run(|damaged: &Damaged| damaged::take_through(&damaged.bytes()));
}
