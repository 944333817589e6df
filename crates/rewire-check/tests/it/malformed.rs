//! Objects that are cut off or damaged give an error or differences, never a panic. `fuzz` damages
//! them in other ways.

use crate::link::Link;
use crate::sources::{c, fixed, shared};

pub(crate) fn links() -> [Link; 3] {
    let pic = ["gcc", "-O1", "-fPIC", "-ffunction-sections"];
    [fixed(&[]), shared(), c(&pic, &["-shared", "-Bsymbolic"])]
}

#[test]
fn an_object_that_is_cut_off_is_an_error() {
    for link in links() {
        for part in 0..64 {
            let mut cut = link.clone();
            cut.object.truncate(link.object.len() * part / 64);
            // The section headers come last.
            assert!(cut.try_check().is_err(), "{part}/64");
        }
    }
}

#[test]
fn no_extreme_byte_in_the_headers_panics() {
    let link = shared();
    let tail = link.object.len() - 12 * 64..link.object.len();
    for at in (0..64).chain(tail) {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut damaged = link.clone();
            damaged.object[at] = value;
            let _ = damaged.try_check();
        }
    }
}

#[test]
fn what_the_caller_says_is_looked_at() {
    let link = fixed(&[]);
    let mut wrong = link.clone();
    wrong.sections.insert(9999, 0);
    assert_eq!(
        wrong.try_check().unwrap_err().to_string(),
        "section 9999: the object has no such section"
    );
    let mut wrong = link.clone();
    wrong.symbols.insert(9999, rewire_check::Meaning::Null);
    assert_eq!(
        wrong.try_check().unwrap_err().to_string(),
        "symbol 9999: the object has no such symbol"
    );
    let mut wrong = link.clone();
    let first = wrong.memory[0].clone();
    wrong.memory.push((first.0 + 1, first.1));
    assert!(
        wrong
            .try_check()
            .unwrap_err()
            .to_string()
            .contains("overlaps")
    );
    let mut wrong = link.clone();
    wrong.memory.push((u64::MAX - 3, vec![0; 8]));
    assert!(wrong.try_check().unwrap_err().to_string().contains("wraps"));
}
