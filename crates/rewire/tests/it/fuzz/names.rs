//! The names that sequences are about.

/// Functions, in an order in which each may call those before it: those of the other library, those
/// of which there are copies, those that are made when they are called, frozen ones, and the rest.
pub(crate) const FUNCTIONS: [&str; 15] = [
    "g0", "g1", "g2", "w0", "w1", "l0", "l1", "z0", "z1", "f0", "f1", "f2", "f3", "f4", "f5",
];

/// Constants, a pointer to one of them, and variables.
pub(crate) const DATA: [&str; 6] = ["c0", "c1", "c2", "p", "v0", "v1"];

pub(crate) fn pick<'a>(names: &[&'a str], number: u8) -> &'a str {
    names[usize::from(number) % names.len()]
}

/// The functions of the other library, which the main one searches.
pub(crate) fn of_other_library() -> &'static [&'static str] {
    &FUNCTIONS[..3]
}

/// The functions of which there may be copies.
pub(crate) fn copied() -> &'static [&'static str] {
    &FUNCTIONS[3..5]
}

/// The functions that changes of the main library define.
pub(crate) fn of_main() -> &'static [&'static str] {
    &FUNCTIONS[5..]
}

/// The functions that a function may call.
pub(crate) fn before(name: &str) -> &'static [&'static str] {
    let at = FUNCTIONS.iter().position(|one| *one == name);
    &FUNCTIONS[..at.unwrap_or(0)]
}

pub(crate) fn all() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.into_iter().chain(DATA)
}

pub(crate) fn is_function(name: &str) -> bool {
    FUNCTIONS.contains(&name)
}

pub(crate) fn is_other(name: &str) -> bool {
    name.starts_with('g')
}

pub(crate) fn is_frozen(name: &str) -> bool {
    name.starts_with('z')
}
