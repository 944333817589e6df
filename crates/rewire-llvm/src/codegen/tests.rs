//! Whichever way a function is extracted and compiled, the code is the same.

use std::sync::atomic::AtomicU8;

use object::read::elf::ElfFile64;
use object::{Endianness, Object, ObjectSection, ObjectSymbol, RelocationTarget};

use super::{Codegen, Level};
use crate::global_state::GlobalState;
use crate::inline_budget::InlineBudget;
use crate::module::Module;
use crate::ordinal::Ordinal;
use crate::source::Source;

/// Plain functions of all kinds, each alone in its module but for what it calls.
const PLAIN: &[&str] = &[
    "define i32 @f(i32 %x) ATTRIBUTES {\n  %p = alloca i32\n  store i32 %x, ptr %p\n  \
     %v = load i32, ptr %p\n  %r = mul i32 %v, 3\n  ret i32 %r\n}\n",
    // A loop, values that meet, a choice, a block that nothing leads to.
    "define i64 @f(i64 %n) ATTRIBUTES {\nstart:\n  br label %again\nagain:\n  \
     %i = phi i64 [ 0, %start ], [ %next, %again ]\n  %s = phi i64 [ 1, %start ], [ %t, %again ]\n  \
     %c = icmp sgt i64 %s, 1000\n  %t = select i1 %c, i64 %i, i64 %s\n  %next = add i64 %i, 1\n  \
     %more = icmp slt i64 %next, %n\n  br i1 %more, label %again, label %end\nnever:\n  \
     br label %end\nend:\n  %r = phi i64 [ %t, %again ], [ 7, %never ]\n  ret i64 %r\n}\n",
    // A table of jumps.
    "define i32 @f(i32 %x) ATTRIBUTES {\n  switch i32 %x, label %d [\n    i32 0, label %a\n    \
     i32 1, label %b\n    i32 2, label %c\n    i32 3, label %a\n    i32 4, label %e\n    \
     i32 5, label %c\n  ]\na:\n  ret i32 10\nb:\n  ret i32 11\nc:\n  ret i32 12\ne:\n  \
     ret i32 13\nd:\n  ret i32 14\n}\n",
    // Constants in memory, and conversions that need some.
    "define double @f(double %x, i64 %y) ATTRIBUTES {\n  %a = fmul double %x, 3.25\n  \
     %b = uitofp i64 %y to double\n  %c = fadd double %a, %b\n  %d = fptoui double %c to i64\n  \
     %e = uitofp i64 %d to double\n  %g = fneg double %e\n  %h = fcmp olt double %g, %c\n  \
     %r = select i1 %h, double %g, double 1.5\n  ret double %r\n}\n",
    // Calls: direct, through a pointer, of itself, with arguments on the stack, at the end.
    "declare i32 @g(i32, i64, ptr)\ndeclare void @many(i64, i64, i64, i64, i64, i64, i64, i8)\n\
     define i32 @f(i32 %x, ptr %p) ATTRIBUTES {\n  %q = alloca [4 x i64], align 32\n  \
     %a = call i32 @g(i32 %x, i64 7, ptr %q)\n  %b = call i32 %p(i32 %a)\n  \
     %c = call i32 @f(i32 %b, ptr %p)\n  call void @many(i64 1, i64 2, i64 3, i64 4, i64 5, i64 6, \
     i64 7, i8 signext 8)\n  %r = tail call i32 @g(i32 %c, i64 1, ptr null)\n  ret i32 %r\n}\n",
    // Structures, and bytes that are passed by value.
    "declare void @take(ptr byval([40 x i8]))\n\
     declare void @fill(ptr sret({ i64, [3 x i64] }))\n\
     define { i64, i32 } @f(i64 %x, ptr %out) ATTRIBUTES {\n  \
     %p = getelementptr { i64, [3 x i64] }, ptr %out, i32 0, i32 1, i64 2\n  store i64 %x, ptr %p\n  \
     call void @take(ptr byval([40 x i8]) %out)\n  call void @fill(ptr sret({ i64, [3 x i64] }) %out)\n  %t = trunc i64 %x to i32\n  \
     %a = insertvalue { i64, i32 } undef, i64 %x, 0\n  %r = insertvalue { i64, i32 } %a, i32 %t, 1\n  \
     ret { i64, i32 } %r\n}\n",
    // Copying and filling: by moves, by calls, with bytes that are known.
    "declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)\n\
     declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)\n\
     define void @f(ptr %to, ptr %from, i8 %byte, i64 %size) ATTRIBUTES {\n  \
     call void @llvm.memcpy.p0.p0.i64(ptr align 8 %to, ptr align 8 %from, i64 24, i1 false)\n  \
     call void @llvm.memcpy.p0.p0.i64(ptr %to, ptr %from, i64 100, i1 false)\n  \
     call void @llvm.memcpy.p0.p0.i64(ptr %to, ptr %from, i64 5000, i1 false)\n  \
     call void @llvm.memcpy.p0.p0.i64(ptr %to, ptr %from, i64 %size, i1 true)\n  \
     call void @llvm.memset.p0.i64(ptr align 16 %to, i8 0, i64 48, i1 false)\n  \
     call void @llvm.memset.p0.i64(ptr align 16 %to, i8 7, i64 48, i1 false)\n  \
     call void @llvm.memset.p0.i64(ptr %to, i8 %byte, i64 33, i1 false)\n  \
     call void @llvm.memset.p0.i64(ptr %to, i8 1, i64 %size, i1 false)\n  ret void\n}\n",
    "declare void @llvm.memmove.p0.p0.i64(ptr, ptr, i64, i1)\n\
     define i32 @f(ptr %to, i64 %size) ATTRIBUTES {\n  \
     %from = getelementptr i8, ptr %to, i64 1\n  \
     call void @llvm.memmove.p0.p0.i64(ptr %to, ptr %from, i64 20, i1 false)\n  \
     call void @llvm.memmove.p0.p0.i64(ptr %to, ptr %from, i64 %size, i1 false)\n  \
     %x = load volatile i32, ptr %to\n  %y = load volatile i32, ptr %to\n  \
     %r = add i32 %x, %y\n  store volatile i32 %r, ptr %to\n  ret i32 %r\n}\n",
    "declare void @abort()\ndefine void @f(i1 %x) ATTRIBUTES {\n  br i1 %x, label %a, label %b\n\
     a:\n  call void @abort()\n  unreachable\nb:\n  ret void\n}\n",
];

