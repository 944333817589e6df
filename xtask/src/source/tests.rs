//! The checks, each on a small tree that has what it looks for.

use super::circles::{self, lines};
use super::graph::Graph;
use super::lengths::Lengths;
use super::references::references;
use super::repeated::repeated;
use super::rules::{Rules, lowered};
use super::tree::Crate;
use super::writers::writers;

fn tree(files: &[(&str, &str)]) -> Crate {
    let read = |path: &str| {
        let file = files.iter().find(|(name, _)| *name == path);
        file.map(|(_, text)| (*text).to_owned())
    };
    Crate::read("sample", "lib.rs", &read).expect("the sample is well-formed")
}

fn graph(krate: &Crate) -> Graph {
    Graph::new(krate.files.len(), references(krate))
}

/// All references, as they are shown.
fn shown(krate: &Crate) -> Vec<String> {
    let graph = graph(krate);
    let arrows = graph.arrows.values();
    arrows.flat_map(|it| lines(krate, it)).collect()
}

fn circles_of(krate: &Crate) -> Vec<Vec<String>> {
    let circles = graph(krate).circles();
    circles
        .iter()
        .map(|circle| circles::names(krate, circle))
        .collect()
}

/// What is wrong with a crate by rules, as `name = measured: findings`.
fn wrong(krate: &Crate, rules: &str) -> Vec<String> {
    let rules = Rules::parse(rules).expect("the rules are well-formed");
    let mut measures = Vec::new();
    circles::measure(&rules, krate, &graph(krate), &mut measures);
    let unmet = measures.iter().filter(|measure| !measure.is_met());
    unmet
        .map(|it| format!("{} = {}: {}", it.name, it.measured, it.findings.join("; ")))
        .collect()
}

#[test]
fn a_circle_through_a_re_export_is_found() {
    let krate = tree(&[
        (
            "lib.rs",
            "mod a; mod front; pub use front::Deep as Shallow;",
        ),
        ("a.rs", "use crate::front::Deep;\npub struct A(Deep);"),
        ("front/mod.rs", "mod deep;\npub(crate) use deep::Deep;"),
        (
            "front/deep.rs",
            "pub(crate) struct Deep(Option<crate::a::A>);",
        ),
    ]);
    assert_eq!(circles_of(&krate), [["a.rs", "front/deep.rs"]]);
    assert_eq!(
        shown(&krate),
        [
            "a.rs:1,2 uses `Deep` of front/deep.rs",
            "front/deep.rs:1 uses `A` of a.rs",
        ]
    );
}

#[test]
fn a_file_that_was_put_into_another_counts_as_before() {
    let krate = tree(&[
        ("lib.rs", "mod a;"),
        (
            "a.rs",
            "mod one { pub struct One(super::two::Two); }\n\
             mod two { use super::one::One; pub struct Two(One); impl super::A { fn g() {} } }\n\
             pub struct A;\nfn f() {\n  A::g();\n}",
        ),
    ]);
    assert_eq!(circles_of(&krate), [["a.rs", "a.rs::one", "a.rs::two"]]);
    assert_eq!(
        shown(&krate),
        [
            "a.rs:5 uses `A::g` of a.rs::two",
            "a.rs::one:1 uses `Two` of a.rs::two",
            "a.rs::two:2 uses `A` of a.rs",
            "a.rs::two:2 uses `One` of a.rs::one",
        ]
    );
    let rooms = "[sample]\nlargest circle = 3\n[sample rooms]\nbase: lib.rs a.rs\n";
    assert_eq!(wrong(&krate, rooms), [""; 0]);
}

