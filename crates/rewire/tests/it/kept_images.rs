//! Programs that are restored from an image in a cache: what they are, and what can be done with
//! them.

use std::sync::Arc;
use std::time::Duration;

use rewire::cache::{Cache, MemoryStore};
use rewire::{Engine, FunctionState, HotThresholds, Level, OptLevel, Options};

const FIRST: &str = "
    @count = global i32 5
    @limit = constant i32 100
    @table = internal constant [2 x ptr] [ptr @twice, ptr @thrice]
    @name = weak global i32 1
    @alias = alias i32, ptr @count
    declare i32 @step(i32)
    declare i64 @strlen(ptr)
    @text = private constant [6 x i8] c\"abcde\\00\"
    define internal i32 @twice(i32 %x) {
      %r = mul i32 %x, 2
      ret i32 %r
    }
    define internal i32 @thrice(i32 %x) {
      %r = mul i32 %x, 3
      ret i32 %r
    }
    define i32 @choose(i32 %x) {
      %w = and i32 %x, 1
      %i = zext i32 %w to i64
      %p = getelementptr [2 x ptr], ptr @table, i64 0, i64 %i
      %f = load ptr, ptr %p
      %r = call i32 %f(i32 %x)
      ret i32 %r
    }
    define i32 @run(i32 %x) {
      %l = load i32, ptr @limit
      %c = load i32, ptr @alias
      %n = add i32 %c, 1
      store i32 %n, ptr @count
      %w = load i32, ptr @name
      %a = call i32 @choose(i32 %x)
      %b = call i32 @step(i32 %a)
      %s = call i64 @strlen(ptr @text)
      %t = trunc i64 %s to i32
      %1 = add i32 %b, %l
      %2 = add i32 %1, %c
      %3 = add i32 %2, %w
      %4 = add i32 %3, %t
      ret i32 %4
    }";

const SECOND: &str = "
    @name = global i32 1000
    @count = external global i32
    define i32 @step(i32 %x) {
      %c = load i32, ptr @count
      %r = add i32 %x, %c
      ret i32 %r
    }
    define i32 @never_called() {
      ret i32 0
    }";

type Function = extern "C" fn(i32) -> i32;

fn in_memory() -> Arc<Cache> {
    Arc::new(Cache::new(Arc::new(MemoryStore::default())))
}

fn engine(cache: &Arc<Cache>, level: OptLevel, threads: usize) -> Engine {
    Engine::new(Options {
        level,
        threads,
        cache: Some(cache.clone()),
        undo_depth: 4,
        hot: HotThresholds {
            calls: 3,
            ..HotThresholds::default()
        },
        ..Options::default()
    })
    .unwrap()
}

fn function(engine: &Engine, name: &str) -> Function {
    let address = engine.lookup(name).unwrap();
    // SAFETY: all functions of the tests have this type, and the engine lives as long as they are
    // called.
    unsafe { std::mem::transmute(address.get()) }
}

fn load(engine: &Engine) -> Function {
    engine.add_ir("first.ll", FIRST).unwrap();
    engine.add_ir("second.ll", SECOND).unwrap();
    function(engine, "run")
}

/// What `run` returns when it is called for the first time, with 4: 4 is doubled, 6 is added, and
/// the limit, the count, the strong `name` and the length.
const RESULT: i32 = 4 * 2 + 6 + 100 + 5 + 1000 + 5;

const LEVELS: [OptLevel; 3] = [
    OptLevel::Auto,
    OptLevel::Fixed(Level::O0),
    OptLevel::Fixed(Level::O2),
];

/// An engine that has restored what an earlier one had compiled.
fn restored(level: OptLevel, threads: usize) -> Engine {
    let cache = in_memory();
    let cold = engine(&cache, level, threads);
    assert_eq!(load(&cold)(4), RESULT);
    assert_eq!(cold.report().functions_restored, 0);
    drop(cold);
    let warm = engine(&cache, level, threads);
    load(&warm);
    warm
}

/// Everything that is known of a name but where it is.
fn known(state: &FunctionState) -> String {
    let mut users: Vec<String> = state.users.iter().map(user).collect();
    users.sort_unstable();
    let inliners = &state.inliners;
    format!(
        "{:?} {:?} {users:?} {inliners:?}",
        state.kind, state.generation
    )
}