/// What no plain function holds.
const OTHERS: &[&str] = &[
    "declare i128 @llvm.abs.i128(i128, i1)\ndefine i128 @f(i128 %x) {\n  \
     %d = sdiv i128 %x, 3\n  %r = call i128 @llvm.abs.i128(i128 %d, i1 true)\n  ret i128 %r\n}\n",
    "define i32 @f(ptr %p) {\n  %r = atomicrmw add ptr %p, i32 1 seq_cst\n  ret i32 %r\n}\n",
    "define <4 x i32> @f(<4 x i32> %x) {\n  %r = add <4 x i32> %x, %x\n  ret <4 x i32> %r\n}\n",
    "define i32 @f(i32 %n) {\n  %p = alloca i32, i32 %n\n  store i32 1, ptr %p\n  \
     %r = load i32, ptr %p\n  ret i32 %r\n}\n",
    "declare void @llvm.memcpy.inline.p0.p0.i64(ptr, ptr, i64, i1)\n\
     define void @f(ptr %to, ptr %from) {\n  \
     call void @llvm.memcpy.inline.p0.p0.i64(ptr %to, ptr %from, i64 3000, i1 false)\n  \
     ret void\n}\n",
    "define i32 @f(ptr %p) {\n  %r = load atomic i32, ptr %p monotonic, align 4\n  ret i32 %r\n}\n",
    "define double @f(double %x) {\n  %r = frem double %x, 3.0\n  ret double %r\n}\n",
    "declare i32 @personality(...)\ndeclare void @g()\n\
     define void @f() personality ptr @personality {\n  invoke void @g() to label %ok unwind label %no\n\
     ok:\n  ret void\nno:\n  %l = landingpad { ptr, i32 } cleanup\n  \
     resume { ptr, i32 } %l\n}\n",
    "define void @f() {\n  call void asm sideeffect \"nop\", \"\"()\n  ret void\n}\n",
];

