//! Clients find a name where code of the library finds it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use rewire::{Answer, Engine, EntryKind, Error, ExecAddr, Library, Options, Request, Value};

use crate::stress::duration;

fn engine() -> Engine {
    Engine::new(Options::default()).unwrap()
}

fn returns(name: &str, value: i32) -> String {
    format!("define i32 @{name}() {{\n ret i32 {value}\n}}")
}

/// What a function answers in each of the ways in which a client may call it.
fn in_each_way(library: &Library, name: &str) -> Vec<i32> {
    let address = library.lookup(name).unwrap();
    // SAFETY: all functions here have this type, and the engine lives on.
    let (by_address, typed, dynamic) = unsafe {
        let by_address: extern "C" fn() -> i32 = std::mem::transmute(address.get());
        let typed = library.function::<extern "C" fn() -> i32>(name).unwrap();
        (by_address(), typed(), library.call(name, &[]).unwrap())
    };
    let Some(Value::I32(dynamic)) = dynamic else {
        panic!("{dynamic:?}");
    };
    vec![by_address, typed, dynamic]
}

/// The address that code of the library has for a name.
fn in_code(library: &Library, name: &str) -> ExecAddr {
    let taker =
        format!("declare void @{name}()\ndefine ptr @take.{name}() {{\n ret ptr @{name}\n}}");
    library.add_ir("taker", &taker).unwrap();
    // SAFETY: it returns an address.
    match unsafe { library.call(&format!("take.{name}"), &[]) }.unwrap() {
        Some(Value::Pointer(address)) => address,
        other => panic!("{other:?}"),
    }
}

extern "C" fn forty() -> i32 {
    40
}

static NUMBER: AtomicUsize = AtomicUsize::new(77);

/// Names that a resolver was asked for, with what was said of each.
type Asked = Arc<Mutex<Vec<(String, EntryKind, Option<String>)>>>;

/// A resolver that knows names of each kind of answer, and notes what it was asked for.
fn resolve(library: &Library) -> Asked {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = asked.clone();
    library.resolve_with(move |request: &Request<'_>| {
        let type_name = request.type_name.map(str::to_owned);
        noted
            .lock()
            .unwrap()
            .push((request.name.to_owned(), request.kind, type_name));
        Some(match request.name {
            "by_ir" => Answer::ir("answer", returns("by_ir", 10)),
            "by_address" => Answer::Address((forty as *const ()).into()),
            "lazily" => Answer::Lazy(Arc::new(|| Ok(returns("lazily", 30).into_bytes()))),
            "number" => Answer::Address((&raw const NUMBER).cast::<()>().into()),
            "failing" => Answer::Failed("no such class".to_owned()),
            _ => return None,
        })
    });
    asked
}

#[test]
fn along_the_search_order() {
    let engine = engine();
    let main = engine.main();
    let near = engine.new_library("near").unwrap();
    let far = engine.new_library("far").unwrap();
    main.search(&[&near, &far]).unwrap();
    near.add_ir("near", returns("both", 1)).unwrap();
    let hidden = "define hidden i32 @inside() {\n ret i32 9\n}\n@variable = global i32 5";
    near.add_ir("hidden", hidden).unwrap();
    far.add_ir("far", &(returns("both", 2) + &returns("one", 3)))
        .unwrap();
    far.define_lazily("lazy", || Ok(returns("lazy", 4).into_bytes()))
        .unwrap();
    assert_eq!(in_each_way(&main, "both"), [1; 3]);
    assert_eq!(in_each_way(&main, "one"), [3; 3]);
    assert_eq!(in_each_way(&main, "lazy"), [4; 3]);
    let variable = main.data::<i32>("variable").unwrap();
    // SAFETY: nobody writes it.
    assert_eq!(unsafe { variable.read() }, 5);
    assert!(
        matches!(main.lookup("inside"), Err(Error::Unknown { .. })),
        "it is hidden"
    );
    assert_eq!(main.descriptor("one").unwrap().unit.as_deref(), Some("far"));
    for name in ["both", "one", "lazy"] {
        assert_eq!(in_code(&main, name), main.lookup(name).unwrap(), "{name}");
    }
    // What others define isn't the library's own.
    assert!(
        main.names()
            .iter()
            .all(|(name, _)| name.starts_with("take."))
    );
    main.add_ir("own", returns("own", 6)).unwrap();
    assert!(near.lookup("own").is_err(), "main is not searched by near");
    far.remove(true).unwrap();
    assert!(main.lookup("lazy").is_err());
    assert!(far.lookup("one").is_err());
}

