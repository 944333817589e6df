//! What the ledger says of names, compared with the linked bytes.

use std::collections::BTreeSet;

use rewire::{EntryKind, ExecAddr, Level, Linkage, SymbolPlace, UseAspect};

use crate::support::Checked;

const PROGRAM: &str = "@counter = internal global i32 0
    @table = global [2 x ptr] [ptr @leaf, ptr @leaf]
    @other = alias i32 (i32), ptr @leaf
    define i32 @leaf(i32 %x) noinline {
      %n = load i32, ptr @counter
      %m = add i32 %n, 1
      store i32 %m, ptr @counter
      %y = add i32 %x, %m
      ret i32 %y
    }
    define i32 @twice(i32 %x) {
      %a = call i32 @leaf(i32 %x)
      %b = call i32 @leaf(i32 %a)
      ret i32 %b
    }
    define i32 @through(i32 %x) {
      %f = load ptr, ptr @table
      %a = call i32 %f(i32 %x)
      %b = call i32 @other(i32 %a)
      ret i32 %b
    }";

fn users_at(checked: &Checked, name: &str) -> BTreeSet<u64> {
    let state = checked.engine.state(name).unwrap();
    state.users.iter().map(|user| user.at.get()).collect()
}

#[test]
fn an_entry_goes_from_declared_to_present() {
    let checked = Checked::with(Level::O0, PROGRAM);
    let engine = &checked.engine;
    let before = engine.state("leaf").unwrap();
    assert_eq!(before.type_name.as_deref(), Some("i32 (i32)"));
    assert_eq!(before.linkage, Linkage::External);
    assert_eq!(before.kind, EntryKind::Function);
    assert_eq!(before.unit.as_deref(), Some("test.ll"));
    assert_eq!(before.generation.get(), 1);
    assert!(before.address.is_none() && before.users.is_empty());
    let twice: extern "C" fn(i32) -> i32 = checked.function("twice");
    assert_eq!(twice(10), 13);
    let after = engine.state("leaf").unwrap();
    assert_eq!(after.generation.get(), 1);
    assert!(after.address.is_some() && after.canonical.is_some());
    assert_ne!(after.address, after.canonical);
    assert_eq!(after.canonical, Some(engine.lookup("leaf").unwrap()));
    assert!(engine.state("nothing").is_none());
    checked.verify();
}

#[test]
fn users_are_the_linked_bytes_users() {
    for level in [Level::O0, Level::O2] {
        let checked = Checked::with(level, PROGRAM);
        let twice: extern "C" fn(i32) -> i32 = checked.function("twice");
        assert_eq!(twice(10), 13);
        let state = checked.engine.state("leaf").unwrap();
        let callers: Vec<_> = state
            .users
            .iter()
            .filter(|user| user.aspect == UseAspect::Slot)
            .map(|user| user.name.as_deref())
            .collect();
        assert_eq!(callers, [Some("twice"), Some("twice")]);
        assert_eq!(
            users_at(&checked, "leaf"),
            checked.uses_in_bytes("leaf"),
            "at {level:?}"
        );
        let through: extern "C" fn(i32) -> i32 = checked.function("through");
        assert_eq!(through(10), 17);
        // The table came into memory with the code that names it, and its two words are users.
        let state = checked.engine.state("leaf").unwrap();
        let in_table = state
            .users
            .iter()
            .filter(|user| user.name.as_deref() == Some("table"));
        assert_eq!(in_table.count(), 2);
        checked.verify();
    }
}

#[test]
fn a_retired_body_uses_nothing_any_more() {
    let checked = Checked::with(Level::O0, PROGRAM);
    let twice: extern "C" fn(i32) -> i32 = checked.function("twice");
    assert_eq!(twice(10), 13);
    assert_eq!(checked.engine.state("leaf").unwrap().users.len(), 2);
    let once = b"declare i32 @leaf(i32)
        define i32 @twice(i32 %x) {
          %a = call i32 @leaf(i32 %x)
          ret i32 %a
        }";
    checked.engine.replace("twice", once).unwrap();
    assert_eq!(checked.engine.state("leaf").unwrap().users.len(), 1);
    assert_eq!(twice(10), 13);
    let nothing = b"define i32 @twice(i32 %x) {
          ret i32 %x
        }";
    checked.engine.replace("twice", nothing).unwrap();
    assert!(checked.engine.state("leaf").unwrap().users.is_empty());
    assert_eq!(twice(10), 10);
    checked.verify();
}