fn user(user: &rewire::User) -> String {
    format!("{:?}", user.name)
}

#[test]
fn what_is_restored_is_what_was_linked() {
    for level in LEVELS {
        let cache = in_memory();
        let mut before = Vec::new();
        for round in 0..4 {
            let engine = engine(&cache, level, 0);
            let run = load(&engine);
            assert_eq!(run(4), RESULT, "{level:?}, round {round}");
            let report = engine.report();
            assert_eq!(report.functions_compiled == 0, round > 0, "{level:?}");
            assert_eq!(report.functions_restored > 0, round > 0, "{level:?}");
            let names = ["run", "choose", "step", "count", "limit", "name", "strlen"];
            let states = names.iter().map(|name| known(&engine.state(name).unwrap()));
            let states: Vec<String> = states.collect();
            if round == 0 {
                before = states;
            } else {
                assert_eq!(states, before, "{level:?}");
            }
            // What was never called is compiled when it is called, and then kept as well.
            let state = engine.state("never_called").unwrap();
            assert_eq!(state.address.is_some(), round == 3, "{level:?}");
            if round == 2 {
                assert_eq!(function(&engine, "never_called")(0), 0);
            }
            let run_at = engine.state("run").unwrap().address.unwrap();
            assert_eq!(&*engine.symbol_at(run_at).unwrap().name, "run");
        }
    }
}

#[test]
fn variables_begin_with_their_values() {
    let cache = in_memory();
    for _ in 0..3 {
        let engine = engine(&cache, OptLevel::Fixed(Level::O0), 0);
        let run = load(&engine);
        let results: Vec<i32> = (0..3).map(|_| run(4)).collect();
        assert_eq!(results, [RESULT, RESULT + 2, RESULT + 4]);
        let count = engine.main().data::<i32>("count").unwrap();
        // SAFETY: nothing writes it now.
        assert_eq!(unsafe { count.read() }, 8);
    }
}

#[test]
fn restored_functions_are_replaced_undone_and_freed() {
    for level in LEVELS {
        for threads in [0, 1] {
            let engine = restored(level, threads);
            let run = function(&engine, "run");
            assert_eq!(run(4), RESULT);
            let body = "define i32 @step(i32 %x) {\n ret i32 0\n}";
            engine.replace("step", body).unwrap();
            assert_eq!(run(4), RESULT + 1 - 14);
            engine
                .replace("limit", "@limit = constant i32 200")
                .unwrap();
            assert_eq!(run(4), RESULT + 102 - 14);
            engine.undo().unwrap();
            engine.undo().unwrap();
            assert_eq!(run(4), RESULT + 6);
            assert!(engine.main().unload("run").unwrap());
            assert_eq!(run(4), RESULT + 8);
            engine.reclaim();
            let given_back = engine.report().definitions_freed + engine.report().definitions_beside;
            assert!(engine.report().definitions_retired <= given_back + 8);
        }
    }
}

#[test]
fn a_restored_unit_is_removed() {
    for level in LEVELS {
        let cache = in_memory();
        for round in 0..3 {
            let engine = engine(&cache, level, 0);
            let first = engine.add_ir("first.ll", FIRST).unwrap();
            engine.add_ir("second.ll", SECOND).unwrap();
            assert_eq!(function(&engine, "run")(4), RESULT);
            if round > 0 {
                // `step` of the other unit uses `count`.
                assert!(engine.remove_unit(first).is_err());
                let mut change = engine.main().change();
                change.remove_unit(first).force();
                change.commit().unwrap();
                assert!(engine.lookup("run").is_err());
            }
        }
    }
}

#[test]
fn a_program_that_was_changed_leaves_no_image() {
    let cache = in_memory();
    let body = "define i32 @step(i32 %x) {\n ret i32 0\n}";
    for _ in 0..2 {
        let engine = engine(&cache, OptLevel::Fixed(Level::O0), 0);
        let run = load(&engine);
        assert_eq!(engine.report().functions_restored, 0);
        assert_eq!(run(4), RESULT);
        engine.replace("step", body).unwrap();
        assert_eq!(run(4), RESULT + 1 - 14);
    }
}