#[test]
fn what_resolvers_have_is_found() {
    for declared in [false, true] {
        let engine = engine();
        let main = engine.main();
        if declared {
            let names = ["by_ir", "by_address", "lazily", "failing", "nowhere"];
            let declarations = names.map(|name| format!("declare i32 @{name}()"));
            main.add_ir("declares", declarations.join("\n")).unwrap();
        }
        resolve(&main);
        assert_eq!(in_each_way(&main, "by_ir"), [10; 3]);
        assert_eq!(in_each_way(&main, "lazily"), [30; 3]);
        // SAFETY: it has this type.
        let found = unsafe { main.function::<extern "C" fn() -> i32>("by_address") }.unwrap();
        assert_eq!(found(), 40);
        let number = main.data::<usize>("number").unwrap();
        assert_eq!(number.pointer().cast_const().cast(), &raw const NUMBER);
        for name in ["by_ir", "by_address", "lazily"] {
            assert_eq!(in_code(&main, name), main.lookup(name).unwrap(), "{name}");
        }
        let error = main.lookup("failing").unwrap_err().to_string();
        assert_eq!(error, "failing has no IR: no such class");
        assert!(matches!(main.lookup("nowhere"), Err(Error::Unknown { .. })));
        // What was not found may be defined.
        main.add_ir("late", returns("nowhere", 50)).unwrap();
        assert_eq!(in_each_way(&main, "nowhere"), [50; 3]);
    }
}

#[test]
fn resolvers_are_told_what_is_wanted() {
    let engine = engine();
    let main = engine.main();
    let asked = resolve(&main);
    // SAFETY: none of them is called.
    unsafe {
        let _ = main.function::<extern "C" fn(i32, *const u8) -> f64>("some_function");
        let _ = main.call("some_call", &[]);
    }
    let _ = main.data::<i32>("some_data");
    let _ = main.lookup("some_name");
    let _ = main.pin("some_pin");
    main.add_ir("declares", "declare i64 @some_declared(i8)")
        .unwrap();
    let _ = main.lookup("some_declared");
    let asked = asked.lock().unwrap();
    let asked: Vec<(&str, EntryKind, Option<&str>)> = asked
        .iter()
        .map(|(name, kind, of_type)| (name.as_str(), *kind, of_type.as_deref()))
        .collect();
    assert_eq!(
        asked,
        [
            (
                "some_function",
                EntryKind::Function,
                Some("double (i32, ptr)")
            ),
            ("some_call", EntryKind::Function, None),
            ("some_data", EntryKind::Data, None),
            ("some_name", EntryKind::Unknown, None),
            ("some_pin", EntryKind::Function, None),
            ("some_declared", EntryKind::Function, Some("i64 (i8)")),
        ]
    );
}

#[test]
fn what_the_host_has() {
    let engine = engine();
    let main = engine.main();
    let here = i32::try_from(std::process::id()).unwrap();
    let address = main.lookup("getpid").unwrap();
    // SAFETY: it has this type.
    let getpid = unsafe { main.function::<extern "C" fn() -> i32>("getpid") }.unwrap();
    assert_eq!(getpid(), here);
    // SAFETY: the type isn't known, so it isn't called.
    let error = unsafe { main.call("getpid", &[]) }.unwrap_err();
    assert!(matches!(error, Error::WrongType { .. }), "{error}");
    main.add_ir("declares", "declare i32 @getpid()").unwrap();
    assert_eq!(in_each_way(&main, "getpid"), [here; 3]);
    assert_eq!(in_code(&main, "getpid"), address);
    let environ = main.data::<*const u8>("environ").unwrap();
    // SAFETY: nobody changes the environment meanwhile.
    assert!(unsafe { !environ.read().is_null() });
    main.ask_host(false);
    assert!(main.lookup("getppid").is_err());
}

