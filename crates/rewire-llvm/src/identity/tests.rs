//! Identities differ where code may, and only there.

use std::sync::atomic::AtomicU8;

use super::IdentityPart;
use crate::global_state::GlobalState;
use crate::inline_budget::InlineBudget;
use crate::module::Module;
use crate::ordinal::Ordinal;
use crate::source::Source;

type Parts = Vec<(IdentityPart, String, Vec<u8>)>;

/// The identity of the function `f` of a text, with the ordinals of the locals that it names.
fn identity(text: &str, fold: bool) -> Option<(Parts, Vec<u32>)> {
    let source = Source::new("test", text.as_bytes());
    let mut module = Module::read(&source).expect(text);
    let index = module.index().expect(text);
    let elected = GlobalState {
        elected: true,
        placed: fold,
    };
    let states: Vec<AtomicU8> = index
        .globals
        .iter()
        .map(|global| {
            AtomicU8::new(if global.is_definition {
                elected.to_byte()
            } else {
                0
            })
        })
        .collect();
    let root = index.globals.iter().position(|one| &*one.name == "f");
    let root = Ordinal::new(root.expect("defines f") as u32);
    let extracted = module
        .extract(&[root], &states, fold, InlineBudget::NONE)
        .expect(text);
    let mut parts = Vec::new();
    let locals = extracted.identity(&mut |kind, name, bytes| {
        parts.push((kind, name.to_owned(), bytes.to_vec()));
    })?;
    let locals = locals.iter().map(|local| local.index() as u32).collect();
    Some((parts, locals))
}

