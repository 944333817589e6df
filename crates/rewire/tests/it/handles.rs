//! What clients hold: in closures that may unwind, by pointers of any address space, and as many
//! engines as there can be.

use std::ops::Range;
use std::panic::{RefUnwindSafe, UnwindSafe, catch_unwind};
use std::process::Command;
use std::sync::{Arc, Mutex};

use rewire::{
    CompileObserver, Engine, Error, ExecAddr, Function, Library, Options, Pin, ReclaimedCode,
    Removal, UnitId, Value,
};

fn check<T: UnwindSafe + RefUnwindSafe + Send + Sync>() {}

#[test]
fn handles_go_through_catch_unwind() {
    check::<Engine>();
    check::<Library>();
    check::<Function<extern "C" fn(i32) -> i32>>();
    check::<rewire::Data<i32>>();
    check::<Pin>();
    check::<UnitId>();
    let engine = Engine::new(Options::default()).unwrap();
    let main = engine.main();
    main.add_ir("f", "define i32 @f(i32 %x) {\n ret i32 %x\n}")
        .unwrap();
    // SAFETY: it has this type.
    let f = unsafe { main.function::<extern "C" fn(i32) -> i32>("f") }.unwrap();
    let result = catch_unwind(|| {
        assert!(main.lookup("f").is_ok() && engine.state("f").is_some());
        assert_eq!(f(3), 4, "it is 3, so this panics");
    });
    assert!(result.is_err());
    assert_eq!(f(3), 3);
    main.replace("f", "define i32 @f(i32 %x) {\n ret i32 7\n}")
        .unwrap();
    assert_eq!(f(3), 7);
}

#[test]
fn pointers_of_other_address_spaces_are_pointers() {
    let engine = Engine::new(Options::default()).unwrap();
    let main = engine.main();
    let ir = "define ptr addrspace(1) @next(ptr addrspace(1) %p, ptr %q) {
          %n = getelementptr i8, ptr addrspace(1) %p, i64 1
          ret ptr addrspace(1) %n
        }
        define void @narrow(ptr addrspace(270) %p) {
          ret void
        }";
    main.add_ir("next", ir).unwrap();
    let byte = 5u8;
    type Next = extern "C" fn(*const u8, *const u8) -> *const u8;
    // SAFETY: it has this type.
    let next = unsafe { main.function::<Next>("next") }.unwrap();
    let at = &raw const byte;
    assert_eq!(next(at, at), at.wrapping_add(1));
    // SAFETY: it only computes.
    let result = unsafe {
        main.call(
            "next",
            &[Value::Pointer(at.into()), Value::Pointer(at.into())],
        )
    };
    assert_eq!(
        result.unwrap(),
        Some(Value::Pointer(at.wrapping_add(1).into()))
    );
    // SAFETY: it isn't called.
    let narrow = unsafe { main.function::<extern "C" fn(*const u8)>("narrow") };
    assert!(
        matches!(narrow, Err(Error::WrongType { .. })),
        "its pointers have 32 bits"
    );
}

/// In a process of its own: others make engines meanwhile.
#[test]
fn too_many_engines_are_an_error_that_says_so() {
    const CHILD: &str = "REWIRE_TEST_ENGINES";
    if std::env::var_os(CHILD).is_none() {
        let output = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "handles::too_many_engines_are_an_error_that_says_so",
            ])
            .env(CHILD, "")
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stdout)
        );
        return;
    }
    let mut engines: Vec<Engine> = Vec::new();
    let error = loop {
        match Engine::new(Options::default()) {
            Ok(engine) => engines.push(engine),
            Err(error) => break error,
        }
    };
    assert!(
        matches!(error, Error::TooManyEngines { limit } if limit == engines.len()),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .contains(&format!("there are {} engines", engines.len()))
    );
    assert!(error.help().unwrap().contains("drop an engine"));
    engines.pop();
    engines.push(Engine::new(Options::default()).unwrap());
}

#[derive(Default)]
struct Log {
    removed: Mutex<Vec<String>>,
    reclaimed: Mutex<Vec<ReclaimedCode>>,
}

impl CompileObserver for Log {
    fn removed(&self, removal: &Removal) {
        let names = removal.names.iter().map(ToString::to_string);
        self.removed.lock().unwrap().extend(names);
    }

    fn reclaimed(&self, given_back: &ReclaimedCode) {
        self.reclaimed.lock().unwrap().push(given_back.clone());
    }
}

#[test]
fn an_observer_is_told_what_leaves_and_what_is_given_back() {
    let log = Arc::new(Log::default());
    let options = Options {
        compile_observer: Some(log.clone()),
        ..Options::default()
    };
    let engine = Engine::new(options).unwrap();
    let main = engine.main();
    // On a thread whose stack is gone when the code is given back. Addresses on this one would keep
    // it: they are noted inverted.
    let on_its_own = || {
        let body = |value: i32| format!("define i32 @f() {{\n ret i32 {value}\n}}");
        main.add_ir("unit", body(1)).unwrap();
        let compiled = || {
            drop(main.pin("f").unwrap());
            !main.machine_code("f").unwrap().address.get()
        };
        let first = compiled();
        main.replace("f", body(2)).unwrap();
        let second = compiled();
        assert!(log.removed.lock().unwrap().is_empty());
        let mut change = main.change();
        change.remove("f");
        change.commit().unwrap();
        assert_eq!(*log.removed.lock().unwrap(), ["f"]);
        [first, second]
    };
    let places = std::thread::scope(|scope| scope.spawn(on_its_own).join().unwrap());
    let reclaimed = engine.reclaim();
    assert!(reclaimed.left.is_empty(), "{:?}", reclaimed.left);
    let told = log.reclaimed.lock().unwrap();
    for place in places {
        let is_in = |code: &Range<ExecAddr>| code.contains(&ExecAddr::new(!place));
        assert!(
            told.iter().any(|one| one.code.iter().any(is_in)),
            "{told:?}"
        );
    }
    let bytes = told.iter().flat_map(|one| &one.code);
    let bytes: u64 = bytes.map(|code| code.end.get() - code.start.get()).sum();
    assert!((1..=reclaimed.bytes).contains(&bytes), "{told:?}");
}
