//! Link options of the program.

fn main() {
    // Compiled code may be called, and compiled, while the process exits: a program's `atexit`
    // functions, its destructors. By then, exit would have destroyed LLVM's static objects.
    // References from this executable to the registration go to `__wrap___cxa_atexit` instead.
    println!("cargo:rustc-link-arg-bins=-Wl,--wrap=__cxa_atexit");
    // When libraries' destructors run at exit: see src/loader_end.rs.
    println!("cargo:rustc-link-arg-bins=-Wl,--wrap=__libc_start_main");
    // What this executable registers for the end of a thread: see src/thread_end.rs.
    println!("cargo:rustc-link-arg-bins=-Wl,--wrap=__cxa_thread_atexit_impl");
    // Reading bodies that have debug information, see shim/locations.cpp of rewire-llvm.
    println!(
        "cargo:rustc-link-arg-bins=-Wl,--wrap=\
         _ZN4llvm10DILocation7getImplERNS_11LLVMContextEjjPNS_8MetadataES4_bmhNS3_11StorageTypeEb"
    );
    // At a fixed address: relocating LLVM's tables took a tenth of the time to start.
    println!("cargo:rustc-link-arg-bins=-no-pie");
    // The program that it runs shall find zlib's or libstdc++'s names in the shared libraries
    // alone, never half of them in the copies that LLVM is linked with. The unwinder has to find
    // one.
    if let Ok(here) = std::env::var("CARGO_MANIFEST_DIR") {
        println!("cargo:rustc-link-arg-bins=-Wl,--version-script={here}/exports.map");
    }
    // The constructors of LLVM's static objects run when LLVM is first used: half of the time to
    // start a program that needs none. They do so with ld and lld; mold has no such scripts.
    if let Ok(here) = std::env::var("CARGO_MANIFEST_DIR") {
        println!("cargo:rustc-link-arg-bins=-Wl,-T,{here}/llvm_constructors.ld");
    }
    println!("cargo:rerun-if-changed=llvm_constructors.ld");
    println!("cargo:rerun-if-changed=exports.map");
    println!("cargo:rerun-if-changed=build.rs");
}
