//! What is told of a piece of code.

use std::sync::{Arc, Mutex};

use rewire::tables::Protection;
use rewire::{CodeTier, EntryKind, ExecAddr, Level, LoadedCode, OptLevel, Segment};

use super::engine_at;
use super::log::Log;
use crate::objects::object;
use crate::support::on_fresh_stack;

const CONTENTS: &[u8] = b"
    declare i32 @__gxx_personality_v0(...)
    declare void @outside()
    @text = constant [4 x i8] c\"abc\\00\"
    @zeros = global [100 x i32] zeroinitializer
    define ptr @catches() personality ptr @__gxx_personality_v0 {
      invoke void @outside() to label %fine unwind label %caught
    fine:
      call void asm sideeffect \"my_label: nop\", \"\"()
      store i32 1, ptr @zeros
      ret ptr @text
    caught:
      %pad = landingpad { ptr, i32 } catch ptr null
      ret ptr null
    }
    declare token @llvm.experimental.gc.statepoint.p0(i64, i32, ptr, i32, i32, ...)
    define void @safe() gc \"statepoint-example\" {
      %t = call token (i64, i32, ptr, i32, i32, ...) @llvm.experimental.gc.statepoint.p0(
        i64 7, i32 0, ptr elementtype(void ()) @outside, i32 0, i32 0, i32 0, i32 0)
      ret void
    }";

extern "C" fn nothing() {}

/// Checks all that is told of the functions above.
fn check_contents(code: &LoadedCode<'_>, seen: &Mutex<Vec<String>>) {
    for section in code.sections() {
        assert!(section.bytes.len() as u64 <= section.size);
        let memory = code.memory(section.segment);
        assert!(memory.start <= section.address && section.address + section.size <= memory.end);
        // SAFETY: the code is in memory, and nobody else uses it yet.
        let in_memory = unsafe {
            std::slice::from_raw_parts(section.address.get() as *const u8, section.size as usize)
        };
        let (written, zeros) = in_memory.split_at(section.bytes.len());
        assert_eq!(written, section.bytes, "{}", section.name);
        assert!(zeros.iter().all(|byte| *byte == 0));
    }
    for symbol in code.symbols() {
        let mut memory =
            [Segment::Code, Segment::ReadOnly, Segment::Data].map(|one| code.memory(one));
        let is_in = memory.iter_mut().any(|one| one.contains(&symbol.address));
        assert!(is_in, "{symbol:?}");
        seen.lock()
            .unwrap()
            .push(format!("{} {:?}", symbol.name, symbol.kind));
    }
    for function in code.functions() {
        let code_memory = code.memory(Segment::Code);
        assert!(code_memory.start <= function.code.start && function.code.end <= code_memory.end);
        let frames = code.unwind_entries().iter();
        let frame = frames
            .clone()
            .find(|frame| frame.start == function.code.start)
            .unwrap();
        assert_eq!(frame.start + frame.size, function.code.end);
        let has_table = code.exception_table(frame).unwrap().is_some();
        assert_eq!(has_table, &*function.name == "catches");
    }
    for (function, table) in code.exception_tables() {
        let table = table.unwrap();
        table.verify().unwrap();
        let call = table
            .call_sites()
            .map(Result::unwrap)
            .find(|one| one.landing_pad.is_some());
        let inside = call.unwrap().code.start;
        let Protection::LandingPad { address, .. } = table.protection(inside).unwrap() else {
            panic!("no landing pad");
        };
        let body = code
            .functions()
            .iter()
            .find(|one| one.code.start == function)
            .unwrap();
        assert!(body.code.contains(&ExecAddr::new(address)));
        seen.lock().unwrap().push("landing pad".into());
    }
    for record in code
        .stack_maps()
        .unwrap()
        .iter()
        .flat_map(|map| map.records())
    {
        assert_eq!(record.id(), 7);
        let safe = code
            .functions()
            .iter()
            .find(|one| &*one.name == "safe")
            .unwrap();
        assert_eq!(record.function().address, safe.code.start.get());
        assert!(
            safe.code
                .contains(&ExecAddr::new(record.address().unwrap()))
        );
        seen.lock().unwrap().push("safepoint".into());
    }
}

#[test]
fn a_piece_has_all_that_was_linked() {
    for level in [OptLevel::Auto, OptLevel::Fixed(Level::O2)] {
        for is_frozen in [false, true] {
            let engine = engine_at(level, 0);
            let address = ExecAddr::new(nothing as *const () as u64);
            engine.main().define("outside", address).unwrap();
            engine
                .main()
                .define("__gxx_personality_v0", address)
                .unwrap();
            let seen = Arc::new(Mutex::new(Vec::new()));
            let log = Log::with({
                let seen = seen.clone();
                move |code| check_contents(code, &seen)
            });
            let _listening = engine.listen(log.clone());
            match is_frozen {
                true => engine.add_ir_frozen("all.ll", CONTENTS).unwrap(),
                false => engine.add_ir("all.ll", CONTENTS).unwrap(),
            };
            engine.compile_all().unwrap();
            let seen = seen.lock().unwrap();
            let wanted = [
                format!("my_label {:?}", EntryKind::Unknown),
                format!("catches {:?}", EntryKind::Function),
                format!("text {:?}", EntryKind::Data),
                format!("zeros {:?}", EntryKind::Data),
                "landing pad".into(),
                "safepoint".into(),
            ];
            for one in &wanted {
                assert!(seen.contains(one), "{one} is not among {seen:?}");
            }
        }
    }
}

#[test]
fn object_files_are_told_of() {
    on_fresh_stack(|| {
        let source = "static int kept = 5;
            __attribute__((noinline)) int twice(int x) { return 2 * x + kept; }
            int f(int x) { kept = x; return twice(x); }";
        let engine = engine_at(OptLevel::Fixed(Level::O0), 0);
        let symbols = Arc::new(Mutex::new(Vec::new()));
        let log = Log::with({
            let symbols = symbols.clone();
            move |code| {
                assert_eq!(code.tier(), CodeTier::Given);
                let mut symbols = symbols.lock().unwrap();
                symbols.extend(code.symbols().map(|one| one.name.to_owned()));
            }
        });
        let _listening = engine.listen(log.clone());
        let bytes = object(&["gcc", "-O2", "-fPIC"], source);
        let unit = engine.add_object("given.o", bytes).unwrap();
        let f = engine.lookup("f").unwrap();
        // SAFETY: it has this type.
        let f: extern "C" fn(i32) -> i32 = unsafe { std::mem::transmute(f.get()) };
        assert_eq!(f(4), 12);
        let mut names: Vec<String> = log.loaded().into_iter().map(|(name, _)| name).collect();
        names.sort_unstable();
        assert_eq!(names, ["f", "twice"]);
        assert!(symbols.lock().unwrap().iter().any(|one| one == "kept"));
        engine.remove_unit(unit).unwrap();
        for _ in 0..3 {
            engine.reclaim();
        }
        log.check_all_left();
    });
}
