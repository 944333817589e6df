//! A hot loop of a quick body goes on in a body that finds all it needs in the frame: whatever a
//! loop's head may need, compared with code that is compiled once.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rewire::{
    CompileObserver, Engine, HotThresholds, Level, OptLevel, Options, TierDecision, TierStep,
};

type Loop = extern "C" fn(i64) -> i64;

/// Numbers of all widths, pointers, vectors: some change in each pass, some are only known before.
const WIDTHS: &str = "
    @bytes = global [8 x i8] c\"\\01\\22\\43\\64\\85\\a6\\c7\\e8\"
    define i64 @work(i64 %n) {
      %bit0 = trunc i64 %n to i1
      %byte0 = trunc i64 %n to i8
      %odd0 = trunc i64 %n to i24
      %wide0 = trunc i64 %n to i33
      %single0 = sitofp i64 %n to float
      %double0 = sitofp i64 %n to double
      %one = insertelement <4 x i32> poison, i32 3, i32 0
      %step = shufflevector <4 x i32> %one, <4 x i32> poison, <4 x i32> zeroinitializer
      %before = icmp sgt i64 %n, 5
      %kept = xor i8 %byte0, 77
      br label %head
    head:
      %i = phi i64 [ 0, %0 ], [ %i1, %head ]
      %bit = phi i1 [ %bit0, %0 ], [ %bit1, %head ]
      %byte = phi i8 [ %byte0, %0 ], [ %byte1, %head ]
      %short = phi i16 [ 7, %0 ], [ %short1, %head ]
      %odd = phi i24 [ %odd0, %0 ], [ %odd1, %head ]
      %wide = phi i33 [ %wide0, %0 ], [ %wide1, %head ]
      %single = phi float [ %single0, %0 ], [ %single1, %head ]
      %double = phi double [ %double0, %0 ], [ %double1, %head ]
      %vector = phi <4 x i32> [ zeroinitializer, %0 ], [ %vector1, %head ]
      %short_vector = phi <4 x i16> [ zeroinitializer, %0 ], [ %short_vector1, %head ]
      %at = phi ptr [ @bytes, %0 ], [ %at1, %head ]
      %i1 = add i64 %i, 1
      %here = load i8, ptr %at
      %bit1 = xor i1 %bit, %before
      %flipped = zext i1 %bit to i8
      %byte1 = add i8 %byte, %here
      %more = add i8 %flipped, %kept
      %short0 = zext i8 %more to i16
      %short1 = add i16 %short, %short0
      %odd1 = mul i24 %odd, 5
      %wide1 = mul i33 %wide, 13
      %single1 = fadd float %single, 0.5
      %double1 = fmul double %double, 0.999
      %vector1 = add <4 x i32> %vector, %step
      %parts = trunc <4 x i32> %vector1 to <4 x i16>
      %short_vector1 = add <4 x i16> %short_vector, %parts
      %low = and i64 %i1, 7
      %at1 = getelementptr i8, ptr @bytes, i64 %low
      %done = icmp sgt i64 %i1, 999
      br i1 %done, label %end, label %head
    end:
      %a = zext i1 %bit1 to i64
      %b = zext i8 %byte1 to i64
      %c = zext i16 %short1 to i64
      %d = zext i24 %odd1 to i64
      %e = zext i33 %wide1 to i64
      %f0 = fptosi float %single1 to i64
      %g0 = fmul double %double1, 1.0e9
      %g = fptosi double %g0 to i64
      %h0 = extractelement <4 x i32> %vector1, i32 2
      %h = zext i32 %h0 to i64
      %s1 = mul i64 %a, 3
      %s2 = xor i64 %s1, %b
      %s3 = mul i64 %s2, 31
      %s4 = add i64 %s3, %c
      %s5 = mul i64 %s4, 31
      %s6 = add i64 %s5, %d
      %s7 = mul i64 %s6, 31
      %s8 = add i64 %s7, %e
      %s9 = xor i64 %s8, %f0
      %s10 = add i64 %s9, %g
      %s11 = mul i64 %s10, 7
      %s12 = add i64 %s11, %h
      %j0 = extractelement <4 x i16> %short_vector1, i32 3
      %j = zext i16 %j0 to i64
      %s13 = xor i64 %s12, %j
      ret i64 %s13
    }";

