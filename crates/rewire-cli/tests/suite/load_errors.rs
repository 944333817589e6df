//! Names that nothing defines: exit code 70 when such a function is first called, with the names
//! of the function and its caller; 65 for what must be there before anything runs.

use std::sync::Arc;

use libtest_mimic::Trial;

use crate::support::{Bench, Folder, expect_code, expect_error, expect_stdout, finish};

const LATER: &[i32] = &[70];
const AT_LOAD: &[i32] = &[65];
/// `main` is compiled before the program runs, so either may be said of what it names itself.
const EITHER: &[i32] = &[65, 70];

trials!(trials);
fn trials(bench: &Arc<Bench>) -> Vec<Trial> {
    vec![
        bench.test("load_errors::called_deep", |f| called_deep(f, &[])),
        bench.test("load_errors::called_deep_O2", |f| {
            called_deep(f, &["-O", "2"])
        }),
    ]
}

trial!(called_from_main);
fn called_from_main(folder: &Folder) -> Result<(), String> {
    let path = folder.bitcode(
        "x",
        "int nowhere_function(int);\nint main(void) { return nowhere_function(1); }\n",
    )?;
    let outcome = finish(folder.rewire_run().arg(&path))?;
    expect_error(&outcome, LATER, &["nowhere_function", "main"])
}

/// The direct caller is named, and what was written before stays.
fn called_deep(folder: &Folder, options: &[&str]) -> Result<(), String> {
    let source = "
        long write(int, const void *, unsigned long);
        int nowhere_function(int);
        __attribute__((noinline)) static int direct_caller(int x) { return nowhere_function(x) + 1; }
        __attribute__((noinline)) int middle(int x) { return direct_caller(x) + 1; }
        int main(void) { write(1, \"before\\n\", 7); return middle(1); }\n";
    let path = folder.bitcode("x", source)?;
    let outcome = finish(folder.rewire_run().args(options).arg(&path))?;
    expect_error(&outcome, LATER, &["nowhere_function", "direct_caller"])?;
    expect_stdout(&outcome, "before\n")
}

trial!(called_by_pointer);
/// Here the caller can't be known by name from the use; the missing function still is.
fn called_by_pointer(folder: &Folder) -> Result<(), String> {
    let source = "
        int nowhere_function(int);
        int (*volatile pointer)(int) = nowhere_function;
        int main(void) { return pointer(1); }\n";
    let path = folder.bitcode("x", source)?;
    let outcome = finish(folder.rewire_run().arg(&path))?;
    expect_error(&outcome, LATER, &["nowhere_function"])
}

trial!(called_in_thread);
fn called_in_thread(folder: &Folder) -> Result<(), String> {
    let source = "
        #include <pthread.h>
        int nowhere_function(int);
        static void *in_thread(void *p) { nowhere_function(1); return p; }
        int main(void) {
            pthread_t t;
            pthread_create(&t, 0, in_thread, 0);
            pthread_join(t, 0);
            return 0;
        }\n";
    let path = folder.bitcode("x", source)?;
    let outcome = finish(folder.rewire_run().arg(&path))?;
    expect_error(&outcome, LATER, &["nowhere_function", "in_thread"])
}

trial!(called_in_constructor);
fn called_in_constructor(folder: &Folder) -> Result<(), String> {
    let source = "
        void nowhere_function(void);
        __attribute__((constructor)) static void early(void) { nowhere_function(); }
        int main(void) { return 0; }\n";
    let path = folder.bitcode("x", source)?;
    let outcome = finish(folder.rewire_run().arg(&path))?;
    expect_error(&outcome, LATER, &["nowhere_function", "early"])
}

trial!(second_call);
/// The first call of a function that exists works; only the path that is taken later fails.
fn second_call(folder: &Folder) -> Result<(), String> {
    let source = "
        long write(int, const void *, unsigned long);
        int nowhere_function(void);
        int sometimes(int x) { return x ? nowhere_function() : 7; }
        int main(void) {
            if (sometimes(0) == 7)
                write(1, \"seven\\n\", 6);
            return sometimes(1);
        }\n";
    let path = folder.bitcode("x", source)?;
    let outcome = finish(folder.rewire_run().arg(&path))?;
    expect_error(&outcome, LATER, &["nowhere_function", "sometimes"])?;
    expect_stdout(&outcome, "seven\n")
}

trial!(missing_data_in_main);
fn missing_data_in_main(folder: &Folder) -> Result<(), String> {
    let path = folder.bitcode(
        "x",
        "extern int nowhere_data;\nint main(void) { return nowhere_data; }\n",
    )?;
    let outcome = finish(folder.rewire_run().arg(&path))?;
    expect_error(&outcome, EITHER, &["nowhere_data"])?;
    let outcome = finish(folder.rewire_run().arg("--eager").arg(&path))?;
    expect_error(&outcome, AT_LOAD, &["nowhere_data"])
}

trial!(missing_data_later);
fn missing_data_later(folder: &Folder) -> Result<(), String> {
    let source = "
        long write(int, const void *, unsigned long);
        extern int nowhere_data;
        __attribute__((noinline)) int reader(void) { return nowhere_data; }
        int main(void) { write(1, \"before\\n\", 7); return reader(); }\n";
    let path = folder.bitcode("x", source)?;
    let outcome = finish(folder.rewire_run().arg(&path))?;
    expect_error(&outcome, LATER, &["nowhere_data", "reader"])?;
    expect_stdout(&outcome, "before\n")
}

trial!(missing_data_in_initialiser);
/// Data that is reached through the initialiser of other data.
fn missing_data_in_initialiser(folder: &Folder) -> Result<(), String> {
    let source = "
        extern int nowhere_data;
        int *pointer = &nowhere_data;
        int main(void) { return *pointer; }\n";
    let path = folder.bitcode("x", source)?;
    let outcome = finish(folder.rewire_run().arg(&path))?;
    expect_error(&outcome, EITHER, &["nowhere_data"])
}

trial!(body_rejected_when_called);
/// Inline assembly that no assembler takes: known only when the function is compiled.
fn body_rejected_when_called(folder: &Folder) -> Result<(), String> {
    let source = "
        long write(int, const void *, unsigned long);
        __attribute__((noinline)) void rejected(void) { __asm__ volatile(\"no_such_instruction %rax\"); }
        int main(int argc, char **argv) {
            write(1, \"before\\n\", 7);
            if (argc > 1)
                rejected();
            return 5;
        }\n";
    let path = folder.bitcode("x", source)?;
    let outcome = finish(folder.rewire_run().arg(&path))?;
    expect_code(&outcome, &[5])?;
    expect_stdout(&outcome, "before\n")?;
    let outcome = finish(folder.rewire_run().arg(&path).args(["--", "x"]))?;
    expect_error(&outcome, LATER, &["rejected", "no_such_instruction"])?;
    expect_stdout(&outcome, "before\n")
}

trial!(missing_uncalled);
/// What is never called may be missing, data included.
fn missing_uncalled(folder: &Folder) -> Result<(), String> {
    let source = "
        extern int nowhere_data;
        int nowhere_function(int);
        int never(int x) { return nowhere_function(x) + nowhere_data; }
        int main(int argc, char **argv) { return argc > 5 ? never(argc) : 4; }\n";
    let path = folder.bitcode("x", source)?;
    expect_code(&finish(folder.rewire_run().arg(&path))?, &[4])
}
