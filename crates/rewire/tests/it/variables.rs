//! A variable has one memory, which serves all who define it, declare it and use it.

use std::sync::{Arc, Barrier};
use std::thread;

use rewire::{Engine, Error, Level, TypeChange};

use crate::changes::{at_each_level, engine};
use crate::changing::{Plain, add, function, is_all_freed, reclaim_all, undo_all};

type Address = extern "C" fn() -> *mut i64;

/// A variable of four words, after a byte; functions that say where it is and that load it as a
/// vector.
fn words(linkage: &str, align: u32, plus: i64) -> String {
    format!(
        "@odd = {linkage}global i8 1\n\
         @words = {linkage}global [4 x i64] [i64 1, i64 2, i64 3, i64 4], align {align}\n\
         define ptr @where() {{\n ret ptr @words\n}}\n\
         define i64 @add() {{\n\
           %v = load <2 x i64>, ptr @words, align {align}\n\
           %w = add <2 x i64> %v, <i64 {plus}, i64 {plus}>\n\
           store <2 x i64> %w, ptr @words, align {align}\n\
           %r = extractelement <2 x i64> %w, i32 0\n\
           ret i64 %r\n}}"
    )
}

/// An engine whose next variables lie at odd multiples of eight, as far as that can be had.
fn unaligned(level: Level, undo_depth: usize) -> Engine {
    let engine = engine(level, undo_depth);
    add(
        &engine,
        "@w1 = global i64 1, align 8\n@w2 = global i64 2, align 8\n@w3 = global i64 3, align 8\n\
         define ptr @get1() {\n ret ptr @w1\n}\ndefine ptr @get3() {\n ret ptr @w3\n}",
    );
    function::<Address>(&engine, "get1")();
    function::<Address>(&engine, "get3")();
    engine
}

#[test]
fn a_variable_whose_alignment_is_raised_moves_with_its_value() {
    at_each_level(|level| {
        for (linkage, reloads) in [
            ("", false),
            ("internal ", false),
            ("internal ", true),
            ("", true),
        ] {
            let engine = unaligned(level, 0);
            let unit = add(&engine, &words(linkage, 8, 1));
            let address: Address = function(&engine, "where");
            let sum: extern "C" fn() -> i64 = function(&engine, "add");
            assert_eq!(sum(), 2);
            let before = address();
            // One that no former memory has by chance.
            let align = 1 << (before.addr().trailing_zeros() + 1);
            let new = words(linkage, align, 10);
            let change = |policy| {
                let mut change = engine.main().change();
                match reloads {
                    true => change.reload(unit, "new", new.as_bytes()),
                    false => change.define("new", new.as_bytes()),
                };
                change.on_type_change(policy);
                change.commit()
            };
            let error = change(TypeChange::Refuse).unwrap_err();
            assert!(
                matches!(&error, Error::Contract { name, .. } if &**name == "words"),
                "{error}"
            );
            assert!(error.to_string().contains("aligned"), "{error}");
            assert_eq!((sum(), address()), (3, before));
            change(TypeChange::Recompile).unwrap();
            assert_eq!(sum(), 13);
            assert_ne!(address(), before);
            assert_eq!(address().addr() % align as usize, 0);
            // SAFETY: the variable has four words.
            assert_eq!(unsafe { *address().add(3) }, 4);
            assert_eq!(reclaim_all(&engine), 0);
            assert_eq!(sum(), 23);
            // What asks for less stays where it is.
            let mut change = engine.main().change();
            change.define("less", words(linkage, 8, 100).as_bytes());
            change.commit().unwrap();
            assert_eq!(sum(), 123);
            assert_eq!(address().addr() % align as usize, 0);
        }
    });
}

#[test]
fn undoing_gives_a_variable_that_moved_its_former_place() {
    at_each_level(|level| {
        let engine = unaligned(level, 3);
        add(&engine, &words("", 8, 1));
        let address: Address = function(&engine, "where");
        let sum: extern "C" fn() -> i64 = function(&engine, "add");
        assert_eq!(sum(), 2);
        let before = address();
        let align = 1 << (before.addr().trailing_zeros() + 1);
        let mut change = engine.main().change();
        change.define("new", words("", align, 10).as_bytes());
        change.on_type_change(TypeChange::Recompile);
        change.commit().unwrap();
        assert_eq!(sum(), 12);
        undo_all(&engine);
        assert_eq!((address(), sum()), (before, 3));
    });
}

#[test]
fn a_constant_whose_alignment_is_raised_is_made_anew() {
    let table = |linkage: &str, align: u32| {
        format!(
            "@t = {linkage}constant [4 x i64] [i64 1, i64 2, i64 3, i64 4], align {align}\n\
             define ptr @where() {{\n ret ptr @t\n}}"
        )
    };
    at_each_level(|level| {
        for linkage in ["", "internal "] {
            let engine = unaligned(level, 0);
            add(&engine, &table(linkage, 8));
            let address: Address = function(&engine, "where");
            let align = 1 << (address().addr().trailing_zeros() + 1);
            let mut change = engine.main().change();
            change.define("new", table(linkage, align).as_bytes());
            change.commit().unwrap();
            assert_eq!(address().addr() % align as usize, 0);
            // SAFETY: the table has four words.
            assert_eq!(unsafe { *address().add(3) }, 4);
        }
    });
}

