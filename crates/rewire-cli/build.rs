//! Link options of the program.

fn main() {
    // Compiled code may be called, and compiled, while the process exits: a program's `atexit`
    // functions, its destructors. By then, exit would have destroyed LLVM's static objects.
    // References from this executable to the registration go to `__wrap___cxa_atexit` instead.
    println!("cargo:rustc-link-arg-bins=-Wl,--wrap=__cxa_atexit");
    // At a fixed address: relocating LLVM's tables took a tenth of the time to start.
    println!("cargo:rustc-link-arg-bins=-no-pie");
    println!("cargo:rerun-if-changed=build.rs");
}
