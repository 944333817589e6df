//! Libraries, resolvers, typed lookups, and calls whose types are known only at run time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rewire::{
    Answer, Engine, EntryKind, Error, ExecAddr, Level, OptLevel, Options, Request, Value,
};

use crate::support::Checked;

type Number = extern "C" fn() -> i32;

fn engine(level: Level) -> Engine {
    Engine::new(Options {
        level: OptLevel::Fixed(level),
        ..Options::default()
    })
    .unwrap()
}

fn returns(name: &str, number: i32) -> String {
    format!("define i32 @{name}() {{\n ret i32 {number}\n}}\n")
}

/// A module whose `user` returns what `callee` does.
fn calls(user: &str, callee: &str) -> String {
    format!(
        "declare i32 @{callee}()\ndefine i32 @{user}() {{\n %x = call i32 @{callee}()\n \
         ret i32 %x\n}}\n"
    )
}

#[test]
fn a_name_may_stand_for_different_things_in_different_libraries() {
    for level in [Level::O0, Level::O2] {
        let checked = Checked::new(level);
        let engine = &checked.engine;
        let one = engine.new_library("one").unwrap();
        let two = engine.new_library("two").unwrap();
        one.add_ir("one.ll", returns("f", 1).as_bytes()).unwrap();
        two.add_ir("two.ll", returns("f", 2).as_bytes()).unwrap();
        one.add_ir("user", calls("use", "f").as_bytes()).unwrap();
        two.add_ir("user", calls("use", "f").as_bytes()).unwrap();
        for (library, number) in [(&one, 1), (&two, 2)] {
            // SAFETY: it has this type.
            let function = unsafe { library.function::<Number>("use").unwrap() };
            assert_eq!(function(), number);
        }
        assert!(matches!(engine.lookup("f"), Err(Error::Unknown { .. })));
        assert!(engine.new_library("one").is_err());
        assert_eq!(engine.libraries().len(), 3);
        assert_eq!(
            one.names(),
            [
                ("f".into(), EntryKind::Function),
                ("use".into(), EntryKind::Function)
            ]
        );
        checked.verify();
    }
}

#[test]
fn names_are_searched_for_in_order() {
    let checked = Checked::new(Level::O0);
    let engine = &checked.engine;
    let first = engine.new_library("first").unwrap();
    let second = engine.new_library("second").unwrap();
    second
        .add_ir(
            "second.ll",
            format!(
                "{}{}@data = global i32 7\n@hidden = hidden global i32 8\n",
                returns("f", 2),
                returns("g", 3)
            )
            .as_bytes(),
        )
        .unwrap();
    first
        .add_ir("first.ll", returns("f", 1).as_bytes())
        .unwrap();
    let main = engine.main();
    main.search(&[&first, &second]).unwrap();
    let ir = format!(
        "{}{}@data = external global i32
         define i32 @read() {{\n %x = load i32, ptr @data\n ret i32 %x\n}}
         define ptr @address() {{\n ret ptr @f\n}}",
        calls("use_f", "f"),
        calls("use_g", "g"),
    );
    main.add_ir("main.ll", ir.as_bytes()).unwrap();
    for (name, number) in [("use_f", 1), ("use_g", 3), ("read", 7)] {
        // SAFETY: they have this type.
        let function = unsafe { main.function::<Number>(name).unwrap() };
        assert_eq!(function(), number, "{name}");
    }
    // One canonical address, wherever it is taken.
    // SAFETY: it has this type.
    let address = unsafe {
        main.function::<extern "C" fn() -> *const u8>("address")
            .unwrap()
    };
    assert_eq!(address() as u64, first.lookup("f").unwrap().get());
    assert_eq!(main.lookup("f").unwrap(), first.lookup("f").unwrap());
    // Who was linked to a library's function follows it.
    first.replace("f", returns("f", 10).as_bytes()).unwrap();
    // SAFETY: as above.
    let use_f = unsafe { main.function::<Number>("use_f").unwrap() };
    assert_eq!(use_f(), 10);
    assert!(
        first.state("f").unwrap().users.len() >= 2,
        "both uses in main"
    );
    checked.verify();
    let other = Engine::new(Options::default()).unwrap();
    assert!(matches!(
        main.search(&[&other.main()]),
        Err(Error::OtherEngine)
    ));
}

