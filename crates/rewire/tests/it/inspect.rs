//! The view of what is loaded.

use std::collections::BTreeMap;

use rewire::{
    Engine, FunctionSize, Home, Inspection, Linkage, Options, Symbol, SymbolKind, SymbolUse,
};

fn engine(units: &[(&str, &str)]) -> Engine {
    let engine = Engine::new(Options::default()).unwrap();
    for (name, ir) in units {
        engine.add_ir(name, ir.as_bytes()).unwrap();
    }
    engine
}

fn symbol<'i>(seen: &'i Inspection, name: &str) -> &'i Symbol {
    let found = seen.find(name);
    found.unwrap_or_else(|| panic!("no {name}")).1
}

/// Names, with the number of calls and whether there are other uses.
fn names(seen: &Inspection, uses: &[SymbolUse]) -> BTreeMap<String, (usize, bool)> {
    let named = uses.iter().map(|used| {
        let name = seen.symbol(used.symbol).label().to_owned();
        (name, (used.calls, used.refers))
    });
    named.collect()
}

fn expect<const N: usize>(
    seen: &Inspection,
    uses: &[SymbolUse],
    expected: [(&str, usize, bool); N],
) {
    let expected = expected.map(|(name, calls, refers)| (name.to_owned(), (calls, refers)));
    assert_eq!(names(seen, uses), BTreeMap::from(expected));
}

const FIRST: &str = "
    %pair = type { ptr, ptr }
    @counter = global i64 0
    @table = internal constant [2 x %pair] [%pair { ptr @one, ptr @counter },
                                            %pair { ptr @one, ptr null }]
    @per_thread = thread_local global i32 1
    @labels = internal constant [1 x ptr] [ptr blockaddress(@jumps, %there)]
    @other_name = alias i32 (i32), ptr @two
    @inside = alias i64, getelementptr (i8, ptr @wide, i64 8)
    @wide = global [2 x i64] zeroinitializer, section \"mine\"
    @chosen = ifunc i32 (i32), ptr @choose
    @llvm.global_ctors = appending global [1 x { i32, ptr, ptr }]
        [{ i32, ptr, ptr } { i32 200, ptr @begin, ptr null }]
    declare i32 @elsewhere(i32)
    declare i32 @missing(i32)
    declare i64 @strlen(ptr)
    declare i32 @__gcc_personality_v0(...)
    declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
    define i32 @one(i32 %x) {
      %a = call i32 @two(i32 %x)
      %b = call i32 @two(i32 %a)
      %c = call i32 @elsewhere(i32 %b)
      %d = call i32 @other_name(i32 %c)
      ret i32 %d
    }
    define weak i32 @two(i32 %x) {
      %p = load ptr, ptr @table
      %a = call i32 %p(i32 %x)
      call void @llvm.memset.p0.i64(ptr @counter, i8 0, i64 8, i1 false)
      ret i32 %a
    }
    define i32 @jumps() personality ptr @__gcc_personality_v0 {
      br label %there
    there:
      ret i32 0
    }
    define ptr @choose() {
      ret ptr @one
    }
    define internal void @begin() {
      %n = call i64 @strlen(ptr @wide)
      store i64 %n, ptr @counter
      ret void
    }";

const SECOND: &str = "
    module asm \".globl from_assembly\\0Afrom_assembly: ret\"
    declare void @from_assembly()
    declare i32 @missing(i32)
    @counter = external global i64
    define weak i32 @two(i32 %x) {
      ret i32 0
    }
    define i32 @elsewhere(i32 %x) {
      call void @from_assembly()
      %a = call i32 @missing(i32 %x)
      %n = load i64, ptr @counter
      ret i32 %x
    }
    define internal void @begin() {
      ret void
    }";