#[test]
fn names_are_found_through_globs_modules_and_blocks() {
    let krate = tree(&[
        ("lib.rs", "mod a; mod b; mod c;"),
        ("a.rs", "use super::b::*;\nfn f() { g(); inner::h(); }"),
        (
            "b.rs",
            "pub(crate) fn g() {}\npub(crate) mod inner { pub(crate) use super::super::c::h; }",
        ),
        (
            "c.rs",
            "pub(crate) fn h() {\n  use crate::b::g as other;\n  other();\n  fn g() {}\n  g();\n}",
        ),
    ]);
    assert_eq!(
        shown(&krate),
        [
            "a.rs:2 uses `g` of b.rs",
            "a.rs:2 uses `h` of c.rs",
            "c.rs:2,3 uses `g` of b.rs",
        ]
    );
}

/// A `Core` whose methods stand in three files.
const CORE: &[(&str, &str)] = &[
    ("lib.rs", "mod core; mod low; mod high; mod table;"),
    (
        "core.rs",
        "pub struct Core { pub table: Table }\npub struct Table;",
    ),
    (
        "high.rs",
        "use crate::core::Core;\nimpl Core { pub fn rebuild(&self) {} pub fn find(&self) {} }",
    ),
    (
        "table.rs",
        "use crate::core::Table;\npub trait Look { fn find(&self); }\nimpl Look for Table { fn find(&self) {} }",
    ),
];

const ROOMS: &str =
    "[sample rooms]\nbase: core.rs table.rs\nlow: low.rs\nhigh: high.rs\ntop: lib.rs\n";

fn core_with(low: &'static str) -> Crate {
    let mut files = CORE.to_vec();
    files.push(("low.rs", low));
    tree(&files)
}

#[test]
fn an_upward_arrow_by_a_method_of_core_is_found() {
    let krate = core_with("use crate::core::Core;\nfn f(it: &Core) {\n  it.rebuild();\n}");
    assert_eq!(
        wrong(&krate, ROOMS),
        ["upward arrows = 1: low.rs:3 uses `Core::rebuild` of high.rs"]
    );
    let rules = format!("[sample]\nupward arrows = 1\n{ROOMS}");
    assert_eq!(wrong(&krate, &rules), [""; 0]);
    // No type is known here, but no other type has such a method.
    let krate = core_with("fn f() {\n  with(|it| it.rebuild());\n}");
    assert_eq!(wrong(&krate, &rules), [""; 0]);
}

#[test]
fn a_method_that_several_types_have_is_told_by_its_receiver() {
    let of_core = ["low.rs:3 uses `Core::find` of high.rs"];
    let all = |body: &str| {
        let krate = core_with(Box::leak(body.to_owned().into_boxed_str()));
        let all = shown(&krate);
        all.into_iter()
            .filter(|it| it.contains("find"))
            .collect::<Vec<_>>()
    };
    let with = |call: &str| {
        all(&format!(
            "use crate::core::Core;\nfn f(it: &Core, other: &[u8]) {{\n  {call}\n}}"
        ))
    };
    assert_eq!(with("it.find();"), of_core);
    assert_eq!(with("let copy = it.clone(); copy.find();"), of_core);
    assert_eq!(with("if let Some(it) = Some(it) { it.find(); }"), of_core);
    assert_eq!(with("unknown().core.find();"), of_core);
    assert_eq!(with("log!(it = %core.find());"), of_core);
    assert_eq!(with("Some(it).map(|one| one.find());"), of_core);
    assert_eq!(with("it.table.find();"), [""; 0]);
    assert_eq!(with("other.find();"), [""; 0]);
}

#[test]
fn methods_are_found_through_statics_and_deref() {
    let krate = core_with(
        "use crate::core::Core;\nstruct Held(Core);\nimpl Deref for Held { type Target = Core; }\n\
         static HELD: Mutex<Option<Held>> = Mutex::new(None);\nfn f() {\n  \
         HELD.lock().unwrap().find();\n}\nfn g(all: &[Held]) {\n  for one in all {\n    one.find();\n  }\n}",
    );
    let shown = shown(&krate);
    assert!(shown.contains(&"low.rs:6,10 uses `Core::find` of high.rs".to_owned()));
}

