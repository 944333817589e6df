//! Tables that nobody thought of.

mod exceptions;
mod safepoints;

use exceptions::{DamagedExceptions, Handlers};
use safepoints::{DamagedMap, Program};

#[test]
fn safepoints_are_found_as_they_were_written() {
    rewire_fuzz::run(|program: &Program| safepoints::find_all(program));
}

#[test]
fn damaged_stack_maps_are_errors() {
    rewire_fuzz::run(|damaged: &DamagedMap| safepoints::take_through(&damaged.bytes()));
}

#[test]
fn exceptions_go_where_they_were_written_to_go() {
    rewire_fuzz::run(|handlers: &Handlers| exceptions::ask_all(handlers));
}

#[test]
fn damaged_exception_tables_are_errors() {
    rewire_fuzz::run(|damaged: &DamagedExceptions| {
        exceptions::take_through(&damaged.bytes());
    });
}