#[test]
fn looking_at_the_host_keeps_nobody_from_defining() {
    let engine = engine();
    let main = engine.main();
    main.lookup("getpid").unwrap();
    main.lookup("environ").unwrap();
    main.add_ir("own", &(returns("getpid", 7) + "\n@environ = global i64 8"))
        .unwrap();
    assert_eq!(in_each_way(&main, "getpid"), [7; 3]);
    let environ = main.data::<i64>("environ").unwrap();
    // SAFETY: nobody writes it.
    assert_eq!(unsafe { environ.read() }, 8);
}

#[test]
fn what_is_made_lazily_is_called_by_the_type_that_it_gets() {
    let engine = engine();
    let main = engine.main();
    static MADE: AtomicUsize = AtomicUsize::new(0);
    main.define_lazily("doubled", || {
        MADE.fetch_add(1, Ordering::Relaxed);
        Ok(b"define i64 @doubled(i64 %x) {\n %y = shl i64 %x, 1\n ret i64 %y\n}".to_vec())
    })
    .unwrap();
    for x in [4, 5] {
        // SAFETY: it only computes.
        let result = unsafe { main.call("doubled", &[Value::I64(x)]) };
        assert_eq!(result.unwrap(), Some(Value::I64(2 * x)));
    }
    // SAFETY: as above.
    let error = unsafe { main.call("doubled", &[Value::I32(1)]) }.unwrap_err();
    assert!(matches!(error, Error::WrongArguments { .. }), "{error}");
    assert_eq!(MADE.load(Ordering::Relaxed), 1);
    main.define_lazily("unmade", || Err("no such class".to_owned()))
        .unwrap();
    // SAFETY: as above.
    let error = unsafe { main.call("unmade", &[]) }.unwrap_err();
    assert_eq!(error.to_string(), "unmade has no IR: no such class");
}

#[test]
fn what_resolvers_bring_can_be_pinned() {
    let engine = engine();
    let main = engine.main();
    resolve(&main);
    for name in ["by_ir", "lazily"] {
        let _pin = main.pin(name).unwrap();
        assert!(main.machine_code(name).is_some(), "{name}");
    }
    assert!(main.pin("nowhere").is_err());
}

#[test]
fn a_variable_of_each_threads_own_has_no_one_address() {
    let engine = engine();
    let main = engine.main();
    let ir = "@own = thread_local global i32 1
        define i32 @read() {
          %x = load i32, ptr @own
          ret i32 %x
        }";
    main.add_ir("own", ir).unwrap();
    assert!(main.lookup("own").is_err());
    assert_eq!(in_each_way(&main, "read"), [1; 3]);
    assert!(matches!(
        main.data::<i32>("own"),
        Err(Error::WrongType { .. })
    ));
}

/// A name that comes and goes while others look it up and call it: whoever finds it has the address
/// that it has for ever, never that of the body that it has just now.
#[test]
fn an_address_that_is_looked_up_is_the_functions_own() {
    let engine = engine();
    let main = engine.main();
    let mut began = main.change();
    began.define("first", returns("comes", 0).as_bytes());
    began.commit().unwrap();
    let own = main.lookup("comes").unwrap();
    let until = Instant::now() + duration();
    let lookers: Vec<_> = (0..3)
        .map(|_| {
            let engine = engine.clone();
            std::thread::spawn(move || {
                let mut found = 0_usize;
                while Instant::now() < until {
                    match engine.main().lookup("comes") {
                        Ok(address) => assert_eq!(address, own),
                        Err(error) => {
                            assert!(matches!(error, Error::Unknown { .. }), "{error}");
                            continue;
                        }
                    }
                    found += 1;
                }
                found
            })
        })
        .collect();
    for value in 1.. {
        let mut change = main.change();
        change.remove("comes").force();
        change.commit().unwrap();
        let mut change = main.change();
        change.define("again", returns("comes", value).as_bytes());
        change.commit().unwrap();
        // SAFETY: it is of this type.
        let function = unsafe { main.function::<extern "C" fn() -> i32>("comes") };
        assert_eq!(function.unwrap()(), value);
        if Instant::now() > until {
            break;
        }
    }
    for looker in lookers {
        assert!(looker.join().unwrap() > 0);
    }
}
