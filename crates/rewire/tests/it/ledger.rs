//! What the ledger says of names, compared with the linked bytes.

use std::collections::BTreeSet;

use rewire::{EntryKind, Level, Linkage, UseAspect};

use crate::support::Checked;

const PROGRAM: &str = "@counter = internal global i32 0
    @table = global [2 x ptr] [ptr @leaf, ptr @leaf]
    @other = alias i32 (i32), ptr @leaf
    define i32 @leaf(i32 %x) {
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
    assert_eq!(before.generation.get(), 0);
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
    let mut random = 12345_u32;
    for _ in 0..100 {
        random = random.wrapping_mul(1_103_515_245).wrapping_add(12345);
        let (which, count) = ((random >> 8) as usize % 20, (random >> 20) as usize % 5);
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