#[test]
fn users_in_other_libraries_that_are_not_compiled_are_users() {
    let engine = engine(Level::O0);
    let provider = engine.new_library("provider").unwrap();
    let between = engine.new_library("between").unwrap();
    let main = engine.main();
    between.search(&[&provider]).unwrap();
    main.search(&[&between, &provider]).unwrap();
    let provides = returns("f", 1) + &returns("unused", 2);
    let unit = provider.add_ir("f.ll", provides.as_bytes()).unwrap();
    between
        .add_ir("between.ll", calls("through", "f").as_bytes())
        .unwrap();
    main.add_ir("main.ll", calls("use", "f").as_bytes())
        .unwrap();
    let users = |refused: Result<_, Error>| match refused {
        Err(Error::InUse { name, users }) if &*name == "f" => users,
        other => panic!("{other:?}"),
    };
    let remove = |name: &str, force: bool| {
        let mut change = provider.change();
        change.remove(name);
        if force {
            change.force();
        }
        change.commit()
    };
    remove("unused", false).unwrap();
    assert_eq!(users(remove("f", false)), ["through", "use"]);
    assert_eq!(users(engine.remove_unit(unit)), ["through", "use"]);
    assert_eq!(users(provider.remove(false)), ["through", "use"]);
    // Of one that is compiled, and that others find through its library.
    // SAFETY: it has this type.
    let through = unsafe { between.function::<Number>("through").unwrap() };
    assert_eq!(through(), 1);
    assert_eq!(users(remove("f", false)), ["through"]);
    // Who finds another one doesn't need it.
    remove("f", true).unwrap();
    main.add_ir("own.ll", returns("f", 3).as_bytes()).unwrap();
    provider
        .add_ir("again.ll", returns("f", 4).as_bytes())
        .unwrap();
    assert_eq!(users(remove("f", false)), ["through"]);
    let mut change = between.change();
    change.remove("through");
    change.commit().unwrap();
    remove("f", false).unwrap();
    // SAFETY: as above.
    let own = unsafe { main.function::<Number>("use").unwrap() };
    assert_eq!(own(), 3);
}

#[test]
fn a_library_whose_closures_and_addresses_others_use_stays() {
    extern "C" fn given() -> i32 {
        5
    }
    let engine = engine(Level::O0);
    let provider = engine.new_library("provider").unwrap();
    let main = engine.main();
    main.search(&[&provider]).unwrap();
    provider
        .define_lazily("lazy", || Ok(returns("lazy", 1).into_bytes()))
        .unwrap();
    let address = (given as *const ()).into();
    provider.define("given", address).unwrap();
    for name in ["lazy", "given"] {
        let unit = main.add_ir("main.ll", calls("use", name).as_bytes());
        let refused = provider.remove(false);
        let Err(Error::InUse { name: used, users }) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!((&*used, &*users), (name, &["use".to_owned()][..]));
        engine.remove_unit(unit.unwrap()).unwrap();
    }
    let removed = provider.remove(false).unwrap().removed;
    assert_eq!(removed.len(), 2);
}

#[test]
fn what_comes_later_is_found_when_it_is_called() {
    let engine = engine(Level::O0);
    let later = engine.new_library("later").unwrap();
    let main = engine.main();
    main.search(&[&later]).unwrap();
    main.add_ir("main.ll", calls("use", "f").as_bytes())
        .unwrap();
    // Compiled, and so linked, before anything defines `f`.
    engine.compile_all().unwrap();
    later
        .add_ir("later.ll", returns("f", 4).as_bytes())
        .unwrap();
    // SAFETY: it has this type.
    let function = unsafe { main.function::<Number>("use").unwrap() };
    assert_eq!(function(), 4);
    later.replace("f", returns("f", 5).as_bytes()).unwrap();
    assert_eq!(function(), 5);
}

