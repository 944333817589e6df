//! Object files as units.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rewire::{Archive, Engine, Error, Level, OptLevel, Options, UseAspect};

use crate::changing::reclaim_all;
use crate::support::{Checked, on_fresh_stack};

type Plain = extern "C" fn() -> i32;

/// What a compiler makes of C.
pub(crate) fn object(compiler: &[&str], source: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("source.c"), source).unwrap();
    let made = Command::new(compiler[0])
        .args(&compiler[1..])
        .arg("-c")
        .arg(path("source.c"))
        .arg("-o")
        .arg(path("made.o"))
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    std::fs::read(path("made.o")).unwrap()
}

const CLANG: &[&str] = &["clang-22", "-O1", "-fPIC"];
const GCC: &[&str] = &["gcc", "-O2", "-fPIC"];
/// Of gcc, whose callers may rely on what their callees do.
const GCC_PIE: &[&str] = &["gcc", "-O2", "-fPIE"];

/// A function that others call: from within its file and from outside.
const CALLED: &str = "int leaf(void) { return 1; }
    __attribute__((noinline)) int calls(void) { return leaf() + 10; }
    int (*pointer(void))(void) { return leaf; }
    int kept = 5;";

const CALLER: &str = "declare i32 @leaf()
    declare ptr @pointer()
    @kept = external global i32
    define i32 @outside() {
      %a = call i32 @leaf()
      %k = load i32, ptr @kept
      %b = add i32 %a, %k
      ret i32 %b
    }
    define i32 @by_pointer() {
      %p = call ptr @pointer()
      %a = call i32 %p()
      ret i32 %a
    }";

fn with_noinline(source: &str) -> String {
    format!("__attribute__((noinline, noclone)) int leaf(void);\n{source}")
}

#[test]
fn callers_follow_a_replacement() {
    for compiler in [CLANG, GCC] {
        // Above level 0, clang takes a definition that it sees for the one that counts.
        let source = CALLED.replace(
            "int leaf(void) {",
            "extern int given; int leaf(void) { if (given) return given;",
        );
        let source = format!("int given; {}", with_noinline(&source));
        let checked = Checked::with_options(Options {
            level: OptLevel::Fixed(Level::O1),
            undo_depth: 1,
            ..Options::default()
        });
        let engine = &checked.engine;
        engine
            .add_object("called.o", object(compiler, &source))
            .unwrap();
        engine.add_ir("caller.ll", CALLER).unwrap();
        let named = |name| checked.function::<Plain>(name);
        let [leaf, calls, outside, by_pointer] =
            ["leaf", "calls", "outside", "by_pointer"].map(named);
        assert_eq!([leaf(), calls(), outside(), by_pointer()], [1, 11, 6, 1]);
        engine
            .replace("leaf", "define i32 @leaf() {\n ret i32 2\n}")
            .unwrap();
        assert_eq!([leaf(), calls(), outside(), by_pointer()], [2, 12, 7, 2]);
        engine.undo().unwrap();
        assert_eq!([leaf(), calls(), outside(), by_pointer()], [1, 11, 6, 1]);
        checked.verify();
    }
}

#[test]
fn what_gcc_compiled_together_stays_together() {
    let checked = Checked::new(Level::O1);
    let engine = &checked.engine;
    engine
        .add_object("called.o", object(GCC_PIE, &with_noinline(CALLED)))
        .unwrap();
    engine.add_ir("caller.ll", CALLER).unwrap();
    let named = |name| checked.function::<Plain>(name);
    let [calls, outside, by_pointer] = ["calls", "outside", "by_pointer"].map(named);
    assert_eq!([calls(), outside(), by_pointer()], [11, 6, 1]);
    engine
        .replace("leaf", "define i32 @leaf() {\n ret i32 2\n}")
        .unwrap();
    assert_eq!([calls(), outside(), by_pointer()], [11, 7, 2]);
    checked.verify();
}