#[test]
fn what_macros_and_attributes_are_given_counts() {
    let krate = tree(&[
        ("lib.rs", "mod a; mod b;"),
        (
            "a.rs",
            "fn f(x: u8) {\n  format!(\"{}\", crate::b::one());\n  \
             matches!(x, crate::b::TWO if crate::b::three());\n  \
             log!(error = %crate::b::four(), \"text\");\n}\n\
             macro_rules! m { () => { $crate::b::five() } }\n\
             #[error(\"{}\", crate::b::six(x))]\nstruct E;",
        ),
        (
            "b.rs",
            "pub fn one() {} pub const TWO: u8 = 2; pub fn three() {} pub fn four() {} \
             pub fn five() {} pub fn six() {}",
        ),
    ]);
    assert_eq!(
        shown(&krate),
        [
            "a.rs:3 uses `TWO` of b.rs",
            "a.rs:6 uses `five` of b.rs",
            "a.rs:4 uses `four` of b.rs",
            "a.rs:2 uses `one` of b.rs",
            "a.rs:7 uses `six` of b.rs",
            "a.rs:3 uses `three` of b.rs",
        ]
    );
}

#[test]
fn what_only_tests_compile_does_not_count() {
    let krate = tree(&[
        ("lib.rs", "mod a; mod b;\n#[cfg(test)] mod absent;"),
        (
            "a.rs",
            "#[cfg(test)]\nmod tests { use crate::b::B; struct B2; }\n\
             #[cfg(all(test, unix))] fn f() { crate::b::g() }",
        ),
        ("b.rs", "pub struct B; pub fn g() {}"),
    ]);
    assert_eq!(shown(&krate), [""; 0]);
}

#[test]
fn a_circle_is_as_listed() {
    let krate = tree(&[
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "use crate::b::B;\npub struct A;"),
        ("b.rs", "use crate::a::A;\npub struct B;"),
    ]);
    let listed = "[sample]\ncircle = b.rs a.rs\n";
    assert_eq!(wrong(&krate, listed), [""; 0]);
    assert_eq!(
        wrong(&krate, ""),
        [
            "circles that aren't as listed = 1: not listed: circle = a.rs b.rs\n    \
          a.rs:1 uses `B` of b.rs\n    b.rs:1 uses `A` of a.rs"
        ]
    );
    let open = tree(&[("lib.rs", "")]);
    assert_eq!(
        wrong(&open, listed),
        ["circles that aren't as listed = 1: not there any more: circle = a.rs b.rs"]
    );
}

#[test]
fn a_bound_is_neither_passed_nor_left_too_high() {
    let krate = tree(&[
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "use crate::b::B;\npub struct A;"),
        ("b.rs", "use crate::a::A;\npub struct B;"),
    ]);
    let with = |bound: usize| wrong(&krate, &format!("[sample]\nlargest circle = {bound}\n"));
    assert_eq!(with(2), [""; 0]);
    assert!(with(1)[0].starts_with("largest circle = 2: a.rs b.rs; a.rs:1 uses `B` of b.rs"));
    assert!(with(3)[0].starts_with("largest circle = 2"));
}

#[test]
fn each_file_stands_in_a_room_and_each_room_is_built() {
    let krate = tree(&[
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", ""),
        ("b/mod.rs", "mod c;"),
        ("b/c.rs", ""),
    ]);
    let rooms = "[sample rooms]\nbase: lib.rs b/ absent.rs later/\n";
    assert_eq!(
        wrong(&krate, rooms),
        [
            "files without a room, rooms without a file = 2: a.rs stands in no room; \
          absent.rs of room base isn't there"
        ]
    );
}