#[test]
fn it_shows_who_names_whom() {
    let engine = engine(&[("first.ll", FIRST), ("second.ll", SECOND)]);
    let seen = engine.inspect().unwrap();
    let uses = |name: &str| &symbol(&seen, name).uses[..];
    let users = |name: &str| &symbol(&seen, name).users[..];
    expect(
        &seen,
        uses("one"),
        [
            ("two", 2, false),
            ("elsewhere", 1, false),
            ("other_name", 1, false),
        ],
    );
    expect(
        &seen,
        uses("two"),
        [("table", 0, true), ("counter", 0, true)],
    );
    expect(
        &seen,
        uses("table"),
        [("one", 0, true), ("counter", 0, true)],
    );
    expect(&seen, uses("jumps"), [("__gcc_personality_v0", 0, true)]);
    expect(&seen, uses("labels"), [("jumps", 0, true)]);
    expect(
        &seen,
        users("counter"),
        [
            ("table", 0, true),
            ("two", 0, true),
            ("begin", 0, true),
            ("elsewhere", 0, true),
        ],
    );
    expect(&seen, users("two"), [("one", 2, false)]);
    expect(&seen, users("elsewhere"), [("one", 1, false)]);
    expect(&seen, users("missing"), [("elsewhere", 1, false)]);
    // In the first unit's `two`, not in the one that gave way.
    let SymbolKind::Function(two) = symbol(&seen, "two").kind else {
        panic!("two is no function");
    };
    let size = FunctionSize {
        blocks: 1,
        instructions: 4,
        indirect_calls: 1,
    };
    assert_eq!(two, size);
}

#[test]
fn it_shows_what_there_is_and_where() {
    let engine = engine(&[("first.ll", FIRST), ("second.ll", SECOND)]);
    let seen = engine.inspect().unwrap();
    let homes = |home| {
        let there = seen.symbols.iter().filter(move |one| one.home == home);
        let mut names: Vec<&str> = there.map(Symbol::label).collect();
        names.sort_unstable();
        names
    };
    assert_eq!(homes(Home::Nowhere), ["missing"]);
    assert_eq!(homes(Home::Assembly(1)), ["from_assembly"]);
    assert!(homes(Home::Host).contains(&"strlen"));
    assert_eq!(homes(Home::Unit(1)), ["begin", "elsewhere"]);
    assert!(
        seen.symbols
            .iter()
            .all(|one| !one.name.starts_with("llvm."))
    );

    let [first, second] = &seen.units[..] else {
        panic!("{:?}", seen.units);
    };
    assert_eq!((&*first.name, first.left_out), ("first.ll", 0));
    assert_eq!((&*second.name, second.left_out), ("second.ll", 1));
    assert!(second.has_assembly && !first.has_assembly);
    let [constructor] = first.constructors[..] else {
        panic!("{first:?}");
    };
    assert_eq!(constructor.priority, 200);
    let begin = seen.symbol(constructor.function);
    assert_eq!((&*begin.name, begin.home), ("begin", Home::Unit(0)));
    assert_eq!(begin.linkage, Linkage::Local);

    assert_eq!(
        symbol(&seen, "wide").kind,
        SymbolKind::Variable {
            size: 16,
            thread_local: false,
            constant: false,
            section: "mine".into(),
        }
    );
    let SymbolKind::Alias { of, offset } = symbol(&seen, "inside").kind else {
        panic!("no alias");
    };
    assert_eq!((seen.symbol(of).label(), offset), ("wide", 8));
    let SymbolKind::Ifunc { resolver } = symbol(&seen, "chosen").kind else {
        panic!("no ifunc");
    };
    assert_eq!(seen.symbol(resolver).label(), "choose");
    assert_eq!(&*symbol(&seen, "one").type_name, "i32 (i32)");
}

/// Looking changes nothing, before and after functions were taken out of their module.
#[test]
fn it_can_be_asked_at_any_time() {
    let engine = engine(&[(
        "f.ll",
        "define i32 @f(i32 %x) {
           %y = call i32 @g(i32 %x)
           ret i32 %y
         }
         define i32 @g(i32 %x) {
           %y = add i32 %x, 1
           ret i32 %y
         }",
    )]);
    let instructions = |name: &str| {
        let seen = engine.inspect().unwrap();
        let SymbolKind::Function(size) = symbol(&seen, name).kind else {
            panic!("{name} is no function");
        };
        size.instructions
    };
    assert_eq!(instructions("g"), 2);
    assert_eq!(engine.report().functions_compiled, 0);
    let address = engine.lookup("f").unwrap();
    // SAFETY: it has this type.
    let f: extern "C" fn(i32) -> i32 = unsafe { std::mem::transmute(address.get()) };
    assert_eq!(f(1), 2);
    assert_eq!(instructions("g"), 2);
    let g = b"define i32 @g(i32 %x) {\n %y = mul i32 %x, 3\n %z = mul i32 %y, 3\n ret i32 %z\n}";
    engine.replace("g", g).unwrap();
    assert_eq!(instructions("g"), 3);
    assert_eq!(f(1), 9);
    assert_eq!(engine.inspect().unwrap().units[0].left_out, 1);
}