fn read(text: &str) -> (Module, Ordinal, Vec<AtomicU8>) {
    let module = Module::read(&Source::new("text", text.as_bytes())).unwrap();
    let index = module.index().unwrap();
    let state = |elected| GlobalState {
        elected,
        placed: false,
    };
    let globals = index.globals.iter();
    let states = globals.map(|global| AtomicU8::new(state(global.is_definition).to_byte()));
    let states = states.collect();
    let place = index.globals.iter().position(|global| &*global.name == "f");
    (module, Ordinal::new(place.unwrap() as u32), states)
}

fn moved(codegen: &mut Codegen, text: &str) -> Vec<u8> {
    let (mut module, root, states) = read(text);
    let extracted = module
        .extract(&[root], &states, false, InlineBudget::NONE)
        .unwrap();
    codegen.emit(extracted).unwrap().to_vec()
}

/// All that linking depends on.
#[derive(Debug, PartialEq)]
struct Linkable {
    sections: Vec<(String, u64, Vec<u8>, Vec<Relocation>)>,
    symbols: Vec<(String, u64, u64, bool, bool)>,
}

type Relocation = (u64, String, i64, u32);

fn linkable(bytes: &[u8]) -> Linkable {
    let file = ElfFile64::<Endianness>::parse(bytes).unwrap();
    let name_of = |target| match target {
        RelocationTarget::Symbol(symbol) => {
            let symbol = file.symbol_by_index(symbol).unwrap();
            let section = symbol.section_index();
            let section = section.map(|one| file.section_by_index(one).unwrap());
            let within = section.map(|one| one.name().unwrap().to_owned());
            format!("{}@{within:?}+{}", symbol.name().unwrap(), symbol.address())
        }
        other => format!("{other:?}"),
    };
    let loaded = file
        .sections()
        .filter(|section| section.size() > 0 && !is_table(section.name().unwrap()));
    let mut sections: Vec<_> = loaded
        .map(|section| {
            let relocations = section.relocations().map(|(offset, relocation)| {
                let object::RelocationFlags::Elf { r_type } = relocation.flags() else {
                    panic!("not an ELF relocation");
                };
                let target = name_of(relocation.target());
                (offset, target, relocation.addend(), r_type.0)
            });
            let mut relocations: Vec<_> = relocations.collect();
            relocations.sort();
            let data = section.data().unwrap().to_vec();
            let name = section.name().unwrap().to_owned();
            (name, section.align(), data, relocations)
        })
        .collect();
    sections.sort();
    let named = file.symbols().filter(|symbol| symbol.is_global());
    let mut symbols: Vec<_> = named
        .map(|symbol| {
            let name = symbol.name().unwrap().to_owned();
            let (address, size) = (symbol.address(), symbol.size());
            (name, address, size, symbol.is_weak(), symbol.is_undefined())
        })
        .collect();
    symbols.sort();
    Linkable { sections, symbols }
}

fn is_table(name: &str) -> bool {
    name.starts_with(".rela") || name.starts_with(".note") || name.ends_with("tab")
}

