//! Loads the C++ standard library for IR that needs it and doesn't name it.
//!
//! A compiler's driver links `libstdc++` to C++ programs. Bitcode doesn't say that it is C++, but
//! its names do: C++ names are mangled, and names of the C++ runtime have a prefix of their own
//! (Itanium C++ ABI, sections 2.2 and 5.1). The library is loaded before any code of the program
//! runs, as in a native program.

use rewire_llvm::Linkage;

use crate::base::demangle::is_of_rust;
use crate::core::Core;
use crate::host::symbols;
use crate::ledger::unit::Unit;
use crate::ledger::{Definition, LibraryId};

/// GCC's library, which clang uses on Linux too.
const LIBRARY: &str = "libstdc++.so.6";

/// A function that every C++ runtime has, and nothing else.
const PERSONALITY: &str = "__gxx_personality_v0";

/// Loads the C++ library if the module refers to names that only such a library can define and the
/// process has none yet. Any C++ library of the process (`-l c++`) will do.
pub(crate) fn load_if_needed(core: &Core, unit: &Unit) {
    let is_needed = unit.index.globals.iter().any(|global| {
        !global.is_definition
            && global.linkage == Linkage::External
            && is_of_cxx(&global.name)
            && is_undefined(core, unit.library, &global.name)
    });
    if !is_needed || super::host_symbol(PERSONALITY, false).is_some() {
        return;
    }
    match symbols::load_library(LIBRARY) {
        Ok(()) => tracing::info!(library = LIBRARY, "loaded for C++"),
        // A missing function is reported when it is called.
        Err(reason) => tracing::warn!(reason, "no C++ library"),
    }
}

fn is_undefined(core: &Core, library: LibraryId, name: &str) -> bool {
    let mut ledger = core.ledger();
    let Some(id) = ledger.find(library, name) else {
        return true;
    };
    ledger.asks_host(ledger.entry(id).library())
        && !ledger.import(id)
        && ledger.entry(id).definition() == Definition::None
}

fn is_of_cxx(name: &str) -> bool {
    let is_mangled = name.starts_with("_Z") && !is_of_rust(name);
    let of_runtime = ["__cxa_", "__gxx_", "__dynamic_cast"];
    // The C library defines some of the runtime's functions, for C programs.
    let of_libc = [
        "__cxa_atexit",
        "__cxa_at_quick_exit",
        "__cxa_finalize",
        "__cxa_thread_atexit_impl",
    ];
    is_mangled
        || of_runtime.iter().any(|prefix| name.starts_with(prefix)) && !of_libc.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_their_language() {
        for name in [
            "_ZNSt8ios_base4InitC1Ev",
            "_Znwm",
            "_ZTVN10__cxxabiv120__si_class_type_infoE",
            "__cxa_throw",
            "__dynamic_cast",
            "__gxx_personality_v0",
        ] {
            assert!(is_of_cxx(name), "{name}");
            assert!(!is_of_rust(name), "{name}");
        }
        for name in [
            "_ZN3std2rt19lang_start_internal17h8a3a5a62b0d1f9c4E",
            "_RNvCsdGlcNjb8Qj2_7___rustc12___rust_alloc",
        ] {
            assert!(is_of_rust(name), "{name}");
            assert!(!is_of_cxx(name), "{name}");
        }
        for name in ["printf", "__cxa_atexit", "_exit", "", "E", "_ZN3foo17hE"] {
            assert!(!is_of_rust(name), "{name}");
        }
        for name in ["printf", "__cxa_atexit", "_exit", ""] {
            assert!(!is_of_cxx(name), "{name}");
        }
    }
}
