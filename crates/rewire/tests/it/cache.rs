//! Compiled code that engines share by a cache.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rewire::cache::{Body, Cache, Entry, Image, Key, MemoryStore, Store};
use rewire::{Level, OptLevel, Options, Passes, Transform};

use crate::support::Checked;

const PROGRAM: &str = "
    @text = private constant [4 x i8] c\"abcd\"
    @numbers = internal global [2 x i32] [i32 10, i32 20]
    define internal i32 @letter(i64 %i) {
      %p = getelementptr [4 x i8], ptr @text, i64 0, i64 %i
      %c = load i8, ptr %p
      %r = zext i8 %c to i32
      ret i32 %r
    }
    define internal i32 @number(i64 %i) {
      %p = getelementptr [2 x i32], ptr @numbers, i64 0, i64 %i
      %r = load i32, ptr %p
      ret i32 %r
    }
    define i32 @sum(i64 %i) {
      %a = call i32 @letter(i64 %i)
      %b = call i32 @number(i64 %i)
      %r = add i32 %a, %b
      ret i32 %r
    }";

/// Has all the locals of [`PROGRAM`] at other places, and others at theirs.
fn moved() -> String {
    let before = "
    @more = private constant [2 x i8] c\"zz\"
    @others = internal global [2 x i32] [i32 1000, i32 2000]
    define internal i32 @wrong(i64 %i) {
      ret i32 -1
    }
    define internal i32 @wrong_too(i64 %i) {
      ret i32 -2
    }
    define ptr @keep() {
      ret ptr @more
    }
    define ptr @keep_too(i1 %c) {
      %r = select i1 %c, ptr @others, ptr @wrong
      %s = select i1 %c, ptr @wrong_too, ptr %r
      ret ptr %s
    }";
    before.to_owned() + PROGRAM
}

type Function = extern "C" fn(i64) -> i32;

fn engine(cache: &Arc<Cache>, level: Level, threads: usize, salt: &str) -> Checked {
    Checked::with_options(Options {
        level: OptLevel::Fixed(level),
        threads,
        cache: Some(cache.clone()),
        cache_salt: salt.to_owned(),
        undo_depth: 4,
        ..Options::default()
    })
}

fn in_memory() -> Arc<Cache> {
    Arc::new(Cache::new(Arc::new(MemoryStore::default())))
}

#[test]
fn locals_are_found_where_they_are_now() {
    for level in [Level::O0, Level::O2] {
        for threads in [0, 2] {
            let cache = in_memory();
            for (round, text) in [PROGRAM.to_owned(), moved(), PROGRAM.to_owned()]
                .into_iter()
                .enumerate()
            {
                let before = cache.counts();
                let checked = engine(&cache, level, threads, "");
                checked.engine.add_ir("program.ll", text).unwrap();
                let sum: Function = checked.function("sum");
                assert_eq!((sum(0), sum(1)), (97 + 10, 98 + 20));
                checked.verify();
                let counts = cache.counts();
                match round {
                    // At the higher level, one function inlines the others.
                    0 if level == Level::O2 => assert!(counts.misses > 0),
                    0 => assert!(counts.misses >= 3),
                    // Which variables have memory when a function is compiled is part of what it is
                    // made from, and depends on the order in which threads compile.
                    _ if threads > 0 => {
                        let looked = counts.hits + counts.misses;
                        assert!(looked > before.hits + before.misses);
                    }
                    _ => assert_eq!(counts.misses, before.misses),
                }
                drop(checked);
            }
        }
    }
}

#[test]
fn everything_at_once_is_found_too() {
    for level in [Level::O0, Level::O2] {
        let cache = in_memory();
        for frozen in [false, true] {
            for round in 0..2 {
                let before = cache.counts();
                let checked = engine(&cache, level, 0, "");
                match frozen {
                    true => checked.engine.add_ir_frozen("program.ll", PROGRAM).unwrap(),
                    false => checked.engine.add_ir("program.ll", PROGRAM).unwrap(),
                };
                checked.engine.compile_all().unwrap();
                let sum: Function = checked.function("sum");
                assert_eq!((sum(0), sum(1)), (97 + 10, 98 + 20));
                let counts = cache.counts();
                assert_eq!(counts.misses > before.misses, round == 0);
                checked.verify();
            }
        }
    }
}

#[test]
fn a_replaced_function_is_another_one() {
    let cache = in_memory();
    for level in [Level::O0, Level::O2] {
        for _ in 0..2 {
            let checked = engine(&cache, level, 0, "");
            let main = checked.engine.main();
            main.add_ir("program.ll", PROGRAM).unwrap();
            let sum: Function = checked.function("sum");
            assert_eq!(sum(0), 107);
            for (value, expected) in [("1", 1), ("2", 2), ("1", 1)] {
                let text = format!("define i32 @sum(i64 %i) {{\n ret i32 {value}\n}}");
                main.replace("sum", text).unwrap();
                assert_eq!(sum(0), expected);
            }
            checked.engine.undo().unwrap();
            assert_eq!(sum(0), 2);
            checked.engine.undo().unwrap();
            checked.engine.undo().unwrap();
            assert_eq!(sum(0), 107);
            checked.verify();
        }
    }
}