#[test]
fn a_variable_of_each_thread_is_aligned_as_its_code_relies_on() {
    let own = |align: u32| {
        format!(
            "@byte = thread_local global i8 1\n\
             @own = thread_local global [2 x i64] [i64 1, i64 2], align {align}\n\
             declare ptr @llvm.threadlocal.address.p0(ptr)\n\
             define ptr @where() {{\n %b = call ptr @llvm.threadlocal.address.p0(ptr @byte)\n\
               %p = call ptr @llvm.threadlocal.address.p0(ptr @own)\n\
               %v = load <2 x i64>, ptr %p, align {align}\n\
               store <2 x i64> %v, ptr %p, align {align}\n ret ptr %p\n}}"
        )
    };
    at_each_level(|level| {
        let engine = engine(level, 0);
        add(&engine, &own(8));
        let address: Address = function(&engine, "where");
        address();
        let mut change = engine.main().change();
        change.define("new", own(256).as_bytes());
        change.on_type_change(TypeChange::Recompile);
        change.commit().unwrap();
        assert_eq!(address().addr() % 256, 0);
        thread::scope(|scope| {
            let there = scope.spawn(move || function_address(address));
            assert_eq!(there.join().unwrap() % 256, 0);
        });
    });
}

fn function_address(address: Address) -> usize {
    address().addr()
}

/// A unit with a definition of `shared` of so many words, and a function that fills it.
fn filling(name: &str, linkage: &str, words: usize, align: u32) -> String {
    let value = match linkage {
        "common" | "thread_local weak" => "zeroinitializer".to_owned(),
        _ => format!("[{}]", vec!["i32 5"; words].join(", ")),
    };
    let linkage = match linkage.strip_prefix("thread_local ") {
        Some(linkage) => format!("{linkage} thread_local"),
        None => linkage.to_owned(),
    };
    format!(
        "@shared = {linkage} global [{words} x i32] {value}, align {align}\n\
         @{name}_after = internal global i32 7\n\
         define i32 @{name}() {{\n\
           %p = getelementptr i32, ptr @shared, i64 {last}\n\
           store i32 9, ptr %p\n\
           %a = load i32, ptr @{name}_after\n  %b = ptrtoint ptr @shared to i64\n\
           %c = and i64 %b, {mask}\n  %d = trunc i64 %c to i32\n\
           %r = add i32 %a, %d\n  ret i32 %r\n}}",
        last = words - 1,
        mask = align - 1,
    )
}

#[test]
fn of_several_definitions_the_memory_serves_all() {
    at_each_level(|level| {
        for linkage in ["common", "weak"] {
            for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2], [1, 2, 0]] {
                let units = [
                    filling("small", linkage, 2, 4),
                    filling("large", linkage, 40, 8),
                    filling("strict", linkage, 3, 128),
                ];
                let engine = engine(level, 0);
                for place in order {
                    add(&engine, &units[place]);
                }
                let all = ["small", "large", "strict"].map(|name| function::<Plain>(&engine, name));
                // Each brings its own neighbour, and none has been written over.
                assert_eq!(all.map(|one| one()), [7; 3], "{linkage} {order:?}");
                assert_eq!(all.map(|one| one()), [7; 3], "{linkage} {order:?}");
            }
        }
    });
}

#[test]
fn a_strong_definition_is_as_large_as_the_common_ones_beside_it() {
    at_each_level(|level| {
        let engine = engine(level, 0);
        add(&engine, &filling("large", "common", 40, 64));
        add(&engine, &filling("strong", "", 2, 4));
        let all = ["strong", "large"].map(|name| function::<Plain>(&engine, name));
        assert_eq!(all.map(|one| one()), [7; 2]);
        assert_eq!(all.map(|one| one()), [7; 2]);
        assert_eq!(engine.state("shared").unwrap().size, 8);
    });
}

#[test]
fn a_larger_definition_that_comes_too_late_is_refused() {
    at_each_level(|level| {
        for linkage in ["common", "weak"] {
            let engine = unaligned(level, 0);
            add(&engine, &filling("small", linkage, 2, 4));
            let small: Plain = function(&engine, "small");
            assert_eq!(small(), 7);
            let large = filling("large", linkage, 40, 4);
            let error = engine.add_ir("late", large.as_bytes()).unwrap_err();
            assert!(matches!(error, Error::Room { .. }), "{error}");
            assert!(error.to_string().contains("room for 8 bytes"), "{error}");
            let mut change = engine.main().change();
            change.define("late", large.as_bytes());
            let refused = change.commit();
            if linkage == "weak" {
                assert!(matches!(refused.unwrap_err(), Error::Room { .. }));
            } else {
                // Nobody but the client knows that it isn't a newer version.
                assert!(matches!(refused.unwrap_err(), Error::Contract { .. }));
            }
            assert_eq!(small(), 7);
            // One that needs no more than there is comes in.
            add(&engine, &filling("again", linkage, 2, 4));
            assert_eq!(function::<Plain>(&engine, "again")(), 7);
        }
    });
}

