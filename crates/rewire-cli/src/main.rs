//! The `rewire` program: runs LLVM IR, each function compiled when it is first called.
//!
//! A thin layer over the `rewire` library: it reads the command line ([`args`]), turns files into
//! IR ([`input`], [`sources`]), finds libraries ([`libraries`]), tells what was done ([`report`],
//! [`trace`]), and looks after compiled code that is kept ([`cache`]). [`repl`] is the program's
//! interactive side.
//!
//! It has no `main` of Rust's, because the program that it runs has to find the process as a
//! native one would: SIGPIPE at its default, no handlers, no alternate stack.
#![no_main]

mod allocator;
mod archives;
mod args;
mod cache;
mod cache_folder;
mod color;
mod cpu;
mod debugging;
mod dump;
mod input;
mod inspect;
mod libraries;
mod limits;
mod link_order;
mod loader_end;
mod message;
mod output_file;
mod problem;
mod reload;
mod repl;
mod report;
mod run;
mod signals;
mod source_flags;
mod source_language;
mod source_time;
mod sources;
mod thread_end;
mod tier_log;
mod trace;
mod watch;

use std::ffi::{CStr, OsString, c_char, c_int, c_void};
use std::os::unix::ffi::OsStringExt;

/// Where the process starts. The program may end its first thread with `pthread_exit`, which
/// unwinds through here.
///
/// # Safety
///
/// The C library calls it, once, with what it promises to pass.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn main(
    argc: c_int,
    argv: *const *const c_char,
    envp: *const *const c_char,
) -> c_int {
    let started = report::process_start();
    let argc = usize::try_from(argc).unwrap_or(0);
    // SAFETY: there are `argc` pointers to C strings.
    let arguments = unsafe {
        let pointers = std::slice::from_raw_parts(argv, argc);
        let strings = pointers.iter().map(|one| CStr::from_ptr(*one));
        strings.map(|one| OsString::from_vec(one.to_bytes().to_vec()))
    };
    let code = match limits::with_enough_stack(|| args::parse(arguments)) {
        Ok(args::Invocation::Run(run)) => run::run(&run, started, envp),
        Ok(args::Invocation::Repl(asked)) => repl::repl(&asked, started),
        Ok(args::Invocation::Inspect(asked)) => inspect::inspect(&asked),
        Ok(args::Invocation::Cache(asked)) => cache::look_after(&asked),
        Err(code) => code,
    };
    loader_end::register();
    // SAFETY: it runs what the program registered and ends the process.
    unsafe { libc::exit(code) }
}

/// What C++ code in this executable calls to have static objects destroyed at exit (see
/// build.rs): that is LLVM, which has to work until the program's last function has run. The
/// process's end destroys them soon enough.
#[unsafe(no_mangle)]
extern "C" fn __wrap___cxa_atexit(
    _destructor: Option<extern "C" fn(*mut c_void)>,
    _object: *mut c_void,
    _library: *mut c_void,
) -> c_int {
    0
}
