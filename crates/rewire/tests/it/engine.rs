//! Loading, looking up, and what goes wrong.

use rewire::{Engine, Error, ExecAddr, Level, Options};

use crate::support::Checked;

#[test]
fn nothing_is_compiled_before_it_is_called() {
    let checked = Checked::with(
        Level::O0,
        "declare void @nowhere()
         define i32 @called() {
           ret i32 5
         }
         define void @uncalled() {
           call void @nowhere()
           ret void
         }",
    );
    let called: extern "C" fn() -> i32 = checked.function("called");
    checked.engine.lookup("uncalled").unwrap();
    assert_eq!(checked.engine.report().functions_compiled, 0);
    assert_eq!(called(), 5);
    assert_eq!(called(), 5);
    let report = checked.engine.report();
    assert_eq!(report.functions_defined, 2);
    assert_eq!(report.functions_called, 1);
    assert_eq!(report.functions_compiled, 1);
    checked.verify();
}

#[test]
fn variables_are_found_and_shared_between_units() {
    let checked = Checked::with(
        Level::O0,
        "@x = external global i32
         define i32 @read() {
           %v = load i32, ptr @x
           ret i32 %v
         }",
    );
    checked
        .engine
        .add_ir("x.ll", b"@x = global i32 11\n@to_x = global ptr @x")
        .unwrap();
    let read: extern "C" fn() -> i32 = checked.function("read");
    assert_eq!(read(), 11);
    let x = checked.engine.lookup("x").unwrap();
    // SAFETY: it is an i32 of the engine's, and this thread alone uses it.
    unsafe { (x.get() as *mut i32).write(12) };
    assert_eq!(read(), 12);
    let to_x = checked.engine.lookup("to_x").unwrap();
    // SAFETY: it is a pointer of the engine's.
    let pointed = unsafe { (to_x.get() as *const u64).read() };
    assert_eq!(ExecAddr::new(pointed), x);
    checked.verify();
}

#[test]
fn a_unit_that_is_refused_leaves_nothing() {
    let checked = Checked::with(Level::O0, "define i32 @f() {\n ret i32 1\n}");
    let engine = &checked.engine;
    let error = engine
        .add_ir(
            "second.ll",
            b"define i32 @g() {\n ret i32 2\n}\ndefine i32 @f() {\n ret i32 3\n}",
        )
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "f is defined in test.ll and in second.ll"
    );
    assert!(matches!(engine.lookup("g"), Err(Error::Unknown { .. })));
    let f: extern "C" fn() -> i32 = checked.function("f");
    assert_eq!(f(), 1);
    engine
        .add_ir("third.ll", b"define i32 @g() {\n ret i32 4\n}")
        .unwrap();
    let g: extern "C" fn() -> i32 = checked.function("g");
    assert_eq!(g(), 4);
}

#[test]
fn errors_of_loading_say_what_and_where() {
    let engine = Engine::new(Options::default()).unwrap();
    let message = |bytes: &[u8]| engine.add_ir("m", bytes).unwrap_err().to_string();
    assert!(
        message(b"nonsense").starts_with("m:1:1: "),
        "{}",
        message(b"nonsense")
    );
    let other = message(b"target triple = \"riscv64-linux-gnu\"");
    assert!(other.contains("riscv64"), "{other}");
    let missing = engine.add_file("/nonexistent/x.bc".as_ref()).unwrap_err();
    assert!(missing.to_string().contains("/nonexistent/x.bc"));
}

#[test]
fn engines_are_independent_and_end() {
    for round in 0..20 {
        let ir = format!("define i32 @f() {{\n ret i32 {round}\n}}");
        let one = Checked::with(Level::O0, &ir);
        let two = Checked::with(Level::O0, "define i32 @f() {\n ret i32 -1\n}");
        let f: extern "C" fn() -> i32 = one.function("f");
        let other: extern "C" fn() -> i32 = two.function("f");
        assert_eq!((f(), other()), (round, -1));
    }
}

#[test]
fn compiling_everything_compiles_everything() {
    let checked = Checked::with(
        Level::O2,
        "define i32 @a() {
           %x = call i32 @b()
           ret i32 %x
         }
         define i32 @b() {
           ret i32 3
         }
         define internal i32 @c() {
           ret i32 4
         }",
    );
    checked.engine.compile_all().unwrap();
    assert_eq!(checked.engine.report().functions_compiled, 3);
    let a: extern "C" fn() -> i32 = checked.function("a");
    assert_eq!(a(), 3);
    assert_eq!(checked.engine.report().functions_called, 0);
    checked.verify();
}

/// Whoever reads a table of labels after the function that has them was compiled must not get a
/// copy of its value: the labels are another object's.
#[test]
fn a_table_of_labels_is_read_where_it_is() {
    for level in [Level::O0, Level::O2] {
        let checked = Checked::with(
            level,
            "@table = internal constant [2 x ptr] [ptr blockaddress(@jumper, %one),
                                                   ptr blockaddress(@jumper, %two)]
             define i32 @jumper(ptr %where) noinline {
             entry:
               indirectbr ptr %where, [label %one, label %two]
             one:
               ret i32 1
             two:
               ret i32 2
             }
             define i32 @jump() {
               %second = getelementptr inbounds [2 x ptr], ptr @table, i64 0, i64 1
               %where = load ptr, ptr %second
               %x = call i32 @jumper(ptr %where)
               ret i32 %x
             }",
        );
        let _jumper = checked.engine.main().pin("jumper").unwrap();
        let jump: extern "C" fn() -> i32 = checked.function("jump");
        assert_eq!(jump(), 2);
        checked.verify();
    }
}