/// Variables: one whose address others know, one that is where the caller has put an argument, one
/// for which the frame is aligned anew.
const VARIABLES: &str = "
    define internal void @add(ptr %to, i64 %n) noinline {
      %was = load i64, ptr %to
      %is = add i64 %was, %n
      store i64 %is, ptr %to
      ret void
    }
    define internal i64 @many(i64 %a, i64 %b, i64 %c, i64 %d, i64 %e, i64 %f, i64 %g, i64 %h)
        noinline {
      %known = alloca i64
      %seventh = alloca i64
      %eighth = alloca i64
      %aligned = alloca [3 x i64], align ALIGN
      store i64 %a, ptr %known
      store i64 %g, ptr %seventh
      store i64 %h, ptr %eighth
      store i64 5, ptr %aligned
      br label %head
    head:
      %i = phi i64 [ 0, %0 ], [ %i1, %head ]
      call void @add(ptr %known, i64 %i)
      %s = load i64, ptr %seventh
      %s1 = add i64 %s, %b
      store i64 %s1, ptr %seventh
      %e8 = load i64, ptr %eighth
      %e9 = xor i64 %e8, %s1
      store i64 %e9, ptr %eighth
      call void @add(ptr %aligned, i64 %e9)
      %i1 = add i64 %i, 1
      %done = icmp eq i64 %i1, 1000
      br i1 %done, label %end, label %head
    end:
      %r1 = load i64, ptr %known
      %r2 = load i64, ptr %seventh
      %r3 = load i64, ptr %eighth
      %r4 = load i64, ptr %aligned
      %place = ptrtoint ptr %aligned to i64
      %off = and i64 %place, LESS
      %x1 = add i64 %r1, %r2
      %x2 = xor i64 %x1, %r3
      %x3 = add i64 %x2, %r4
      %x4 = add i64 %x3, %off
      ret i64 %x4
    }
    define i64 @work(i64 %n) {
      %r = call i64 @many(i64 %n, i64 3, i64 4, i64 5, i64 6, i64 7, i64 8, i64 %n)
      ret i64 %r
    }";

/// A loop in a loop: the outer one's phi is known at both heads, and what it computes is computed
/// anew while the inner one runs in a body that began inside.
const NESTED: &str = "
    define i64 @work(i64 %n) {
      br label %outer
    outer:
      %i = phi i64 [ 0, %0 ], [ %i1, %next ]
      %sum = phi i64 [ %n, %0 ], [ %inner_sum1, %next ]
      %square = mul i64 %i, %i
      br label %inner
    inner:
      %j = phi i64 [ 0, %outer ], [ %j1, %inner ]
      %inner_sum = phi i64 [ %sum, %outer ], [ %inner_sum1, %inner ]
      %mixed = xor i64 %inner_sum, %square
      %inner_sum1 = add i64 %mixed, %j
      %j1 = add i64 %j, 1
      %inner_done = icmp eq i64 %j1, 60
      br i1 %inner_done, label %next, label %inner
    next:
      %i1 = add i64 %i, 1
      %done = icmp eq i64 %i1, 80
      br i1 %done, label %end, label %outer
    end:
      ret i64 %inner_sum1
    }";

/// What only an assumption names in the loop has no place in the frame.
const ASSUMED: &str = "
    declare void @llvm.assume(i1)
    define i64 @work(i64 %n) {
      %is_small = icmp slt i64 %n, 1000
      %doubled = shl i64 %n, 1
      br label %head
    head:
      %i = phi i64 [ 0, %0 ], [ %i1, %head ]
      %sum = phi i64 [ 0, %0 ], [ %sum1, %head ]
      call void @llvm.assume(i1 %is_small)
      %is_even = icmp ult i64 %doubled, 2000
      call void @llvm.assume(i1 %is_even)
      %sum1 = add i64 %sum, %n
      %i1 = add i64 %i, 1
      %done = icmp eq i64 %i1, 500
      br i1 %done, label %end, label %head
    end:
      ret i64 %sum1
    }";