#[test]
fn resolvers_are_asked_when_a_name_is_needed_and_not_before() {
    for level in [Level::O0, Level::O2] {
        let checked = Checked::new(level);
        let engine = &checked.engine;
        let asked = Arc::new(Mutex::new(Vec::new()));
        let main = engine.main();
        let log = asked.clone();
        static NUMBER: i32 = 21;
        main.resolve_with(move |request: &Request<'_>| {
            log.lock().unwrap().push(request.name.to_owned());
            let bytes = |text: String| text.into_bytes();
            Some(match request.name {
                "host_data" => Answer::Address(ExecAddr::new(&raw const NUMBER as u64)),
                "ir_data" => Answer::Ir {
                    name: "data".to_owned(),
                    bytes: bytes("@ir_data = global i32 2".to_owned()),
                },
                "lazy" => Answer::Lazy(Arc::new(move || Ok(bytes(returns("lazy", 30))))),
                "from_ir" => Answer::Ir {
                    name: "code".to_owned(),
                    bytes: bytes(returns("from_ir", 400)),
                },
                _ => return None,
            })
        });
        let ir = format!(
            "@host_data = external global i32\n@ir_data = external global i32
             {}{}define i32 @data() {{
               %x = load i32, ptr @host_data
               %y = load i32, ptr @ir_data
               %z = add i32 %x, %y
               ret i32 %z
             }}",
            calls("call_lazy", "lazy"),
            calls("call_ir", "from_ir"),
        );
        main.add_ir("main.ll", ir.as_bytes()).unwrap();
        let take = || std::mem::take(&mut *asked.lock().unwrap());
        assert!(take().is_empty());
        // SAFETY: they have this type.
        let [data, call_lazy, call_ir] = ["data", "call_lazy", "call_ir"]
            .map(|name| unsafe { main.function::<Number>(name).unwrap() });
        assert!(take().is_empty());
        assert_eq!(data(), 23);
        assert_eq!(take(), ["host_data", "ir_data"]);
        assert_eq!(call_lazy(), 30);
        assert_eq!(take(), ["lazy"]);
        assert_eq!(call_ir(), 400);
        assert_eq!(take(), ["from_ir"]);
        assert_eq!((data(), call_lazy(), call_ir()), (23, 30, 400));
        assert!(take().is_empty(), "the answers stay");
        checked.verify();
    }
}

#[test]
fn a_resolver_may_use_the_engine() {
    let engine = engine(Level::O0);
    let main = engine.main();
    main.add_ir("helper.ll", returns("helper", 6).as_bytes())
        .unwrap();
    let within = main.clone();
    main.resolve_with(move |request: &Request<'_>| {
        let name = request.name.to_owned();
        // SAFETY: it has this type; it is compiled now, while another function is.
        let helper = unsafe { within.function::<Number>("helper").unwrap() };
        let bytes = returns(&name, helper() + 1).into_bytes();
        Some(Answer::Ir { name, bytes })
    });
    main.add_ir("main.ll", calls("use", "f").as_bytes())
        .unwrap();
    // SAFETY: it has this type.
    let function = unsafe { main.function::<Number>("use").unwrap() };
    assert_eq!(function(), 7);
}