#[test]
fn variables_begin_anew_where_the_client_says_so() {
    at_each_level(|level| {
        let engine = engine(level, 5);
        add(
            &engine,
            "@n = global i32 1\n@p = global ptr @n\n@c = constant ptr @n\n\
             define i32 @next() {\n %v = load i32, ptr @n\n %w = add i32 %v, 1\n \
             store i32 %w, ptr @n\n ret i32 %v\n}\n\
             define i32 @by_constant() {\n %p = load ptr, ptr @c\n %v = load i32, ptr %p\n \
             ret i32 %v\n}",
        );
        let next: Plain = function(&engine, "next");
        let by_constant: Plain = function(&engine, "by_constant");
        function::<*const u8>(&engine, "p");
        assert_eq!((next(), next(), by_constant()), (1, 2, 3));
        let mut change = engine.main().change();
        change.define("kept", b"@n = global i32 50");
        assert!(change.commit().unwrap().replaced[0].pointers.is_empty());
        assert_eq!(next(), 3);
        let mut change = engine.main().change();
        change
            .define("anew", b"@n = global i32 50")
            .reset_variables();
        let changed = change.commit().unwrap();
        // What a variable holds by now is nobody's to change, and is told.
        assert_eq!(*changed.replaced[0].pointers, [Arc::from("p")]);
        assert_eq!((next(), by_constant()), (50, 51));
        engine.undo().unwrap();
        assert_eq!((next(), by_constant()), (4, 5));
        reclaim_all(&engine);
        assert_eq!(next(), 5);
    });
}

#[test]
fn objects_of_several_threads_rely_on_no_more_than_the_memory_has() {
    const ROUNDS: usize = if cfg!(debug_assertions) { 60 } else { 300 };
    let ir = "@odd = internal global i32 1\n\
         @some = internal global [5 x i32] [i32 1, i32 2, i32 3, i32 4, i32 5], align 4\n\
         define i32 @one() {\n %o = load volatile i32, ptr @odd\n\
           %p = getelementptr i32, ptr @some, i64 4\n %v = load volatile i32, ptr %p\n\
           %r = add i32 %v, %o\n ret i32 %r\n}\n\
         define i32 @all() {\n %v = load <4 x i32>, ptr @some, align 4\n\
           %w = add <4 x i32> %v, splat (i32 3)\n store <4 x i32> %w, ptr @some, align 4\n\
           %r = extractelement <4 x i32> %w, i32 3\n ret i32 %r\n}";
    let engine = engine(Level::O2, 0);
    for round in 0..ROUNDS {
        let library = engine.new_library(&format!("round {round}")).unwrap();
        library.add_ir("unit", ir.as_bytes()).unwrap();
        // SAFETY: they are of these types.
        let (one, all) = unsafe {
            let one = library.function::<Plain>("one").unwrap();
            (one, library.function::<Plain>("all").unwrap())
        };
        let barrier = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                barrier.wait();
                assert_eq!(one(), 6);
            });
            barrier.wait();
            assert_eq!(all(), 7);
        });
    }
}

const USER: &str = "@own = external KIND i32
    define i32 @next() {
      %old = load i32, ptr @own
      %new = add i32 %old, 1
      store i32 %new, ptr @own
      ret i32 %new
    }";

/// Code that was linked with a variable keeps that memory when the variable leaves, or gets other
/// memory, until the code itself leaves.
#[test]
fn who_uses_a_variable_that_left_keeps_its_memory() {
    for kind in ["thread_local global", "global"] {
        at_each_level(|level| {
            let engine = engine(level, 0);
            let defines = |name: &str, value: &str| format!("@{name} = {kind} {value}\n");
            add(&engine, &defines("own", "i32 5"));
            let user = add(&engine, &USER.replace("KIND", kind));
            let next: Plain = function(&engine, "next");
            assert_eq!(next(), 6);
            let mut change = engine.main().change();
            change.remove("own").force();
            change.commit().unwrap();
            engine.reclaim();
            // What was given back would be another's now.
            for other in 0..4 {
                let name = format!("other{other}");
                let reads = format!(
                    "define i32 @read{other}() {{ %v = load i32, ptr @{name} ret i32 %v }}"
                );
                add(&engine, &(defines(&name, "i32 70") + &reads));
                let read: Plain = function(&engine, &format!("read{other}"));
                assert_eq!(read(), 70);
            }
            assert_eq!(next(), 7, "{kind}");
            // Of another type, for who comes later.
            add(&engine, &defines("own", "i64 90"));
            engine.reclaim();
            assert_eq!(next(), 8, "{kind}");
            engine.remove_unit(user).unwrap();
            is_all_freed(&engine);
        });
    }
}