/// Pairs of a text and what to write instead of a piece of it; code may differ then.
const DIFFERENT: &[(&str, &str, &str)] = &[
    (
        "define i32 @f(i32 %x) {\n  %r = add i32 %x, 1\n  ret i32 %r\n}",
        "add",
        "sub",
    ),
    (
        "define i32 @f(i32 %x) {\n  %r = add i32 %x, 1\n  ret i32 %r\n}",
        "add",
        "add nsw",
    ),
    (
        "define i32 @f(i32 %x) {\n  %r = add i32 %x, 1\n  ret i32 %r\n}",
        "%x, 1",
        "%x, 2",
    ),
    (
        "define i32 @f(i32 %x) {\n  %r = add i32 %x, 1\n  ret i32 %r\n}",
        "ret i32 %r",
        "ret i32 %x",
    ),
    (
        "define i32 @f(i32 %x) {\n  ret i32 %x\n}",
        "@f(i32",
        "@f(i32 zeroext",
    ),
    (
        "define i32 @f(i32 %x) {\n  ret i32 %x\n}",
        "define",
        "define fastcc",
    ),
    (
        "define i32 @f(i32 %x) {\n  ret i32 %x\n}",
        ") {",
        ") nounwind {",
    ),
    (
        "define i32 @f(i32 %x) {\n  ret i32 %x\n}",
        ") {",
        ") align 64 {",
    ),
    (
        "define i32 @f(i32 %x) {\n  ret i32 %x\n}",
        ") {",
        ") gc \"statepoint-example\" {",
    ),
    (
        "define i32 @f(i32 %x) {\n  ret i32 %x\n}",
        ") {",
        ") \"target-features\"=\"+avx2\" {",
    ),
    (
        "define void @f(ptr sret([2 x i64]) %x) {\n  ret void\n}",
        "[2 x i64]",
        "[3 x i64]",
    ),
    (
        "define void @f(ptr dereferenceable(8) %x) {\n  ret void\n}",
        "(8)",
        "(16)",
    ),
    (
        "define i32 @f(ptr %p) {\n  %r = load i32, ptr %p\n  ret i32 %r\n}",
        "load",
        "load volatile",
    ),
    (
        "define i32 @f(ptr %p) {\n  %r = load i32, ptr %p\n  ret i32 %r\n}",
        "%p\n",
        "%p, align 1\n",
    ),
    (
        "define i32 @f(ptr %p) {\n  %r = load atomic i32, ptr %p monotonic, align 4\n  ret i32 %r\n}",
        "monotonic",
        "seq_cst",
    ),
    (
        "define i32 @f(ptr %p) {\n  %r = load atomic i32, ptr %p monotonic, align 4\n  ret i32 %r\n}",
        "%p monotonic",
        "%p syncscope(\"singlethread\") monotonic",
    ),
    (
        "define i32 @f(ptr %p) {\n  %r = load i32, ptr %p, !range !0\n  ret i32 %r\n}\n!0 = !{i32 0, i32 9}",
        "i32 9",
        "i32 10",
    ),
    (
        "define i32 @f(ptr %p) {\n  %r = load i32, ptr %p, !range !0\n  ret i32 %r\n}\n!0 = !{i32 0, i32 9}",
        ", !range !0",
        "",
    ),
    (
        "define i32 @f(ptr %p) {\n  %r = load i32, ptr %p, !mine !0\n  ret i32 %r\n}\n!0 = !{i32 0}",
        "!mine",
        "!other",
    ),
    (
        "define void @f(ptr %p) {\n  store i32 1, ptr %p\n  ret void\n}",
        "store",
        "store volatile",
    ),
    (
        "define void @f(ptr %p) {\n  store i32 1, ptr %p\n  ret void\n}",
        "i32 1",
        "i64 1",
    ),
    (
        "define i1 @f(i32 %x) {\n  %r = icmp slt i32 %x, 1\n  ret i1 %r\n}",
        "slt",
        "ult",
    ),
    (
        "define float @f(float %x) {\n  %r = fadd float %x, 1.0\n  ret float %r\n}",
        "fadd",
        "fadd fast",
    ),
    (
        "define float @f(float %x) {\n  %r = fadd float %x, 1.0\n  ret float %r\n}",
        "1.0",
        "2.0",
    ),
    (
        "declare void @g()\ndefine void @f() {\n  call void @g()\n  ret void\n}",
        "call",
        "tail call",
    ),
    (
        "declare void @g()\ndefine void @f() {\n  call void @g()\n  ret void\n}",
        "@g()\n  ret",
        "@g() nounwind\n  ret",
    ),
    (
        "declare void @g(i8)\ndefine void @f() {\n  call void @g(i8 1)\n  ret void\n}",
        "@g(i8)",
        "@g(i8 zeroext)",
    ),
    (
        "declare void @g()\ndeclare void @h()\ndefine void @f() {\n  call void @g()\n  ret void\n}",
        "call void @g",
        "call void @h",
    ),
    (
        "declare void @g(i32)\ndefine void @f() {\n  call void @g(i32 1) [ \"one\"(i32 2) ]\n  ret void\n}",
        "\"one\"",
        "\"two\"",
    ),
    (
        "define ptr @f(ptr %p) {\n  %r = getelementptr i32, ptr %p, i64 1\n  ret ptr %r\n}",
        "i32",
        "i64",
    ),
    (
        "define ptr @f(ptr %p) {\n  %r = getelementptr i32, ptr %p, i64 1\n  ret ptr %r\n}",
        "getelementptr",
        "getelementptr inbounds",
    ),
    (
        "define ptr @f(ptr %p) {\n  %r = getelementptr { i32, i64 }, ptr %p, i32 0, i32 1\n  ret ptr %r\n}",
        "{ i32, i64 }",
        "<{ i32, i64 }>",
    ),
    (
        "define i32 @f({ i32, i32 } %x) {\n  %r = extractvalue { i32, i32 } %x, 0\n  ret i32 %r\n}",
        "%x, 0",
        "%x, 1",
    ),
    (
        "define <2 x i32> @f(<2 x i32> %x) {\n  %r = shufflevector <2 x i32> %x, <2 x i32> %x, \
         <2 x i32> <i32 0, i32 3>\n  ret <2 x i32> %r\n}",
        "i32 3",
        "i32 2",
    ),
    (
        "define i32 @f(i32 %x) {\n  switch i32 %x, label %a [\n i32 1, label %b ]\na:\n  ret i32 1\nb:\n  ret i32 2\n}",
        "i32 1, label",
        "i32 3, label",
    ),
    (
        "define i32 @f(i1 %c) {\n  br i1 %c, label %a, label %b\na:\n  br label %e\nb:\n  br label %e\n\
         e:\n  %r = phi i32 [ 1, %a ], [ 2, %b ]\n  ret i32 %r\n}",
        "[ 1, %a ], [ 2, %b ]",
        "[ 1, %b ], [ 2, %a ]",
    ),
    (
        "define i32 @f(i1 %c) {\n  br i1 %c, label %a, label %b\na:\n  ret i32 1\nb:\n  ret i32 2\n}",
        "label %a, label %b",
        "label %b, label %a",
    ),
    (
        "define void @f() {\n  fence acquire\n  ret void\n}",
        "acquire",
        "release",
    ),
    (
        "define i32 @f(ptr %p) {\n  %r = atomicrmw add ptr %p, i32 1 seq_cst\n  ret i32 %r\n}",
        "add",
        "sub",
    ),
    (
        "define void @f(ptr %p) {\n  %r = cmpxchg ptr %p, i32 1, i32 2 seq_cst seq_cst\n  ret void\n}",
        "cmpxchg",
        "cmpxchg weak",
    ),
    (
        "define ptr @f() {\n  %p = alloca i32\n  ret ptr %p\n}",
        "alloca i32",
        "alloca i64",
    ),
    (
        "define ptr @f() {\n  %p = alloca i32\n  ret ptr %p\n}",
        "i32\n",
        "i32, align 16\n",
    ),
    (
        "define void @f() {\n  call void asm \"nop\", \"\"()\n  ret void\n}",
        "nop",
        "hlt",
    ),
    (
        "define void @f() {\n  call void asm \"nop\", \"\"()\n  ret void\n}",
        "asm",
        "asm sideeffect",
    ),
    (
        "@v = external global i32\ndefine ptr @f() {\n  ret ptr getelementptr (i8, ptr @v, i64 4)\n}",
        "i64 4",
        "i64 8",
    ),
    (
        "@v = external global i32\ndefine ptr @f() {\n  ret ptr @v\n}",
        "global",
        "thread_local global",
    ),
    (
        "@v = global i32 1\ndefine ptr @f() {\n  ret ptr @v\n}",
        "i32 1",
        "i32 2",
    ),
    (
        "@v = global i32 1\ndefine ptr @f() {\n  ret ptr @v\n}",
        "global",
        "constant",
    ),
    (
        "@v = global i32 1\ndefine ptr @f() {\n  ret ptr @v\n}",
        "i32 1",
        "i32 1, section \"s\"",
    ),
    (
        "@v = global i32 1\ndefine ptr @f() {\n  ret ptr @v\n}",
        "i32 1",
        "i32 1, align 64",
    ),
    (
        "@v = internal constant [2 x i8] c\"ab\"\ndefine ptr @f() {\n  ret ptr @v\n}",
        "c\"ab\"",
        "c\"ac\"",
    ),
    (
        "define i32 @g() alwaysinline {\n  ret i32 1\n}\ndefine i32 @f() {\n  %r = call i32 @g()\n  ret i32 %r\n}",
        "ret i32 1",
        "ret i32 2",
    ),
    (
        "define void @f() {\n  br label %a\na:\n  br label %a, !llvm.loop !0\n}\n\
         !0 = distinct !{!0, !1}\n!1 = !{!\"llvm.loop.unroll.disable\"}",
        "unroll.disable",
        "unroll.enable",
    ),
    (
        "define void @f() {\n  ret void\n}\n!llvm.module.flags = !{!0}\n!0 = !{i32 1, !\"cf-protection-branch\", i32 0}",
        "i32 0}",
        "i32 1}",
    ),
];

