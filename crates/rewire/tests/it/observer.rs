//! What the engine tells of its work.

use std::collections::BTreeMap;
use std::sync::{Arc, Barrier, Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use rewire::{
    Compilation, CompileObserver, Engine, Loaded, Options, Phase, PhaseSpan, Replacement, TimeSpan,
    Wait, Why,
};

/// Collects everything, and asks the engine something each time: no lock may be held.
#[derive(Default)]
struct Collector {
    engine: OnceLock<Engine>,
    loaded: Mutex<Vec<Loaded>>,
    compiled: Mutex<Vec<Compilation>>,
    waited: Mutex<Vec<Wait>>,
    replaced: Mutex<Vec<Replacement>>,
}

impl Collector {
    fn ask(&self) {
        if let Some(engine) = self.engine.get() {
            let _ = engine.report();
            let _ = engine.state("main");
        }
    }
}

impl CompileObserver for Collector {
    fn loaded(&self, loaded: &Loaded) {
        self.ask();
        self.loaded.lock().unwrap().push(loaded.clone());
    }

    fn compiled(&self, compilation: &Compilation) {
        self.ask();
        self.compiled.lock().unwrap().push(compilation.clone());
    }

    fn waited(&self, wait: &Wait) {
        self.ask();
        self.waited.lock().unwrap().push(wait.clone());
    }

    fn replaced(&self, replacement: &Replacement) {
        self.ask();
        self.replaced.lock().unwrap().push(replacement.clone());
    }
}

/// An engine with a unit, and what it tells. The cycle keeps both alive for good.
fn watched(ir: &str) -> (Engine, Arc<Collector>) {
    let collector = Arc::new(Collector::default());
    let engine = Engine::new(Options {
        compile_observer: Some(collector.clone()),
        ..Options::default()
    });
    let engine = engine.unwrap();
    collector.engine.set(engine.clone()).unwrap();
    engine.add_ir("test.ll", ir.as_bytes()).unwrap();
    (engine, collector)
}

fn call(engine: &Engine, name: &str, argument: i32) -> i32 {
    let address = engine.lookup(name).unwrap();
    // SAFETY: all functions here have this type.
    let function: extern "C" fn(i32) -> i32 = unsafe { std::mem::transmute(address.get()) };
    function(argument)
}

/// `main` surely calls `inner`, which calls `rare` for arguments above 5; `data` is a variable.
const PROGRAM: &str = "
    @data = global i32 7
    @kept = global i32 8, section \"keep\"
    define i32 @main(i32 %x) {
      %y = call i32 @inner(i32 %x)
      ret i32 %y
    }
    define internal i32 @inner(i32 %x) {
      %big = icmp sgt i32 %x, 5
      br i1 %big, label %yes, label %no
    yes:
      %z = call i32 @rare(i32 %x)
      ret i32 %z
    no:
      ret i32 %x
    }
    define i32 @rare(i32 %x) {
      %z = mul i32 %x, 2
      ret i32 %z
    }
    define i32 @never(i32 %x) {
      ret i32 0
    }";

fn whys(collector: &Collector) -> BTreeMap<String, Why> {
    let compiled = collector.compiled.lock().unwrap();
    let functions = compiled.iter().flat_map(|one| &one.functions);
    let mut whys = BTreeMap::new();
    for function in functions {
        assert!(function.size > 0);
        assert!(function.address.get() != 0);
        let before = whys.insert(function.name.to_string(), function.why.clone());
        assert!(before.is_none(), "{} twice", function.name);
    }
    whys
}

fn called(by: &str) -> Why {
    Why::Called {
        by: Some(by.into()),
    }
}

#[test]
fn it_is_told_what_is_compiled_and_why() {
    let (engine, collector) = watched(PROGRAM);
    assert_eq!(call(&engine, "main", 1), 1);
    let found = whys(&collector);
    let main = "main".into();
    assert_eq!(found["inner"], Why::Company { of: main });
    assert!(matches!(found["main"], Why::Called { .. }));
    assert!(!found.contains_key("rare"));
    assert_eq!(call(&engine, "main", 6), 12);
    assert_eq!(whys(&collector)["rare"], called("inner"));

    engine.lookup("data").unwrap();
    let reasons: Vec<Why> = {
        let compiled = collector.compiled.lock().unwrap();
        compiled.iter().map(|one| one.why.clone()).collect()
    };
    assert_eq!(reasons.first(), Some(&Why::Start));
    assert_eq!(reasons.last(), Some(&Why::Data));
    engine.compile_all().unwrap();
    assert_eq!(whys(&collector)["never"], Why::Eager);
    let report = engine.report();
    assert_eq!(whys(&collector).len() as u64, report.functions_compiled);
    assert!(collector.waited.lock().unwrap().is_empty());
    assert!(collector.replaced.lock().unwrap().is_empty());
    let compiled = collector.compiled.lock().unwrap();
    assert!(
        compiled
            .iter()
            .all(|one| &*one.unit == "test.ll" && !one.failed)
    );
    // Of `kept`, and of `data`.
    let variables = compiled.iter().map(|one| one.variables).sum::<usize>();
    assert_eq!(variables, 2);
}

#[test]
fn it_is_told_of_each_step() {
    let (engine, collector) = watched(PROGRAM);
    call(&engine, "main", 6);
    engine
        .replace("rare", b"define i32 @rare(i32 %x) {\n ret i32 -1\n}")
        .unwrap();
    assert_eq!(call(&engine, "main", 6), -1);

    // SAFETY: it asks for a number.
    let this_thread = unsafe { gettid() } as u32;
    let mut sums: BTreeMap<&str, Duration> = BTreeMap::new();
    let mut add = |span: TimeSpan, phases: &[PhaseSpan]| {
        assert_eq!(span.thread, this_thread);
        let mut from = span.start;
        for phase in phases {
            assert!(from <= phase.start, "steps overlap");
            from = phase.start + phase.duration;
            *sums.entry(phase.phase.name()).or_default() += phase.duration;
        }
        assert!(from <= span.start + span.duration, "a step sticks out");
    };
    for one in collector.loaded.lock().unwrap().iter() {
        assert_eq!((&*one.unit, one.globals), ("test.ll", 6));
        add(one.span, &one.phases);
    }
    for one in collector.compiled.lock().unwrap().iter() {
        add(one.span, &one.phases);
        assert_eq!(one.phases.last().unwrap().phase, Phase::Record);
    }
    let report = engine.report();
    for (name, time) in [
        ("index", report.index),
        ("extract", report.extract),
        ("optimise", report.optimise),
        ("codegen", report.codegen),
        ("link", report.link),
        ("publish", report.publish),
        ("record", report.record),
    ] {
        assert_eq!(sums[name], time, "{name}");
    }

    let replaced = collector.replaced.lock().unwrap();
    let [one] = &replaced[..] else {
        panic!("{replaced:?}");
    };
    assert_eq!((&*one.function, one.generation.get()), ("rare", 2));
    let compiled = collector.compiled.lock().unwrap();
    let last = compiled.last().unwrap();
    assert_eq!(last.why, Why::Replacement);
    assert!(one.span.start <= last.span.start);
    assert!(one.span.duration >= last.span.duration);
}

unsafe extern "C" {
    fn gettid() -> i32;
}

#[test]
fn it_is_told_of_failures() {
    let (engine, collector) = watched(
        "@absent = external global i32
         @data = global ptr @absent",
    );
    assert!(engine.lookup("data").is_err());
    let compiled = collector.compiled.lock().unwrap();
    assert!(compiled.last().unwrap().failed);
}

#[test]
fn it_is_told_of_waiting() {
    // Long enough that LLVM is busy when the second thread comes; if not, try again.
    let mut body = String::from("define i32 @f(i32 %x0) {\n");
    for i in 0..2000 {
        body.push_str(&format!(" %x{} = mul i32 %x{i}, %x0\n", i + 1));
    }
    body.push_str(" ret i32 %x2000\n}");
    for _ in 0..500 {
        let (engine, collector) = watched(&body);
        let start = Barrier::new(2);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    start.wait();
                    call(&engine, "f", 3);
                });
            }
        });
        let waited = collector.waited.lock().unwrap();
        let compiled = collector.compiled.lock().unwrap();
        assert_eq!(compiled.len(), 1);
        if let [wait] = &waited[..] {
            assert_eq!(&*wait.function, "f");
            assert!(wait.span.thread != compiled[0].span.thread);
            return;
        }
    }
    panic!("no thread ever waited");
}