#[test]
fn a_constant_that_was_folded_follows_its_replacement() {
    const USES: &str = "
        @c = constant i32 5
        define i32 @get(i64 %i) {
          %v = load i32, ptr @c
          ret i32 %v
        }
        define ptr @address() {
          ret ptr @c
        }";
    let cache = in_memory();
    for _ in 0..2 {
        let checked = engine(&cache, Level::O2, 0, "");
        let main = checked.engine.main();
        main.add_ir("uses.ll", USES).unwrap();
        let get: Function = checked.function("get");
        assert_eq!(get(0), 5);
        main.replace("c", "@c = constant i32 6").unwrap();
        assert_eq!(get(0), 6);
        checked.verify();
    }
}

#[test]
fn other_levels_and_salts_are_not_found() {
    let cache = in_memory();
    let run = |level, salt| {
        let before = cache.counts().hits;
        let checked = engine(&cache, level, 0, salt);
        checked.engine.add_ir("program.ll", PROGRAM).unwrap();
        let sum: Function = checked.function("sum");
        assert_eq!(sum(1), 118);
        cache.counts().hits > before
    };
    assert!(!run(Level::O0, ""));
    assert!(!run(Level::O2, ""));
    assert!(!run(Level::O0, "mine"));
    assert!(run(Level::O0, ""));
    assert!(run(Level::O2, ""));
    assert!(run(Level::O0, "mine"));
}

type ChangeOptions<'c> = &'c dyn Fn(&mut Options);

#[test]
fn other_processors_passes_and_transforms_are_not_found() {
    let cache = in_memory();
    let run = |change: ChangeOptions<'_>, expected: i32| {
        let before = cache.counts().hits;
        let mut options = Options {
            level: OptLevel::Fixed(Level::O1),
            cache: Some(cache.clone()),
            ..Options::default()
        };
        change(&mut options);
        let checked = Checked::with_options(options);
        let text = "define i32 @sum(i64 %i) {\n  ret i32 118\n}";
        checked.engine.add_ir("program.ll", text).unwrap();
        let sum: Function = checked.function("sum");
        assert_eq!(sum(1), expected);
        cache.counts().hits > before
    };
    let plain = |_: &mut Options| {};
    let cpu = |options: &mut Options| options.cpu = "x86-64,+popcnt".parse().unwrap();
    let passes = |options: &mut Options| {
        let passes = Passes::new("function(instsimplify)").unwrap();
        options.passes = [(Level::O1, passes)].into();
    };
    let transform = |options: &mut Options| {
        let twice = |ir: &str| Ok(Some(ir.replace("118", "236")));
        options.transform = Some(Transform::text("twice", twice));
    };
    let changes: [(ChangeOptions<'_>, i32); 4] = [
        (&plain, 118),
        (&cpu, 118),
        (&passes, 118),
        (&transform, 236),
    ];
    for is_found in [false, true] {
        for (change, expected) in changes {
            assert_eq!(run(change, expected), is_found);
        }
    }
}

/// Returns another entry, or bytes that are none.
#[derive(Default)]
struct Confused {
    right: MemoryStore,
    last: Mutex<Option<Body>>,
    asked: AtomicUsize,
}

impl Store for Confused {
    fn get(&self, key: &Key) -> Option<Body> {
        let right = self.right.get(key);
        let mut bytes = right.as_ref()?.to_vec();
        match self.asked.fetch_add(1, Ordering::Relaxed) % 4 {
            0 => std::mem::replace(&mut *self.last.lock().unwrap(), right),
            1 => {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
                Some(bytes.into())
            }
            2 => {
                bytes.pop();
                Some(bytes.into())
            }
            _ => right,
        }
    }

    fn put(&self, entries: &[Entry]) {
        self.right.put(entries);
    }

    fn put_image(&self, image: &Image) {
        self.right.put_image(image);
    }

    fn forget(&self, _key: &Key) {}
}

#[test]
fn what_a_store_returns_wrongly_is_compiled() {
    let cache = Arc::new(Cache::new(Arc::new(Confused::default())));
    for _ in 0..8 {
        for text in [PROGRAM.to_owned(), moved()] {
            let checked = engine(&cache, Level::O0, 0, "");
            checked.engine.add_ir("program.ll", text).unwrap();
            let sum: Function = checked.function("sum");
            assert_eq!((sum(0), sum(1)), (107, 118));
        }
    }
    assert!(cache.counts().damaged > 0);
}