#[test]
fn plain_functions_have_the_code_that_all_passes_make() {
    let mut codegen = Codegen::new(Level::O0).unwrap();
    for text in PLAIN {
        let plain = moved(&mut codegen, &text.replace("ATTRIBUTES", ""));
        // An attribute that means nothing to anybody isn't known to be harmless.
        let full = moved(&mut codegen, &text.replace("ATTRIBUTES", "\"unknown\""));
        assert_ne!(
            plain, full,
            "both were written by the same pipeline: {text}"
        );
        assert_eq!(linkable(&plain), linkable(&full), "{text}");
    }
}

/// A function that returns early and late, with so many instructions in between.
fn long(name: &str, count: usize) -> String {
    let adds: String = (0..count)
        .map(|number| format!("  %a{} = mul i64 %a{number}, %x\n", number + 1))
        .collect();
    format!(
        "define i64 @{name}(i64 %x, i1 %c) ATTRIBUTES {{\n  %p = alloca i64, align 64\n  \
         br i1 %c, label %late, label %early\nearly:\n  ret i64 7\nlate:\n  \
         %a0 = add i64 %x, 1\n{adds}  ret i64 %a{count}\n}}\n"
    )
}

#[test]
fn frames_are_described_as_by_llvm() {
    let mut codegen = Codegen::new(Level::O0).unwrap();
    // The distances between what is described need one, two and four bytes.
    for count in [1, 20, 200, 20_000] {
        // One object has the frames of both.
        let text = format!("{}{}", long("f", count), long("g", 3));
        let mut emit = |text: &str| {
            let (mut module, _, states) = read(text);
            let roots = [Ordinal::new(0), Ordinal::new(1)];
            let extracted = module
                .extract(&roots, &states, false, InlineBudget::NONE)
                .unwrap();
            codegen.emit(extracted).unwrap().to_vec()
        };
        let plain = emit(&text.replace("ATTRIBUTES", ""));
        let full = emit(&text.replace("ATTRIBUTES", "\"unknown\""));
        assert_ne!(plain, full, "both were written by the same pipeline");
        let (plain, full) = (linkable(&plain), linkable(&full));
        let frames = plain.sections.iter().find(|one| one.0 == ".eh_frame");
        assert_eq!(frames.unwrap().3.len(), 2, "one for each function");
        assert_eq!(plain, full, "{count} instructions");
    }
}

#[test]
fn objects_that_only_llvm_writes_are_written_by_it() {
    let mut codegen = Codegen::new(Level::O0).unwrap();
    let plain = PLAIN[0].replace("ATTRIBUTES", "");
    let before = moved(&mut codegen, &plain);
    let other = moved(
        &mut codegen,
        &PLAIN[0].replace("ATTRIBUTES", "partition \"other\""),
    );
    let (mut object, wanted) = (linkable(&other), linkable(&before));
    let count = object.sections.len();
    object.sections.retain(|one| one.0 != ".llvm_sympart");
    assert_eq!(object.sections.len() + 1, count);
    assert_eq!(object, wanted);
    assert_eq!(moved(&mut codegen, &plain), before);
}

#[test]
fn other_functions_leave_nothing_out() {
    let mut codegen = Codegen::new(Level::O0).unwrap();
    for text in OTHERS {
        // In turn with plain ones, which have another pipeline of the same machine.
        let plain = PLAIN[0].replace("ATTRIBUTES", "");
        let before = moved(&mut codegen, &plain);
        let other = moved(&mut codegen, text);
        assert_eq!(moved(&mut codegen, &plain), before);
        let object = linkable(&other);
        assert!(object.sections.iter().any(|one| one.0 == ".text"));
        assert!(
            object.symbols.iter().any(|one| one.0 == "f" && !one.4),
            "{text}"
        );
    }
}