#[test]
fn a_lazy_function_has_an_address_and_is_made_once() {
    // At higher levels, `use_bad` jumps, and has no frame to be seen.
    let engine = engine(Level::O0);
    let main = engine.main();
    static MADE: AtomicUsize = AtomicUsize::new(0);
    main.define_lazily("f", || {
        MADE.fetch_add(1, Ordering::Relaxed);
        Ok(returns("f", 9).into_bytes())
    })
    .unwrap();
    assert!(main.define_lazily("f", || Err(String::new())).is_err());
    let address = main.lookup("f").unwrap();
    assert_eq!(MADE.load(Ordering::Relaxed), 0);
    main.add_ir("main.ll", calls("use", "f").as_bytes())
        .unwrap();
    // SAFETY: it has this type.
    let function = unsafe { main.function::<Number>("use").unwrap() };
    assert_eq!((function(), function()), (9, 9));
    assert_eq!(MADE.load(Ordering::Relaxed), 1);
    assert_eq!(main.lookup("f").unwrap(), address);
    // What the client can't make is told when it is called.
    main.define_lazily("bad", || Err("no such class".to_owned()))
        .unwrap();
    main.add_ir("bad.ll", calls("use_bad", "bad").as_bytes())
        .unwrap();
    let said = Arc::new(Mutex::new(String::new()));
    let to = said.clone();
    extern "C" fn instead() -> i32 {
        -1
    }
    engine.on_failure(move |failure| {
        *to.lock().unwrap() = failure.to_string();
        Some((instead as *const ()).into())
    });
    // SAFETY: as above.
    let use_bad = unsafe { main.function::<Number>("use_bad").unwrap() };
    assert_eq!((use_bad(), use_bad()), (-1, -1));
    let said = said.lock().unwrap().clone();
    for part in [
        "no such class",
        "in the first call of bad",
        "called by use_bad",
    ] {
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn absolute_symbols_are_called_and_read() {
    extern "C" fn triple(x: i32) -> i32 {
        3 * x
    }
    static WORD: AtomicUsize = AtomicUsize::new(5);
    for level in [Level::O0, Level::O2] {
        let checked = Checked::new(level);
        let main = checked.engine.main();
        main.define("triple", (triple as *const ()).into()).unwrap();
        main.define("word", ExecAddr::new(&raw const WORD as u64))
            .unwrap();
        main.add_ir("own.ll", b"@own = global i64 1").unwrap();
        assert!(main.define("own", ExecAddr::new(8)).is_err());
        main.add_ir(
            "main.ll",
            b"declare i32 @triple(i32)
              @word = external global i64
              @table = global [1 x ptr] [ptr @triple]
              define i32 @f(i32 %x) {
                %y = call i32 @triple(i32 %x)
                %p = load ptr, ptr @table
                %z = call i32 %p(i32 %y)
                ret i32 %z
              }
              define i64 @g() {
                %x = load i64, ptr @word
                ret i64 %x
              }",
        )
        .unwrap();
        // SAFETY: they have these types.
        let (f, g) = unsafe {
            (
                main.function::<extern "C" fn(i32) -> i32>("f").unwrap(),
                main.function::<extern "C" fn() -> i64>("g").unwrap(),
            )
        };
        assert_eq!(f(2), 18);
        assert_eq!(g(), 5);
        assert_eq!(
            main.lookup("triple").unwrap().get(),
            triple as *const () as u64
        );
        checked.verify();
    }
}

#[test]
fn a_library_that_does_not_ask_the_host_lacks_what_only_the_host_has() {
    let engine = engine(Level::O0);
    let library = engine.new_library("alone").unwrap();
    library.ask_host(false);
    library
        .add_ir(
            "f.ll",
            b"declare i32 @getpid()\ndefine i32 @f() {\n %x = call i32 @getpid()\n ret i32 %x\n}",
        )
        .unwrap();
    extern "C" fn instead() -> i32 {
        -7
    }
    engine.on_failure(|_| Some((instead as *const ()).into()));
    // SAFETY: it has this type.
    let function = unsafe { library.function::<Number>("f").unwrap() };
    assert_eq!(function(), -7);
    library.ask_host(true);
    assert_eq!(function(), std::process::id() as i32);
}

#[test]
fn types_are_checked_where_the_ir_tells_them() {
    let engine = engine(Level::O0);
    let main = engine.main();
    main.add_ir(
        "main.ll",
        b"@word = global i64 3
          define double @f(i32 %x, ptr %y) {
            ret double 1.5
          }",
    )
    .unwrap();
    // SAFETY: none of these is called; the last one has this type.
    unsafe {
        assert!(
            main.function::<extern "C" fn(i32, *const u8) -> f64>("f")
                .is_ok()
        );
        assert!(main.function::<extern "C" fn(i32) -> f64>("f").is_err());
        assert!(
            main.function::<extern "C" fn(i32, *const u8) -> f32>("f")
                .is_err()
        );
        let error = main.function::<Number>("word").unwrap_err();
        assert!(error.to_string().contains("i64"), "{error}");
    }
    let word = main.data::<i64>("word").unwrap();
    // SAFETY: it holds one, and nobody else uses it.
    unsafe {
        assert_eq!(word.read(), 3);
        word.write(4);
        assert_eq!(word.read(), 4);
    }
    assert!(main.data::<[i64; 2]>("word").is_err(), "too large");
    assert!(main.data::<i64>("f").is_err(), "a function");
}

#[test]
fn functions_are_called_by_types_that_only_the_engine_knows() {
    for level in [Level::O0, Level::O2] {
        let checked = Checked::new(level);
        let main = checked.engine.main();
        main.add_ir(
            "main.ll",
            b"declare i32 @abs(i32)
              @seen = global i64 0
              define i128 @mixed(i1 %a, i8 signext %b, i16 zeroext %c, i32 %d, i64 %e, i128 %f, float %g, double %h, ptr %p) {
                %a1 = zext i1 %a to i128
                %b1 = sext i8 %b to i128
                %c1 = zext i16 %c to i128
                %d1 = sext i32 %d to i128
                %e1 = sext i64 %e to i128
                %g1 = fptosi float %g to i128
                %h1 = fptosi double %h to i128
                %p1 = load i64, ptr %p
                %p2 = sext i64 %p1 to i128
                %s1 = add i128 %a1, %b1
                %s2 = add i128 %s1, %c1
                %s3 = add i128 %s2, %d1
                %s4 = add i128 %s3, %e1
                %s5 = add i128 %s4, %f
                %s6 = add i128 %s5, %g1
                %s7 = add i128 %s6, %h1
                %s8 = add i128 %s7, %p2
                ret i128 %s8
              }
              define fastcc i64 @fast(i64 %a, i64 %b) {
                %c = mul i64 %a, %b
                ret i64 %c
              }
              define void @nothing(i64 %x) {
                store i64 %x, ptr @seen
                ret void
              }
              define { i32, i32 } @pair() {
                ret { i32, i32 } zeroinitializer
              }
              define i32 @many(...) {
                ret i32 0
              }
              define i32 @call_abs(i32 %x) {
                %y = call i32 @abs(i32 %x)
                ret i32 %y
              }",
        )
        .unwrap();
        let word: i64 = 1_000_000;
        let arguments = [
            Value::Bool(true),
            Value::I8(-2),
            Value::I16(300),
            Value::I32(-4000),
            Value::I64(5),
            Value::I128(-(1 << 100)),
            Value::F32(60.0),
            Value::F64(700.0),
            Value::Pointer(ExecAddr::new(&raw const word as u64)),
        ];
        let sum = 1 - 2 + 300 - 4000 + 5 - (1i128 << 100) + 60 + 700 + 1_000_000;
        // SAFETY: they compute, and the pointer leads to a word.
        unsafe {
            assert_eq!(
                main.call("mixed", &arguments).unwrap(),
                Some(Value::I128(sum))
            );
            let fast = [Value::I64(6), Value::I64(7)];
            assert_eq!(main.call("fast", &fast).unwrap(), Some(Value::I64(42)));
            assert_eq!(main.call("nothing", &[Value::I64(8)]).unwrap(), None);
            assert_eq!(main.data::<i64>("seen").unwrap().read(), 8);
            assert_eq!(
                main.call("call_abs", &[Value::I32(-3)]).unwrap(),
                Some(Value::I32(3))
            );
            for (name, arguments) in [
                ("fast", &[Value::I64(6)][..]),
                ("fast", &[Value::I64(6), Value::I32(7)]),
                ("pair", &[]),
                ("many", &[]),
                ("seen", &[]),
                ("nowhere", &[]),
            ] {
                assert!(main.call(name, arguments).is_err(), "{name}");
            }
        }
        // The same type again needs no other gate.
        let before = checked.engine.units().len();
        // SAFETY: as above.
        let again = unsafe { main.call("fast", &[Value::I64(2), Value::I64(2)]) };
        assert_eq!(again.unwrap(), Some(Value::I64(4)));
        assert_eq!(checked.engine.units().len(), before);
        checked.verify();
    }
}

#[test]
fn names_are_found_as_their_source_had_them() {
    let engine = engine(Level::O0);
    let main = engine.main();
    let ir = format!(
        "{}{}{}",
        returns("_ZN5shape4areaEv", 1),
        returns("_ZN5shape4areaEi", 2),
        returns("_RNvC5shape4size", 3)
    );
    main.add_ir("shape.ll", ir.as_bytes()).unwrap();
    let at = |name: &str| main.lookup_demangled(name).unwrap();
    assert_eq!(
        at("shape::area()"),
        main.lookup("_ZN5shape4areaEv").unwrap()
    );
    assert_eq!(
        at("shape::area(int)"),
        main.lookup("_ZN5shape4areaEi").unwrap()
    );
    assert_eq!(at("shape::size"), main.lookup("_RNvC5shape4size").unwrap());
    assert!(matches!(
        main.lookup_demangled("shape::area"),
        Err(Error::Unknown { .. })
    ));
}

#[test]
fn units_are_listed() {
    let engine = engine(Level::O0);
    let first = engine
        .add_ir("first.ll", returns("f", 1).as_bytes())
        .unwrap();
    let second = engine
        .main()
        .add_ir_frozen("second.ll", returns("g", 1).as_bytes())
        .unwrap();
    let units = engine.units();
    let ids: Vec<_> = units.iter().map(|unit| unit.id).collect();
    assert_eq!(ids, [first, second]);
    assert_eq!(&*units[0].name, "first.ll");
    assert_eq!(units[0].defines, ["f".into()]);
    assert!(!units[0].is_frozen && units[1].is_frozen);
    assert_eq!(units[1].library, engine.main().id());
}

#[test]
fn constructors_run_without_a_main_function() {
    let engine = engine(Level::O0);
    engine
        .add_ir(
            "ctor.ll",
            b"@llvm.global_ctors = appending global [1 x { i32, ptr, ptr }] [{ i32, ptr, ptr } { i32 65535, ptr @start, ptr null }]
              @count = global i32 0
              define internal void @start() {
                %x = load i32, ptr @count
                %y = add i32 %x, 1
                store i32 %y, ptr @count
                ret void
              }",
        )
        .unwrap();
    let count = engine.main().data::<i32>("count").unwrap();
    // SAFETY: they count, and nobody else does.
    unsafe {
        assert_eq!(count.read(), 0);
        engine.run_constructors().unwrap();
        engine.run_constructors().unwrap();
        assert_eq!(count.read(), 1);
    }
}
