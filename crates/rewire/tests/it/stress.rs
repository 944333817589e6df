//! Threads that call, replace, add and remove all at once, for as long as `REWIRE_STRESS_SECONDS`
//! says (1 if it says nothing). Code that is given back is filled with traps, so that whoever is
//! still in it doesn't go unnoticed.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rewire::{Engine, Failure, Level, TypeChange};
use rewire_sync::Mutex;

use crate::changing::{Case, add, clear_stack, function, is_all_freed};

const FUNCTIONS: usize = 4;
const CALLERS: usize = 8;
const REPLACERS: usize = 2;

/// Bodies of several kinds that all return their version: alone, with something of their own, and
/// with frames that others return into.
fn body(name: &str, version: u64) -> String {
    match version % 3 {
        0 => format!("define i64 @{name}() {{\n ret i64 {version}\n}}\n"),
        1 => format!(
            "@{name}.numbers = internal constant [2 x i64] [i64 {version}, i64 0]
             @{name}.used = internal global i64 0
             define i64 @{name}() {{
               %x = load volatile i64, ptr @{name}.numbers
               %y = atomicrmw add ptr @{name}.used, i64 1 monotonic
               ret i64 %x
             }}\n"
        ),
        _ => format!(
            "declare void @act(ptr)
             define internal i64 @{name}.helper(i64 %depth) noinline {{
               %end = icmp eq i64 %depth, 0
               br i1 %end, label %out, label %more
             more:
               call void @act(ptr null)
               %less = sub i64 %depth, 1
               %x = call i64 @{name}.helper(i64 %less)
               ret i64 %x
             out:
               ret i64 {version}
             }}
             define i64 @{name}() {{
               %x = call i64 @{name}.helper(i64 3)
               ret i64 %x
             }}\n"
        ),
    }
}

/// A loop that calls all functions and counts results that are older than one before; it begins
/// with the newest ones that its caller has seen, and leaves those that it has seen.
fn sweep() -> String {
    let mut ir = String::from("declare i64 @extra()\n");
    let mut calls = String::new();
    for i in 0..FUNCTIONS {
        calls.push_str(&format!(
            "%at{i} = getelementptr i64, ptr %seen, i64 {i}
             %last{i} = load i64, ptr %at{i}
             %now{i} = call i64 @f{i}()
             %is{i} = icmp ult i64 %now{i}, %last{i}
             %one{i} = zext i1 %is{i} to i64
             %bad{} = add i64 %bad{i}, %one{i}
             store i64 %now{i}, ptr %at{i}\n",
            i + 1
        ));
    }
    ir.push_str(&format!(
        "define i64 @sweep(i64 %count, ptr %seen) {{
         entry:
           br label %again
         again:
           %i = phi i64 [ 0, %entry ], [ %j, %again ]
           %bad0 = phi i64 [ 0, %entry ], [ %bad{FUNCTIONS}, %again ]
           {calls}
           %j = add i64 %i, 1
           %done = icmp eq i64 %j, %count
           br i1 %done, label %out, label %again
         out:
           ret i64 %bad{FUNCTIONS}
         }}
         define i64 @call_extra() {{
           %x = call i64 @extra()
           ret i64 %x
         }}"
    ));
    ir
}

/// What runs when `extra` isn't there.
extern "C-unwind" fn absent() -> i64 {
    -1
}

pub(crate) fn duration() -> Duration {
    let seconds = std::env::var("REWIRE_STRESS_SECONDS").ok();
    let seconds = seconds.and_then(|text| text.parse().ok()).unwrap_or(1.0);
    Duration::from_secs_f64(seconds)
}

type Sweep = extern "C-unwind" fn(i64, *mut u64) -> i64;
type Number = extern "C-unwind" fn() -> i64;

fn call(engine: &Engine, done: &AtomicBool, calls: &AtomicU64) {
    clear_stack();
    let sweep: Sweep = function(engine, "sweep");
    let extra: Number = function(engine, "call_extra");
    let single: Vec<Number> = (0..FUNCTIONS)
        .map(|i| function(engine, &format!("f{i}")))
        .collect();
    let mut seen = [0; FUNCTIONS];
    let mut last_extra = 0;
    let mut count = 0;
    while !done.load(Ordering::Acquire) {
        assert_eq!(sweep(100, seen.as_mut_ptr()), 0);
        for (function, seen) in single.iter().zip(&mut seen) {
            // By the address that the function has for ever.
            let now = function().cast_unsigned();
            assert!(now >= *seen, "{now} after {seen}");
            *seen = now;
        }
        let now = extra();
        if now >= 0 {
            assert!(now >= last_extra, "{now} after {last_extra}");
            last_extra = now;
        }
        count += 101 * FUNCTIONS as u64;
    }
    calls.fetch_add(count, Ordering::Relaxed);
}

