//! Sequences of changes that nobody thought of.

mod input;
mod model;
mod module;
mod names;
mod trial;

use input::Sequence;

#[test]
fn each_name_is_what_the_changes_said() {
    rewire_fuzz::run(|sequence: &Sequence| trial::run(sequence));
}
