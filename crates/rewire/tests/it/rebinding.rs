//! Names of the host's functions and variables that are given to another address.

use std::sync::atomic::{AtomicBool, Ordering};

use rewire::{Change, Changed, Engine, Error, Level, Library, OptLevel, Options};

extern "C" fn one(x: i64) -> i64 {
    x + 1
}

extern "C" fn two(x: i64) -> i64 {
    x + 2
}

static THREE: i64 = 3;
static FOUR: i64 = 4;

fn with_engines(test: impl Fn(&Engine)) {
    for level in [Level::O0, Level::O2] {
        for threads in [0, 2] {
            let options = Options {
                level: OptLevel::Fixed(level),
                threads,
                undo_depth: 4,
                ..Options::default()
            };
            test(&Engine::new(options).unwrap());
        }
    }
}

fn bind(main: &Library, function: extern "C" fn(i64) -> i64) {
    main.define("host", (function as *const ()).into()).unwrap();
}

fn call(library: &Library, name: &str) -> i64 {
    // SAFETY: all functions here have this type.
    unsafe { library.function::<extern "C" fn(i64) -> i64>(name) }.unwrap()(10)
}

/// Users of each kind: a call, an address in code, one in a constant, one in a table of a variable.
const USERS: &str = "declare i64 @host(i64)
    @constant = constant ptr @host
    @number = external global i64
    define i64 @calls(i64 %x) {
      %y = call i64 @host(i64 %x)
      ret i64 %y
    }
    define i64 @by_address(i64 %x) {
      %place = alloca ptr
      store volatile ptr @host, ptr %place
      %f = load volatile ptr, ptr %place
      %y = call i64 %f(i64 %x)
      ret i64 %y
    }
    define i64 @by_constant(i64 %x) {
      %f = load ptr, ptr @constant
      %y = call i64 %f(i64 %x)
      ret i64 %y
    }
    define i64 @reads(i64 %x) {
      %n = load i64, ptr @number
      %y = add i64 %n, %x
      ret i64 %y
    }";

const CALLERS: [&str; 3] = ["calls", "by_address", "by_constant"];

#[test]
fn all_who_use_it_follow() {
    with_engines(|engine| {
        let main = engine.main();
        let other = engine.new_library("other").unwrap();
        other.search(&[&main]).unwrap();
        bind(&main, one);
        main.define("number", (&raw const THREE).into()).unwrap();
        main.add_ir("users", USERS).unwrap();
        other
            .add_ir("users", USERS.replace("@constant", "@constant_there"))
            .unwrap();
        let expect = |calls: i64, reads: i64| {
            for library in [&main, &other] {
                for name in CALLERS {
                    assert_eq!(call(library, name), calls, "{name}");
                }
                assert_eq!(call(library, "reads"), reads);
            }
            assert_eq!(call(&main, "host"), calls);
        };
        expect(11, 13);
        bind(&main, two);
        expect(12, 13);
        main.define("number", (&raw const FOUR).into()).unwrap();
        expect(12, 14);
        engine.undo().unwrap();
        engine.undo().unwrap();
        expect(11, 13);
        bind(&main, two);
        expect(12, 13);
    });
}

#[test]
fn those_who_are_not_compiled_yet_find_the_new_one() {
    with_engines(|engine| {
        let main = engine.main();
        bind(&main, one);
        main.add_ir("users", USERS).unwrap();
        bind(&main, two);
        for name in CALLERS {
            assert_eq!(call(&main, name), 12);
        }
    });
}

fn commit(library: &Library, steps: impl FnOnce(&mut Change)) -> Result<Changed, Error> {
    let mut change = library.change();
    steps(&mut change);
    change.commit()
}

#[test]
fn addresses_change_together_with_bodies() {
    with_engines(|engine| {
        let main = engine.main();
        bind(&main, one);
        let user = "declare i64 @host(i64)
            define i64 @user(i64 %x) {
              %y = call i64 @host(i64 %x)
              %z = add i64 %y, 100
              ret i64 %z
            }";
        main.add_ir("user", user).unwrap();
        assert_eq!(call(&main, "user"), 111);
        let changed = commit(&main, |change| {
            change.define_address("host", (two as *const ()).into());
            change.define("user", user.replace("100", "200"));
            change.define_address("fresh", (one as *const ()).into());
        });
        let changed = changed.unwrap();
        assert_eq!((changed.replaced.len(), &*changed.added[0]), (2, "fresh"));
        assert_eq!((call(&main, "user"), call(&main, "fresh")), (212, 11));
        // All or nothing.
        let refused = commit(&main, |change| {
            change.define_address("host", (one as *const ()).into());
            change.define("user", "define i64 @user(i64 %x) {\n ret i64 nonsense\n}");
        });
        assert!(refused.is_err());
        assert_eq!(call(&main, "user"), 212);
        engine.undo().unwrap();
        assert_eq!(call(&main, "user"), 111);
        assert!(main.lookup("fresh").is_err());
        // What a change removes it may give another address.
        commit(&main, |change| {
            change.remove("host");
            change.define_address("host", (two as *const ()).into());
        })
        .unwrap();
        assert_eq!(call(&main, "user"), 112);
    });
}