/// Each function's versions count up: whoever replaces it holds its lock.
type Versions = [Mutex<u64>; FUNCTIONS];

fn replace(engine: &Engine, done: &AtomicBool, versions: &Versions, first: usize) {
    clear_stack();
    let mut round = first;
    while !done.load(Ordering::Acquire) {
        round += 1;
        let index = round % FUNCTIONS;
        let mut version = versions[index].lock().unwrap();
        *version += 1;
        let name = format!("f{index}");
        if !round.is_multiple_of(5) {
            engine
                .replace(&name, body(&name, *version).as_bytes())
                .unwrap();
            continue;
        }
        // Two of them at once, in one order for all.
        let other = index + 1;
        let mut ir = body(&name, *version);
        let mut second = (other < FUNCTIONS).then(|| versions[other].lock().unwrap());
        if let Some(version) = &mut second {
            **version += 1;
            let more = body(&format!("f{other}"), **version);
            // One declaration is enough.
            let declared = "declare void @act(ptr)";
            ir = ir.replace(declared, "") + &more.replace(declared, "") + declared + "\n";
        }
        let mut change = engine.main().change();
        change.define("new", ir.as_bytes());
        change.commit().unwrap();
    }
}

fn come_and_go(engine: &Engine, done: &AtomicBool) -> u64 {
    clear_stack();
    let mut version = 0;
    while !done.load(Ordering::Acquire) {
        version += 1;
        let unit = add(engine, &body("extra", version));
        let extra: Number = function(engine, "extra");
        assert_eq!(extra().cast_unsigned(), version);
        let mut change = engine.main().change();
        change.remove_unit(unit).force();
        change.on_type_change(TypeChange::GoAhead);
        change.commit().unwrap();
        if version.is_multiple_of(16) {
            engine.reclaim();
        }
    }
    version
}

fn run(level: Level, threads: usize, undo_depth: usize) {
    let case = Case {
        level,
        undo_depth,
        threads,
    };
    let engine = case.engine();
    for i in 0..FUNCTIONS {
        add(&engine, &body(&format!("f{i}"), 0));
    }
    let declared: String = (0..FUNCTIONS)
        .map(|i| format!("declare i64 @f{i}()\n"))
        .collect();
    add(&engine, &(declared + &sweep()));
    engine.on_failure(|failure: &Failure<'_>| {
        assert_eq!(failure.function, Some("extra"), "{failure}");
        Some((absent as *const ()).into())
    });
    let done = AtomicBool::new(false);
    let calls = AtomicU64::new(0);
    let versions = Versions::default();
    let units = std::thread::scope(|scope| {
        let (engine, done, calls, versions) = (&engine, &done, &calls, &versions);
        // Whoever fails ends the others.
        struct End<'a>(&'a AtomicBool);
        impl Drop for End<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Release);
            }
        }
        let callers = (0..CALLERS).map(|_| {
            scope.spawn(move || {
                let _end = End(done);
                call(engine, done, calls);
            })
        });
        let replacers = (0..REPLACERS).map(|first| {
            scope.spawn(move || {
                let _end = End(done);
                replace(engine, done, versions, first * 2);
            })
        });
        let others: Vec<_> = callers.chain(replacers).collect();
        let units = scope.spawn(move || {
            let _end = End(done);
            come_and_go(engine, done)
        });
        let began = Instant::now();
        while began.elapsed() < duration() && !done.load(Ordering::Acquire) {
            std::thread::sleep(Duration::from_millis(5));
        }
        done.store(true, Ordering::Release);
        // ThreadSanitizer sees a thread being joined, but not how a scope waits.
        for thread in others {
            thread.join().unwrap();
        }
        units.join().unwrap()
    });
    while engine.undo().is_ok() {}
    is_all_freed(&engine);
    let report = engine.report();
    let replaced: u64 = versions
        .iter()
        .map(|version| *version.lock().unwrap())
        .sum();
    assert!(replaced > 0 && units > 0);
    if undo_depth == 0 {
        assert_eq!(report.functions_replaced, replaced);
    }
    println!(
        "{level:?}, {threads} compile threads, {undo_depth} to undo: {} calls, {replaced} \
         replacements, {units} units, {} bodies given back",
        calls.into_inner(),
        report.definitions_freed
    );
}

#[test]
pub(crate) fn calls_replacements_and_removals_at_once() {
    for level in [Level::O0, Level::O2] {
        for threads in [0, 2] {
            run(level, threads, 0);
        }
    }
}

#[test]
pub(crate) fn calls_replacements_and_removals_that_are_remembered() {
    run(Level::O0, 0, 4);
}
