//! What has to be in memory before code of a unit runs: whoever calls it finds that there,
//! whichever thread put it there, and what is removed before it was put there never comes.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use rewire::{Answer, Engine, EntryKind, Error, Options, Request};

use crate::changing::{Plain, add, function};
use crate::stress::duration;

#[test]
fn assembly_of_a_unit_that_is_removed_meanwhile_defines_nothing() {
    let engine = Engine::new(Options::default()).unwrap();
    let unit = Arc::new(Mutex::new(None));
    let (other, added) = (engine.clone(), unit.clone());
    engine.main().resolve_with(move |request: &Request<'_>| {
        if request.name != "needed" {
            return None;
        }
        if let Some(unit) = added.lock().unwrap().take() {
            other.remove_unit(unit).unwrap();
        }
        Some(Answer::Address((instead as *const ()).into()))
    });
    add(
        &engine,
        "module asm \".globl b\\0Ab: mov needed@GOTPCREL(%rip), %rax\\0Aret\"",
    );
    // It is to be placed after the other.
    *unit.lock().unwrap() = Some(add(&engine, "module asm \".globl a\\0Aa: ret\""));
    engine.finish_loading().unwrap();
    assert!(unit.lock().unwrap().is_none(), "nobody was asked");
    assert!(matches!(engine.lookup("a"), Err(Error::Unknown { .. })));
    assert_eq!(engine.main().names(), [("b".into(), EntryKind::Data)]);
    // The name is free.
    add(&engine, "define i32 @a() {\n ret i32 7\n}");
    assert_eq!(function::<Plain>(&engine, "a")(), 7);
}

extern "C" fn instead() {}

/// A unit with a piece of a named section of its own, and a function that counts what it finds
/// there.
fn with_section(name: &str) -> String {
    format!(
        "@x = private constant i32 7, section \"{name}\"
         @__start_{name} = external constant i8
         @__stop_{name} = external constant i8
         @llvm.used = appending global [1 x ptr] [ptr @x], section \"llvm.metadata\"
         define i32 @{name}.size() {{
           %a = ptrtoint ptr @__start_{name} to i64
           %b = ptrtoint ptr @__stop_{name} to i64
           %size = sub i64 %b, %a
           %found = trunc i64 %size to i32
           ret i32 %found
         }}"
    )
}

#[test]
fn whoever_adds_a_unit_finds_its_sections_beside_others_that_add() {
    let engine = Engine::new(Options::default()).unwrap();
    let until = Instant::now() + duration();
    let adders: Vec<_> = (0..3)
        .map(|thread| {
            let engine = engine.clone();
            std::thread::spawn(move || {
                let mut done = 0;
                while Instant::now() < until {
                    let name = format!("part{thread}_{done}");
                    add(&engine, &with_section(&name));
                    let found = function::<Plain>(&engine, &format!("{name}.size"))();
                    assert_eq!(found, 4, "{name}");
                    done += 1;
                }
                done
            })
        })
        .collect();
    for adder in adders {
        assert!(adder.join().unwrap() > 0);
    }
}