/// A value that takes two registers: it is kept in the transfer buffer, with all others. And a
/// result that takes two.
const TWO_REGISTERS: &str = "
    define internal { i64, i64 } @pair(i64 %n) noinline {
      %wide = sext i64 %n to i128
      br label %head
    head:
      %i = phi i64 [ 0, %0 ], [ %i1, %head ]
      %big = phi i128 [ %wide, %0 ], [ %big1, %head ]
      %big0 = mul i128 %big, 3
      %big1 = add i128 %big0, 1
      %i1 = add i64 %i, 1
      %done = icmp eq i64 %i1, 300
      br i1 %done, label %end, label %head
    end:
      %low = trunc i128 %big1 to i64
      %top = lshr i128 %big1, 64
      %high = trunc i128 %top to i64
      %first = insertvalue { i64, i64 } poison, i64 %low, 0
      %both = insertvalue { i64, i64 } %first, i64 %high, 1
      ret { i64, i64 } %both
    }
    define internal { i64, i64 } @sums(i64 %n) noinline {
      br label %head
    head:
      %i = phi i64 [ 0, %0 ], [ %i1, %head ]
      %sum = phi i64 [ %n, %0 ], [ %sum1, %head ]
      %sum1 = add i64 %sum, %i
      %i1 = add i64 %i, 1
      %done = icmp eq i64 %i1, 300
      br i1 %done, label %end, label %head
    end:
      %first = insertvalue { i64, i64 } poison, i64 %sum1, 0
      %both = insertvalue { i64, i64 } %first, i64 %n, 1
      ret { i64, i64 } %both
    }
    define i64 @work(i64 %n) {
      %pair = call { i64, i64 } @pair(i64 %n)
      %a = extractvalue { i64, i64 } %pair, 0
      %b = extractvalue { i64, i64 } %pair, 1
      %sums = call { i64, i64 } @sums(i64 %n)
      %c = extractvalue { i64, i64 } %sums, 0
      %d = extractvalue { i64, i64 } %sums, 1
      %ab = xor i64 %a, %b
      %cd = mul i64 %c, %d
      %all = add i64 %ab, %cd
      ret i64 %all
    }";

/// Why loops got no continuation.
#[derive(Debug, Default)]
struct Failures(Mutex<Vec<String>>);

impl CompileObserver for Failures {
    fn tier_decided(&self, decision: &TierDecision) {
        if let TierStep::Failed { reason } = &decision.step {
            self.0
                .lock()
                .unwrap()
                .push(format!("{}: {reason}", decision.function));
        }
    }
}

fn compiled_once(text: &str, n: i64) -> i64 {
    let engine = Engine::new(Options {
        level: OptLevel::Fixed(Level::O0),
        ..Options::default()
    })
    .unwrap();
    work(&engine, text)(n)
}

fn work(engine: &Engine, text: &str) -> Loop {
    engine.add_ir("loops.ll", text.as_bytes()).unwrap();
    // SAFETY: each text defines it with this type.
    unsafe { engine.main().function::<Loop>("work").unwrap().pointer() }
}

/// Has each loop go on in another body after a few passes, and compares the result.
fn goes_on(text: &str, loops: u64) {
    for n in [0, 3, 12, 255] {
        let expected = compiled_once(text, n);
        // The larger the number, the later in the loop.
        for loop_passes in [1, 2, 17, 40] {
            let failures = Arc::new(Failures::default());
            let engine = Engine::new(Options {
                threads: 0,
                hot: HotThresholds {
                    calls: 1_000_000,
                    loop_passes,
                    delay: Duration::ZERO,
                },
                compile_observer: Some(failures.clone()),
                ..Options::default()
            })
            .unwrap();
            assert_eq!(
                work(&engine, text)(n),
                expected,
                "{n}, from pass {loop_passes}"
            );
            let failed = std::mem::take(&mut *failures.0.lock().unwrap());
            assert!(failed.is_empty(), "{failed:?}");
            assert_eq!(
                engine.report().loops_optimised,
                loops,
                "from pass {loop_passes}"
            );
        }
    }
}

#[test]
fn values_of_all_widths_are_found_in_the_frame() {
    goes_on(WIDTHS, 1);
}

#[test]
fn variables_are_found_in_the_frame() {
    let with = |align: &str, less: &str| VARIABLES.replace("ALIGN", align).replace("LESS", less);
    goes_on(&with("8", "7"), 1);
    goes_on(&with("64", "63"), 1);
}

#[test]
fn loops_in_loops_are_left_at_either_head() {
    goes_on(NESTED, 1);
}

#[test]
fn what_is_only_assumed_needs_no_place() {
    goes_on(ASSUMED, 1);
}

#[test]
fn what_takes_two_registers_is_kept_in_the_buffer() {
    goes_on(TWO_REGISTERS, 2);
}