#[test]
fn an_image_of_other_units_is_not_taken() {
    let cache = in_memory();
    let level = OptLevel::Fixed(Level::O0);
    assert_eq!(load(&engine(&cache, level, 0))(4), RESULT);
    // In another order, with another unit, as other text.
    let others: [&[&str]; 3] = [
        &[SECOND, FIRST],
        &[FIRST, SECOND, "define i32 @more() {\n ret i32 1\n}"],
        &[&FIRST.replace("i32 100", "i32 300"), SECOND],
    ];
    for (texts, more) in others.into_iter().zip([0, 0, 200]) {
        let engine = engine(&cache, level, 0);
        for (number, text) in texts.iter().enumerate() {
            engine.add_ir(&number.to_string(), *text).unwrap();
        }
        assert_eq!(function(&engine, "run")(4), RESULT + more);
        assert_eq!(engine.report().functions_restored, 0);
    }
}

extern "C" fn length(_text: i32) -> i32 {
    50
}

#[test]
fn names_that_stand_for_something_else_are_followed() {
    let cache = in_memory();
    let level = OptLevel::Fixed(Level::O0);
    for round in 0..4 {
        let engine = engine(&cache, level, 0);
        let is_clients = round % 2 == 1;
        if is_clients {
            let address = length as *const () as u64;
            let length = rewire::ExecAddr::new(address);
            engine.main().define("strlen", length).unwrap();
        }
        let expected = if is_clients { RESULT + 45 } else { RESULT };
        assert_eq!(load(&engine)(4), expected, "round {round}");
    }
    // A name that was null in the last run, and isn't now.
    let text = "declare extern_weak i32 @may_be_missing(i32)
        define i32 @ask(i32 %x) {
          %c = icmp eq ptr @may_be_missing, null
          br i1 %c, label %no, label %yes
        no:
          ret i32 -1
        yes:
          %r = call i32 @may_be_missing(i32 %x)
          ret i32 %r
        }";
    for round in 0..4 {
        let engine = engine(&cache, level, 0);
        let is_there = round % 2 == 1;
        if is_there {
            let address = length as *const () as u64;
            let main = engine.main();
            main.define("may_be_missing", rewire::ExecAddr::new(address))
                .unwrap();
        }
        engine.add_ir("ask.ll", text).unwrap();
        let expected = if is_there { 50 } else { -1 };
        assert_eq!(function(&engine, "ask")(1), expected, "round {round}");
    }
}

#[test]
fn what_was_hot_is_restored_as_it_was_optimised() {
    let cache = in_memory();
    for round in 0..3 {
        let engine = engine(&cache, OptLevel::Auto, 0);
        let run = load(&engine);
        for _ in 0..10 {
            run(4);
        }
        engine.settle();
        let report = engine.report();
        assert_eq!(report.functions_optimised > 0, round == 0, "round {round}");
        assert_eq!(report.functions_restored > 0, round > 0, "round {round}");
    }
}

/// The body in which a loop went on isn't restored. It is in force, with its frames behind its
/// code, and everything else lies behind that.
#[test]
fn a_continuation_is_not_restored() {
    const SUMS: &str = "
        define i32 @sum(i32 %n) {
          br label %again
        again:
          %i = phi i32 [ 0, %0 ], [ %next, %again ]
          %sum = phi i32 [ 1, %0 ], [ %more, %again ]
          %next = add i32 %i, 1
          %more = add i32 %sum, %i
          %ends = icmp eq i32 %next, %n
          br i1 %ends, label %done, label %again
        done:
          ret i32 %more
        }
        define i32 @run(i32 %n) {
          %sum = call i32 @sum(i32 %n)
          ret i32 %sum
        }";
    let cache = in_memory();
    for round in 0..3 {
        let engine = Engine::new(Options {
            cache: Some(cache.clone()),
            hot: HotThresholds {
                loop_passes: 100,
                delay: Duration::ZERO,
                ..HotThresholds::default()
            },
            ..Options::default()
        });
        let engine = engine.unwrap();
        engine.add_ir("sums.ll", SUMS).unwrap();
        engine.finish_loading().unwrap();
        let sum = function(&engine, "sum");
        for _ in 0..4 {
            assert_eq!(sum(1000), 499_501);
        }
        engine.settle();
        assert_eq!(function(&engine, "run")(4), 7);
        let report = engine.report();
        assert_eq!(report.loops_optimised > 0, round == 0, "round {round}");
        assert_eq!(report.functions_restored > 0, round > 0, "round {round}");
    }
}