#[test]
fn a_copy_takes_over_when_the_unit_with_the_other_leaves() {
    let source = "__attribute__((weak)) int shared(void) { return VALUE; }
        __attribute__((weak)) int number = VALUE + 1;
        int NAME(void) { return shared() * 100 + number; }";
    let make = |name: &str, value: &str| {
        let source = source.replace("NAME", name).replace("VALUE", value);
        object(CLANG, &source)
    };
    let checked = Checked::new(Level::O1);
    let engine = &checked.engine;
    let first = engine.add_object("first.o", make("first", "1")).unwrap();
    engine.add_object("second.o", make("second", "3")).unwrap();
    let [first_is, second_is, shared] =
        ["first", "second", "shared"].map(|name| checked.function::<Plain>(name));
    assert_eq!([first_is(), second_is(), shared()], [102, 102, 1]);
    engine.remove_unit(first).unwrap();
    // A variable keeps its value.
    assert_eq!([second_is(), shared()], [302, 3]);
    checked.verify();
}

#[test]
fn a_removed_object_leaves_nothing() {
    on_fresh_stack(|| {
        let engine = Engine::new(Options {
            undo_depth: 0,
            ..Options::default()
        });
        let engine = engine.unwrap();
        let source = "static int count; static int next(void) { return ++count; }
            int counts(void) { return next(); }";
        let bytes = object(GCC, source);
        let mut held = None;
        for _ in 0..4 {
            let unit = engine.add_object("counts.o", bytes.clone()).unwrap();
            // SAFETY: it has this type.
            let counts = unsafe { engine.main().function::<Plain>("counts").unwrap() };
            assert_eq!([counts(), counts()], [1, 2]);
            drop(counts);
            engine.remove_unit(unit).unwrap();
            reclaim_all(&engine);
            let report = engine.report();
            let now = (report.code_bytes, report.data_bytes);
            assert_eq!(*held.get_or_insert(now), now);
        }
    });
}

#[test]
fn an_object_is_linked_once_whoever_needs_it() {
    let source = "static int count; int variable = 7; int __attribute__((weak)) extra;
        int one(void) { return ++count; } int two(void) { return ++count; }
        int three(void) { return ++count; } int four(void) { return ++count; }";
    let bytes = object(GCC, source);
    for _ in 0..30 {
        let engine = Engine::new(Options::default()).unwrap();
        engine.add_object("counts.o", bytes.clone()).unwrap();
        let begin = AtomicBool::new(false);
        thread::scope(|scope| {
            for name in ["one", "two", "three", "four"] {
                let (engine, begin) = (&engine, &begin);
                scope.spawn(move || {
                    // SAFETY: it has this type; the counting may race, but not tear.
                    let function = unsafe { engine.main().function::<Plain>(name).unwrap() };
                    while !begin.load(Ordering::Relaxed) {}
                    function();
                    let variable = engine.main().data::<i32>("variable").unwrap();
                    // SAFETY: nobody writes to it.
                    assert_eq!(unsafe { variable.read() }, 7);
                });
            }
            begin.store(true, Ordering::Relaxed);
        });
        assert_eq!(engine.report().functions_defined, 4);
    }
}