/// Many users of one name come and go in any order; what is left is exact.
#[test]
fn users_stay_exact_through_many_replacements() {
    let mut program = String::from("define void @leaf() {\n ret void\n}\n");
    for i in 0..20 {
        let calls = "  call void @leaf()\n".repeat(i % 4 + 1);
        program.push_str(&format!("define void @f{i}() {{\n{calls}  ret void\n}}\n"));
    }
    let checked = Checked::with(Level::O0, &program);
    let mut expected = 0;
    for i in 0..20 {
        let function: extern "C" fn() = checked.function(&format!("f{i}"));
        function();
        expected += i % 4 + 1;
        assert_eq!(checked.engine.state("leaf").unwrap().users.len(), expected);
    }
    let mut counts: Vec<usize> = (0..20).map(|i| i % 4 + 1).collect();
    let mut random = fastrand::Rng::with_seed(1);
    for _ in 0..100 {
        let (which, count) = (random.usize(..20), random.usize(..5));
        let calls = "  call void @leaf()\n".repeat(count);
        let body =
            format!("declare void @leaf()\ndefine void @f{which}() {{\n{calls}  ret void\n}}\n");
        checked
            .engine
            .replace(&format!("f{which}"), body.as_bytes())
            .unwrap();
        counts[which] = count;
        let state = checked.engine.state("leaf").unwrap();
        for (i, count) in counts.iter().enumerate() {
            let name = format!("f{i}");
            let users = state.users.iter();
            let of_this = users.filter(|user| user.name.as_deref() == Some(&*name));
            assert_eq!(of_this.count(), *count, "{name}");
        }
    }
    checked.verify();
}

/// A statepoint names its callee in an operand; the call is one like any other.
#[test]
fn a_statepoint_calls_through_the_slot() {
    for level in [Level::O0, Level::O2] {
        let checked = Checked::with(
            level,
            "declare token @llvm.experimental.gc.statepoint.p0(i64 immarg, i32 immarg, ptr, i32 immarg, i32 immarg, ...)
            declare i32 @llvm.experimental.gc.result.i32(token)
            define i32 @callee(i32 %x) noinline {
              ret i32 %x
            }
            define i32 @caller(i32 %x) gc \"statepoint-example\" {
              %s = call token (i64, i32, ptr, i32, i32, ...) @llvm.experimental.gc.statepoint.p0(i64 1, i32 0, ptr elementtype(i32 (i32)) @callee, i32 1, i32 0, i32 %x, i32 0, i32 0)
              %r = call i32 @llvm.experimental.gc.result.i32(token %s)
              ret i32 %r
            }",
        );
        let caller: extern "C" fn(i32) -> i32 = checked.function("caller");
        assert_eq!(caller(7), 7);
        let state = checked.engine.state("callee").unwrap();
        let in_caller = state
            .users
            .iter()
            .filter(|user| user.name.as_deref() == Some("caller"));
        let aspects: Vec<UseAspect> = in_caller.map(|user| user.aspect).collect();
        assert_eq!(aspects, [UseAspect::Slot], "at {level:?}");
        let other = b"define i32 @callee(i32 %x) {\n ret i32 -1\n}";
        checked.engine.replace("callee", other).unwrap();
        assert_eq!(caller(7), -1);
        checked.verify();
    }
}

/// Return addresses found by libgcc's unwinder are told apart by `symbol_at`.
#[test]
fn frames_have_names() {
    extern "C" fn look(into: *mut Vec<u64>) {
        let mut frames = [std::ptr::null_mut(); 32];
        // SAFETY: there is room for as many.
        let count = unsafe { libc::backtrace(frames.as_mut_ptr(), frames.len() as i32) };
        let found = frames[..count as usize].iter().map(|at| *at as u64);
        // SAFETY: the test below passes a vector that nobody else uses.
        unsafe { (*into).extend(found) };
    }
    for level in [Level::O0, Level::O2] {
        let checked = Checked::with(
            level,
            "define internal i32 @inner(ptr %look, ptr %into) noinline {
              call void %look(ptr %into)
              ret i32 1
            }
            define i32 @outer(ptr %look, ptr %into) {
              %a = call i32 @inner(ptr %look, ptr %into)
              %b = add i32 %a, 1
              ret i32 %b
            }",
        );
        type Look = extern "C" fn(*mut Vec<u64>);
        let outer: extern "C" fn(Look, *mut Vec<u64>) -> i32 = checked.function("outer");
        let mut found: Vec<u64> = Vec::new();
        assert_eq!(outer(look, &raw mut found), 2);
        let names: Vec<String> = found
            .iter()
            .filter_map(|at| checked.engine.symbol_at(ExecAddr::new(at - 1)))
            .map(|at| {
                assert!(at.offset > 0 && at.place == SymbolPlace::Body);
                at.name.to_string()
            })
            .collect();
        assert_eq!(names, ["inner", "outer"], "at {level:?}");
        assert_eq!(
            checked
                .engine
                .symbol_at(ExecAddr::new(look as *const () as u64)),
            None
        );
    }
}