#[test]
fn bounds_are_lowered_in_their_section_alone() {
    let text = "# about\n[a]\nx = 3 # why\ny = 3\n[b]\nx = 3\n";
    assert_eq!(
        lowered(text, "b", "x", 2),
        "# about\n[a]\nx = 3 # why\ny = 3\n[b]\nx = 2\n"
    );
    assert!(Rules::parse("[a\n").is_err());
    assert!(Rules::parse("[a]\nx\n").is_err());
}

#[test]
fn a_type_name_that_stands_twice_is_found() {
    let krate = tree(&[
        ("lib.rs", "mod a; mod b;\nstruct Once;"),
        (
            "a.rs",
            "struct Twice;\nfn f() {\n  enum Nested {}\n}\nimpl Iterator for Twice { type Item = u8; }",
        ),
        (
            "b.rs",
            "use crate::a::Once as Nested;\ntype Twice = u8;\nimpl Iterator for B { type Item = u8; }\n\
             #[cfg(test)] mod tests { struct Once; }\nfn g() {}",
        ),
    ]);
    let found: Vec<String> = repeated(&krate)
        .into_iter()
        .map(|(name, places)| format!("{name}: {}", places.join(", ")))
        .collect();
    assert_eq!(found, ["Nested: a.rs:3, b.rs:1", "Twice: a.rs:1, b.rs:2"]);
}

#[test]
fn long_comments_are_found() {
    let word = "word ".repeat(30);
    let word = word.trim();
    let fits = format!("// {}", "x y".repeat(32) + "z");
    assert_eq!(fits.len(), 100);
    let text = format!(
        "{fits}\n{fits}z\nfn f() {{\n    let x = 1; // {word}\n    let y = \"\\\n    // {word}\";\n}}\n\
         // https://{}\n// | {word} |\n/// {word}\nfn g() {{}}\n",
        "x".repeat(100)
    );
    let mut lengths = Lengths::default();
    lengths
        .rust("a.rs", &text)
        .expect("the sample is well-formed");
    assert_eq!(
        lengths.comments,
        [
            "a.rs:2: a comment of 101 columns",
            "a.rs:4: a comment of 167 columns",
            "a.rs:10: a comment of 153 columns",
        ]
    );
    lengths.cxx("a.cpp", &format!("int x;\n  // {word}\n"));
    assert_eq!(lengths.comments[3], "a.cpp:2: a comment of 154 columns");
}

#[test]
fn long_files_and_functions_are_found() {
    let function =
        |lines: usize| format!("#[a]\nfn f() {{\n{}}}\n", "    g();\n".repeat(lines - 2));
    let mut lengths = Lengths::default();
    let text = function(100) + &function(101) + &"\n".repeat(598);
    lengths
        .rust("a.rs", &text)
        .expect("the sample is well-formed");
    assert_eq!(lengths.functions, ["a.rs:103: `f` has 101 lines"]);
    assert_eq!(lengths.files, ["a.rs: 801 lines"]);
}

#[test]
fn writers_of_the_ledger_are_found() {
    let krate = tree(&[
        ("lib.rs", "mod ledger; mod link;"),
        (
            "ledger/mod.rs",
            "impl Ledger {\n  fn entry_mut(&mut self) -> Option<&mut Entry> { self.entry_mut() }\n  \
             fn lead(&self, slots: &Slots) { slots.lead(1) }\n}",
        ),
        (
            "link.rs",
            "fn f(entry: &mut Entry, core: &Core) {\n  assert!(ledger.entry_mut().is_some());\n  \
             core.slots.lead(2);\n  queue.lead(3);\n}",
        ),
    ]);
    let found = writers(&krate, &["lead".to_owned()]);
    assert_eq!(
        found.entries,
        ["link.rs:1 uses `&mut Entry`", "link.rs:2 uses `entry_mut`"]
    );
    assert_eq!(found.stores, ["link.rs:3 uses `slots.lead`"]);
    let storing: Vec<String> = found.storing.into_iter().collect();
    assert_eq!(storing, ["ledger/mod.rs: `lead`", "link.rs: `f`"]);
}