#[test]
fn ir_takes_the_place_of_an_address() {
    with_engines(|engine| {
        let main = engine.main();
        bind(&main, one);
        main.add_ir(
            "users",
            USERS.replace("@number = external global i64", "@number = global i64 0"),
        )
        .unwrap();
        for name in CALLERS {
            assert_eq!(call(&main, name), 11);
        }
        let ir = "define i64 @host(i64 %x) {\n %y = add i64 %x, 5\n ret i64 %y\n}";
        commit(&main, |change| {
            change.define("ir", ir);
        })
        .unwrap();
        for name in CALLERS {
            assert_eq!(call(&main, name), 15, "{name}");
        }
        let again = main.define("host", (two as *const ()).into());
        assert!(
            matches!(again, Err(Error::AlreadyDefined { .. })),
            "its address is its own"
        );
        engine.undo().unwrap();
        for name in CALLERS {
            assert_eq!(call(&main, name), 11, "{name}");
        }
        let wrong = commit(&main, |change| {
            change.define("ir", "define double @host(double %x) {\n ret double %x\n}");
        });
        assert!(matches!(wrong, Err(Error::Contract { .. })), "{wrong:?}");
    });
}

#[test]
fn one_change_gives_a_name_once() {
    let engine = Engine::new(Options::default()).unwrap();
    let main = engine.main();
    bind(&main, one);
    let ir = "define i64 @host(i64 %x) {\n ret i64 %x\n}";
    for ir_comes_first in [false, true] {
        let twice = commit(&main, |change| {
            if ir_comes_first {
                change.define("ir", ir);
            }
            change.define_address("host", (two as *const ()).into());
            if !ir_comes_first {
                change.define("ir", ir);
            }
        });
        assert!(
            matches!(twice, Err(Error::AlreadyDefined { .. })),
            "{twice:?}"
        );
    }
    assert_eq!(call(&main, "host"), 11);
}

#[test]
fn frozen_code_follows_unless_it_calls_the_host_directly() {
    let engine = Engine::new(Options::default()).unwrap();
    let main = engine.main();
    bind(&main, one);
    let frozen = "declare i64 @host(i64)
        declare i64 @labs(i64)
        define i64 @frozen(i64 %x) {
          %y = call i64 @host(i64 %x)
          ret i64 %y
        }
        define i64 @direct(i64 %x) {
          %y = call i64 @labs(i64 %x)
          ret i64 %y
        }";
    main.add_ir_frozen("frozen", frozen).unwrap();
    assert_eq!((call(&main, "frozen"), call(&main, "direct")), (11, 10));
    bind(&main, two);
    assert_eq!(call(&main, "frozen"), 12);
    // With other tests' engines around, this one may not have got a place near the C library; then
    // that is called through slots as well.
    match main.define("labs", (two as *const ()).into()) {
        Ok(()) => assert_eq!(call(&main, "direct"), 12),
        Err(error) => {
            let error = error.to_string();
            assert!(
                error.contains("frozen code calls the host's directly"),
                "{error}"
            );
            assert_eq!(call(&main, "direct"), 10);
        }
    }
}

/// Each thread that has met one of two new addresses never meets the other's old one.
#[test]
fn several_names_move_together() {
    with_engines(|engine| {
        let main = engine.main();
        bind(&main, one);
        main.define("host2", (one as *const ()).into()).unwrap();
        main.add_ir(
            "both",
            "declare i64 @host(i64)
             declare i64 @host2(i64)
             define i64 @both(i64 %x) {
               %a = call i64 @host(i64 0)
               %b = call i64 @host2(i64 0)
               %c = mul i64 %a, 10
               %d = add i64 %c, %b
               ret i64 %d
             }",
        )
        .unwrap();
        assert_eq!(call(&main, "both"), 11);
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                // SAFETY: it has this type.
                let both = unsafe { main.function::<extern "C" fn(i64) -> i64>("both") }.unwrap();
                let mut last = 11;
                while !stop.load(Ordering::Relaxed) {
                    let now = both(0);
                    // 21 would be the new first one and the old second one, or the other way round
                    // after the way back.
                    assert!([11, 12, 22].contains(&now), "{now}");
                    assert!(now >= last, "{now} after {last}");
                    last = now;
                }
            });
            commit(&main, |change| {
                change.define_address("host", (two as *const ()).into());
                change.define_address("host2", (two as *const ()).into());
            })
            .unwrap();
            assert_eq!(call(&main, "both"), 22);
            stop.store(true, Ordering::Relaxed);
        });
    });
}
