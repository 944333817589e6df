//! Several threads that make random changes of the same few names, undo one another's, and call
//! what there is meanwhile, for as long as `REWIRE_STRESS_SECONDS` says (1 if it says nothing).
//! Most changes are refused, because of what another thread did; none fails because of how.

use std::sync::Arc;
use std::time::Instant;

use fastrand::Rng;
use rewire::{Engine, Error, Failure, Level};
use rewire_sync::Mutex;

use crate::changing::{Case, Plain, add, clear_stack, is_all_freed, on_fresh_thread};
use crate::stress::duration;

const FUNCTIONS: usize = 6;
const THREADS: u64 = 4;
/// How many addresses a thread remembers, whatever becomes of their functions.
const ADDRESSES: usize = 50;

/// What is called that isn't there.
extern "C-unwind" fn absent() -> i32 {
    -1000
}

fn one_in(random: &mut Rng, many: usize) -> bool {
    random.usize(..many) == 0
}

/// A function that calls one before it and reads a constant, or the first one, which does neither.
fn body(random: &mut Rng, index: usize) -> String {
    let inlined = if one_in(random, 4) {
        "alwaysinline"
    } else {
        ""
    };
    if index == 0 {
        let value = random.usize(..100);
        return format!("define i32 @f0() {inlined} {{\n ret i32 {value}\n}}");
    }
    let callee = random.usize(..index);
    format!(
        "declare i32 @f{callee}()
         @c = external constant i32
         define i32 @f{index}() {inlined} {{
           %x = call i32 @f{callee}()
           %c = load i32, ptr @c
           %y = add i32 %x, %c
           ret i32 %y
         }}"
    )
}

fn assembly(value: usize) -> String {
    format!("module asm \".globl a\\0A.type a,@function\\0Aa: mov ${value}, %eax\\0Aret\"")
}

fn define(engine: &Engine, ir: &str) -> Result<(), Error> {
    let mut change = engine.main().change();
    change.define("new", ir.as_bytes());
    change.commit().map(drop)
}

/// One of the things that can be done with a name.
fn act(engine: &Engine, random: &mut Rng, addresses: &mut Vec<Plain>) -> Result<(), Error> {
    let main = engine.main();
    let index = random.usize(..FUNCTIONS);
    let name = format!("f{index}");
    let value = random.usize(..100);
    let unit = |random: &mut Rng| {
        let units = engine.units();
        (!units.is_empty()).then(|| units[random.usize(..units.len())].id)
    };
    match random.usize(..12) {
        0 | 1 => define(engine, &body(random, index)),
        2 => define(engine, &format!("@c = constant i32 {value}")),
        3 => define(
            engine,
            &format!(
                "define i32 @f0() {{\n ret i32 {value}\n}}
                 @{name}.alias = alias i32 (), ptr @f0"
            ),
        ),
        4 | 5 => {
            let mut change = main.change();
            match unit(random).filter(|_| one_in(random, 2)) {
                Some(unit) => change.remove_unit(unit),
                None => change.remove(&name),
            };
            if one_in(random, 2) {
                change.force();
            }
            change.commit().map(drop)
        }
        6 => engine.undo().map(drop),
        7 => main.unload(&name).map(drop),
        8 => main.refresh(&name, move || {
            Ok(format!("define i32 @f{index}() {{\n ret i32 {value}\n}}").into_bytes())
        }),
        9 => {
            let mut change = main.change();
            match unit(random).filter(|_| one_in(random, 2)) {
                Some(unit) => change.reload(unit, "assembly", assembly(value).as_bytes()),
                None => change.add("assembly", assembly(value).as_bytes()),
            };
            change.commit().map(drop)
        }
        10 => {
            engine.reclaim();
            Ok(())
        }
        _ => {
            // The address of assembly is good only as long as the assembly is there: it is called
            // by compiled code alone.
            let name = if one_in(random, 3) { "call_a" } else { &name };
            // SAFETY: both are of this type.
            let found = unsafe { main.function::<Plain>(name) };
            if let Ok(function) = &found {
                function();
                if addresses.len() < ADDRESSES {
                    addresses.push(**function);
                }
            }
            if !addresses.is_empty() {
                addresses[random.usize(..addresses.len())]();
            }
            found.map(drop)
        }
    }
}

/// Whatever is there now, it can be replaced, called, and removed.
fn end_in_order(engine: &Engine) {
    while engine.undo().is_ok() {}
    for (index, value) in (0..FUNCTIONS).zip(1..) {
        let ir = format!("define i32 @f{index}() {{\n ret i32 {value}\n}}");
        define(engine, &ir).unwrap();
        // SAFETY: it is of this type.
        let function = unsafe { engine.main().function::<Plain>(&format!("f{index}")) };
        assert_eq!(function.unwrap()(), value);
    }
    let mut change = engine.main().change();
    for unit in engine.units() {
        change.remove_unit(unit.id);
    }
    change.force();
    change.commit().unwrap();
    let names = engine.main().names().into_iter();
    let left: Vec<_> = names
        .filter(|(name, _)| **name != *"act" && **name != *"say")
        .collect();
    assert_eq!(left, []);
    while engine.undo().is_ok() {}
}

fn run(level: Level, threads: usize) {
    let case = Case {
        level,
        undo_depth: 6,
        threads,
    };
    let engine = case.engine();
    add(
        &engine,
        "declare i32 @a()
         define i32 @call_a() {
           %x = call i32 @a()
           ret i32 %x
         }",
    );
    let wrong = Arc::new(Mutex::new(Vec::new()));
    let log = wrong.clone();
    let note = move |said: String| {
        if said.contains("internal error") {
            log.lock().unwrap().push(said);
        }
    };
    let failed = note.clone();
    engine.on_failure(move |failure: &Failure<'_>| {
        failed(failure.to_string());
        Some((absent as *const ()).into())
    });
    let began = Instant::now();
    let started = (0..THREADS).map(|seed| {
        let (engine, note) = (engine.clone(), note.clone());
        std::thread::spawn(move || {
            clear_stack();
            let mut random = Rng::with_seed(seed);
            let mut addresses = Vec::new();
            let mut done = 0;
            while began.elapsed() < duration() {
                match act(&engine, &mut random, &mut addresses) {
                    Ok(()) => done += 1,
                    Err(error) => note(error.to_string()),
                }
            }
            done
        })
    });
    let started: Vec<_> = started.collect();
    let done: u64 = started.into_iter().map(|one| one.join().unwrap()).sum();
    assert!(done > 0);
    assert_eq!(*wrong.lock().unwrap(), [""; 0]);
    println!("{level:?}, {threads} compile threads: {done} things done");
    // What these calls leave on a stack, or in registers, goes with their thread.
    on_fresh_thread(|| end_in_order(&engine));
    is_all_freed(&engine);
}

#[test]
pub(crate) fn changes_and_undos_of_the_same_names_at_once() {
    run(Level::O0, 1);
}