#[test]
fn what_may_change_code_changes_the_identity() {
    for (text, piece, other) in DIFFERENT {
        assert!(text.contains(piece), "{text}");
        let one = identity(text, false).expect(text);
        let again = identity(text, false).expect(text);
        assert_eq!(one, again, "{text}");
        let changed = text.replacen(piece, other, 1);
        let changed = identity(&changed, false).expect(&changed);
        assert_ne!(one.0, changed.0, "{piece} -> {other} in {text}");
    }
}

#[test]
fn names_and_neighbours_do_not_change_it() {
    let plain = "@s = private constant [3 x i8] c\"abc\"\n\
        define internal i32 @helper(i32 %x) {\n  ret i32 %x\n}\n\
        define i32 @f(i32 %x) {\nstart:\n  %p = load i8, ptr @s\n  %r = call i32 @helper(i32 %x)\n  \
        br label %end\nend:\n  ret i32 %r\n}";
    let moved = "@t = private constant [2 x i8] c\"de\"\n@u = private constant [3 x i8] c\"abc\"\n\
        define ptr @before() {\n  ret ptr @t\n}\n\
        define i32 @f(i32 %number) {\nbegin:\n  %q = load i8, ptr @u\n  \
        %s = call i32 @other(i32 %number)\n  br label %last\nlast:\n  ret i32 %s\n}\n\
        define internal i32 @other(i32 %y) {\n  ret i32 %y\n}";
    for fold in [false, true] {
        let (one, locals) = identity(plain, fold).expect("known");
        let (other, moved_locals) = identity(moved, fold).expect("known");
        let bytes = |parts: &Parts| -> Vec<Vec<u8>> {
            parts.iter().map(|(_, _, bytes)| bytes.clone()).collect()
        };
        assert_eq!(bytes(&one), bytes(&other));
        // The string and the helper, in the order in which `f` names them: functions are numbered
        // before variables.
        assert_eq!(locals, [2, 0]);
        assert_eq!(moved_locals, [4, 2]);
    }
}

#[test]
fn only_the_part_that_changed_differs() {
    let text = "@table = constant [2 x i32] [i32 1, i32 2]\n\
        define i32 @g() alwaysinline {\n  ret i32 1\n}\n\
        define i32 @f() {\n  %v = load i32, ptr @table\n  %r = call i32 @g()\n  ret i32 %r\n}";
    let (before, _) = identity(text, true).expect("known");
    let kinds: Vec<_> = before
        .iter()
        .map(|(kind, name, _)| (*kind, &**name))
        .collect();
    assert_eq!(
        kinds,
        [
            (IdentityPart::Body, "f"),
            (IdentityPart::Variable, "table"),
            (IdentityPart::ImportedBody, "g"),
        ]
    );
    for (piece, other, changed) in [("ret i32 1", "ret i32 3", 2), ("i32 2]", "i32 4]", 1)] {
        let (after, _) = identity(&text.replace(piece, other), true).expect("known");
        let differing: Vec<usize> = (0..3).filter(|i| before[*i] != after[*i]).collect();
        assert_eq!(differing, [changed]);
    }
}