#[test]
fn what_cannot_be_linked_is_an_error_that_names_it() {
    let engine = Engine::new(Options::default()).unwrap();
    let refused = |source: &str, compiler: &[&str]| {
        let unit = engine
            .add_object("bad.o", object(compiler, source))
            .unwrap();
        let error = engine.main().pin("here").map(|_| ()).unwrap_err();
        engine.remove_unit(unit).unwrap();
        error.to_string()
    };
    let missing = refused(
        "extern int nowhere; int here(void) { return nowhere; }",
        GCC,
    );
    assert_eq!(missing, "bad.o: nowhere is used and nothing defines it");
    let thread = refused(
        "static __thread int own; int here(void) { return ++own; }",
        GCC_PIE,
    );
    assert!(thread.contains("R_X86_64_TPOFF32"), "{thread}");
    assert!(
        thread.contains("own") && thread.contains("-fPIC"),
        "{thread}"
    );
    let wide = refused(
        "int table[9]; int here(void) { return (int)(long)table; }",
        &["gcc", "-O2", "-fno-pic"],
    );
    assert!(wide.contains("R_X86_64_32"), "{wide}");
    assert!(wide.contains("table"), "{wide}");

    let lto = engine.add_object(
        "lto.o",
        object(&["gcc", "-flto"], "int f(void) { return 1; }"),
    );
    let lto = lto.unwrap_err().to_string();
    assert!(lto.contains("-ffat-lto-objects"), "{lto}");
    assert!(matches!(
        engine.add_object("text.o", *b"no object"),
        Err(Error::Object(_))
    ));
    assert!(matches!(
        engine.add_object_file(Path::new("/nowhere.o")),
        Err(Error::Read { .. })
    ));
    engine
        .add_object("one.o", object(GCC, "int f(void) { return 1; }"))
        .unwrap();
    let twice = engine.add_object("two.o", object(GCC, "int f(void) { return 2; }"));
    assert!(matches!(twice, Err(Error::Duplicate { .. })));
    let ir = engine.main().ir("f").unwrap_err().to_string();
    assert!(ir.contains("machine code"), "{ir}");
}

#[test]
fn a_function_that_is_only_called_may_be_missing() {
    let checked = Checked::new(Level::O1);
    let engine = &checked.engine;
    let source = "int later(void); int here(int x) { return x ? later() : 4; }";
    engine.add_object("here.o", object(GCC, source)).unwrap();
    let here: extern "C" fn(i32) -> i32 = checked.function("here");
    assert_eq!(here(0), 4);
    engine
        .add_ir("later.ll", "define i32 @later() {\n ret i32 6\n}")
        .unwrap();
    assert_eq!(here(1), 6);
    let state = engine.state("later").unwrap();
    assert_eq!(state.users.len(), 1);
    assert_eq!(state.users[0].aspect, UseAspect::Slot);
    assert_eq!(state.users[0].name.as_deref(), Some("here"));
    checked.verify();
}

#[test]
fn an_archive_gives_what_units_need_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let member = |name: &str, source: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, object(GCC, source)).unwrap();
        path
    };
    let members = [
        member("f.o", "int g(void); int f(void) { return g() + 1; }"),
        member("g.o", "int g(void) { return 10; }"),
        member("h.o", "int h(void) { return 7; }"),
    ];
    let path = folder.path().join("lib.a");
    let made = Command::new("ar")
        .arg("rcs")
        .arg(&path)
        .args(members)
        .output();
    assert!(made.unwrap().status.success());

    let archive = Archive::open(&path).unwrap();
    assert_eq!(archive.members().collect::<Vec<_>>(), ["f.o", "g.o", "h.o"]);
    let checked = Checked::new(Level::O1);
    let (engine, main) = (&checked.engine, checked.engine.main());
    assert_eq!(main.add_archive(&archive).unwrap(), []);
    engine
        .add_ir(
            "caller.ll",
            "declare i32 @f()
            define i32 @calls() {
              %a = call i32 @f()
              ret i32 %a
            }",
        )
        .unwrap();
    assert_eq!(main.add_archive(&archive).unwrap().len(), 2);
    assert_eq!(main.add_archive(&archive).unwrap(), []);
    assert_eq!(checked.function::<Plain>("calls")(), 11);
    assert!(engine.lookup("h").is_err());
    let units = main.add_whole_archive(&archive);
    assert!(matches!(units, Err(Error::Duplicate { .. })));
    // Another library is another program.
    let other = engine.new_library("other").unwrap();
    assert_eq!(other.add_whole_archive(&archive).unwrap().len(), 3);
    checked.verify();

    let bytes = std::fs::read(&path).unwrap();
    for end in 0..bytes.len() {
        // Whatever is cut off, it is an error or has fewer members.
        if let Ok(archive) = Archive::new("cut.a", &bytes[..end]) {
            assert!(archive.members().count() < 3 || end + 2 > bytes.len());
        }
    }
}