#[test]
fn what_is_extracted_in_place_is_what_would_be_moved() {
    for level in [Level::O0, Level::O2] {
        let mut codegen = Codegen::new(level).unwrap();
        let mut done = 0;
        for text in PLAIN {
            let text = text.replace("ATTRIBUTES", "");
            let (mut module, root, states) = read(&text);
            if !module.can_extract_in_place(root) {
                assert!(module.extract_in_place(root, &states).is_err());
                assert!(!module.is_spent());
                continue;
            }
            done += 1;
            let mut extracted = module.extract_in_place(root, &states).unwrap();
            codegen.optimise(&mut extracted).unwrap();
            let bytes = codegen.emit(extracted).unwrap().to_vec();
            assert!(module.is_spent());
            let (mut module, root, states) = read(&text);
            let mut extracted = module
                .extract(&[root], &states, false, InlineBudget::NONE)
                .unwrap();
            codegen.optimise(&mut extracted).unwrap();
            assert_eq!(
                linkable(&bytes),
                linkable(codegen.emit(extracted).unwrap()),
                "{text}"
            );
        }
        // The one that calls itself can't be.
        assert_eq!(done, PLAIN.len() - 1);
    }
}

#[test]
fn variables_keep_their_alignment_whatever_is_done_with_them() {
    // An optimiser would rather have aligned what is loaded as a vector.
    let body = "%a = load <4 x i32>, ptr @v, align 4\n%b = add <4 x i32> %a, splat (i32 3)\n\
                store <4 x i32> %b, ptr @v, align 4\n";
    for linkage in ["internal", "weak", "linkonce_odr", "common", ""] {
        let text = format!(
            "@v = {linkage} global [5 x i32] zeroinitializer, align 4\n\
             define void @f() {{\n{body}ret void\n}}"
        );
        for level in [Level::O0, Level::O1, Level::O2, Level::O3] {
            let mut codegen = Codegen::new(level).unwrap();
            let (mut module, root, states) = read(&text);
            let mut extracted = module
                .extract(&[root], &states, true, InlineBudget::NONE)
                .unwrap();
            codegen.optimise(&mut extracted).unwrap();
            let linkable = linkable(codegen.emit(extracted).unwrap());
            let mut sections = linkable.sections.iter();
            let variable = sections.find(|one| one.0.contains('v')).unwrap();
            assert_eq!(variable.1, 4, "{linkage} {level:?}: {variable:?}");
        }
    }
}

/// How often the address of a thread-local variable is asked for in an object's code.
fn thread_local_addresses(level: Level) -> usize {
    const TLSGD: u32 = 19;
    let text = "@a = thread_local global [9 x i64] zeroinitializer\n\
         @b = thread_local global i64 0\n\
         define void @f(i64 %n) {\nentry:\n  br label %loop\n\
         loop:\n  %i = phi i64 [ 0, %entry ], [ %next, %end ]\n  \
         %set = load i64, ptr @b\n  %is_set = icmp eq i64 %set, 0\n  \
         br i1 %is_set, label %then, label %end\n\
         then:\n  store i64 %i, ptr getelementptr (i64, ptr @a, i64 3)\n  br label %end\n\
         end:\n  store i64 %i, ptr @a\n  call void asm sideeffect \"\", \"~{memory}\"()\n  \
         %next = add i64 %i, 1\n  %is_done = icmp eq i64 %next, %n\n  \
         br i1 %is_done, label %done, label %loop\ndone:\n  ret void\n}";
    let mut codegen = Codegen::new(level).unwrap();
    let (mut module, root, states) = read(text);
    let mut extracted = module
        .extract(&[root], &states, true, InlineBudget::NONE)
        .unwrap();
    codegen.optimise(&mut extracted).unwrap();
    let object = linkable(codegen.emit(extracted).unwrap());
    let all = object.sections.iter().flat_map(|section| &section.3);
    all.filter(|relocation| relocation.3 == TLSGD).count()
}

#[test]
fn a_loop_asks_for_the_address_of_a_thread_local_once() {
    for level in [Level::O1, Level::O2, Level::O3] {
        // Two variables, one of them named in two blocks of the loop.
        assert_eq!(thread_local_addresses(level), 2, "{level:?}");
    }
    assert_eq!(thread_local_addresses(Level::O0), 3);
}
