//! Demangling of C++ and Rust symbol names.

/// Demangles a symbol name: C++ names by the Itanium ABI (chapter 5.1), Rust names by both of
/// rustc's schemes (without the hash). Returns any other name unchanged.
///
/// ```
/// assert_eq!(rewire::demangle("_ZN5shape4areaEd"), "shape::area(double)");
/// assert_eq!(rewire::demangle("_RNvC5shape4area"), "shape::area");
/// assert_eq!(rewire::demangle("main"), "main");
/// ```
#[must_use]
pub fn demangle(name: &str) -> String {
    if let Ok(rust) = rustc_demangle::try_demangle(name) {
        return format!("{rust:#}");
    }
    let is_cpp = name.starts_with("_Z");
    let parsed = is_cpp.then(|| cpp_demangle::Symbol::new(name).ok());
    let text = parsed.flatten().and_then(|symbol| symbol.demangle().ok());
    text.unwrap_or_else(|| name.to_owned())
}

/// Whether rustc mangled the name. In rustc's older scheme, names begin like those of C++ and end
/// with a hash (`17h`, 16 digits, `E`); in the newer scheme they begin with `_R`.
pub(crate) fn is_of_rust(name: &str) -> bool {
    let hash = name
        .strip_suffix('E')
        .and_then(|rest| rest.len().checked_sub(19).and_then(|at| rest.get(at..)))
        .and_then(|end| end.strip_prefix("17h"));
    name.starts_with("_R")
        || name.starts_with("_ZN")
            && hash.is_some_and(|hash| hash.bytes().all(|digit| digit.is_ascii_hexdigit()))
}
