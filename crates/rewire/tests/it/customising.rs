//! What a client chooses of how functions are compiled: the processor, the passes of a level, and a
//! transform of their IR.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rewire::{Error, HotThresholds, Level, OptLevel, Options, Passes, Transform};

use crate::support::Checked;

type Unary = extern "C" fn(i32) -> i32;

/// Returns 1 if passes have found out that a variable holds a constant, else 0.
const IS_KNOWN: &str = "declare i1 @llvm.is.constant.i32(i32)
    define i32 @known(i32 %x) {
      %p = alloca i32
      store i32 5, ptr %p
      %v = load i32, ptr %p
      %is = call i1 @llvm.is.constant.i32(i32 %v)
      %r = zext i1 %is to i32
      ret i32 %r
    }";

#[test]
fn passes_of_a_client_take_the_places_of_a_levels() {
    let cases = [
        (Level::O0, None, 0),
        (Level::O0, Some("sroa,lower-constant-intrinsics"), 1),
        (Level::O0, Some("function(simplifycfg)"), 0),
        (Level::O2, None, 1),
        (Level::O2, Some(""), 0),
        (Level::O2, Some("default<O3>"), 1),
    ];
    for frozen in [false, true] {
        for (level, text, expected) in cases {
            let passes = text.map(|text| (level, Passes::new(text).unwrap()));
            let checked = Checked::with_options(Options {
                level: OptLevel::Fixed(level),
                passes: passes.into_iter().collect(),
                ..Options::default()
            });
            let engine = &checked.engine;
            // Twice: some of LLVM's pipelines work only once.
            for name in ["known", "known_too"] {
                let ir = IS_KNOWN.replace("@known", &format!("@{name}"));
                let added = match frozen {
                    true => engine.add_ir_frozen(name, ir.as_bytes()),
                    false => engine.add_ir(name, ir.as_bytes()),
                };
                added.unwrap();
                let found = checked.function::<Unary>(name)(0);
                assert_eq!(found, expected, "{level:?}, {text:?}, frozen: {frozen}");
            }
            checked.verify();
        }
    }
}

#[test]
fn passes_of_one_level_are_not_anothers() {
    let checked = Checked::with_options(Options {
        level: OptLevel::Fixed(Level::O1),
        passes: [(Level::O2, Passes::new("").unwrap())].into(),
        ..Options::default()
    });
    checked
        .engine
        .add_ir("known.ll", IS_KNOWN.as_bytes())
        .unwrap();
    assert_eq!(checked.function::<Unary>("known")(0), 1);
}

#[test]
fn a_text_that_names_no_passes_is_an_error_that_quotes_it() {
    for text in ["sroa,nosuch", "function(", "sroa\0", "default<O9>", ")"] {
        let error = Error::from(Passes::new(text).unwrap_err());
        assert!(error.to_string().contains(&format!("`{text}`")), "{error}");
        assert!(error.help().is_some());
    }
}

const NEXT: &str = "@step = private constant i32 1
    define i32 @next(i32 %x) {
      %s = load i32, ptr @step
      %y = add i32 %x, %s
      ret i32 %y
    }
    define i32 @after(i32 %x) {
      %y = call i32 @next(i32 %x)
      %z = add i32 %y, 100
      ret i32 %z
    }";

/// Makes additions of 100 additions of 200, and counts what it was given.
fn doubled(seen: &Arc<AtomicUsize>) -> [Transform; 2] {
    let change = |seen: &AtomicUsize, ir: &str| {
        seen.fetch_add(1, Ordering::Relaxed);
        ir.contains(", 100").then(|| ir.replace(", 100", ", 200"))
    };
    let (first, second) = (seen.clone(), seen.clone());
    [
        Transform::text("doubled", move |ir| Ok(change(&first, ir))),
        Transform::bitcode("doubled in bitcode", move |ir| {
            assert!(ir.starts_with(b"BC"));
            // The same function, written by hand.
            let text = "declare i32 @next(i32)\ndefine i32 @after(i32 %x) {\n\
                %y = call i32 @next(i32 %x)\n%z = add i32 %y, 200\nret i32 %z\n}";
            let is_after = ir.windows(5).any(|bytes| bytes == b"after");
            Ok(is_after
                .then(|| change(&second, &text.replace("200", "100")))
                .flatten()
                .map(String::into_bytes))
        }),
    ]
}

#[test]
fn a_transform_changes_functions_before_they_are_compiled() {
    for level in [Level::O0, Level::O2] {
        let seen = Arc::new(AtomicUsize::new(0));
        for transform in doubled(&seen) {
            let identity = transform.identity().to_owned();
            // One function in each object, so that texts of one can be returned.
            let checked = Checked::with_options(Options {
                level: OptLevel::Fixed(level),
                threads: 1,
                transform: Some(transform),
                ..Options::default()
            });
            checked.engine.add_ir("next.ll", NEXT.as_bytes()).unwrap();
            assert_eq!(
                checked.function::<Unary>("after")(1),
                202,
                "{identity} {level:?}"
            );
            assert!(seen.load(Ordering::Relaxed) > 0);
            // A replacement is transformed as well.
            let other = "define i32 @after(i32 %x) {\n%z = add i32 %x, 100\nret i32 %z\n}";
            if identity == "doubled" {
                checked.engine.replace("after", other.as_bytes()).unwrap();
                assert_eq!(
                    checked.function::<Unary>("after")(1),
                    201,
                    "{identity} {level:?}"
                );
            }
            checked.verify();
        }
    }
}

#[test]
fn a_transform_sees_what_becomes_hot_again() {
    let transform = Transform::text("doubled", |ir| Ok(Some(ir.replace(", 100", ", 200"))));
    let checked = Checked::with_options(Options {
        hot: HotThresholds {
            calls: 10,
            loop_passes: 20,
            delay: std::time::Duration::ZERO,
        },
        transform: Some(transform),
        ..Options::default()
    });
    let looping = "declare i32 @next(i32)
        define i32 @sum(i32 %n) {
        entry:
          br label %loop
        loop:
          %i = phi i32 [ 0, %entry ], [ %j, %loop ]
          %s = phi i32 [ 0, %entry ], [ %t, %loop ]
          %t = add i32 %s, 100
          %j = call i32 @next(i32 %i)
          %again = icmp slt i32 %j, %n
          br i1 %again, label %loop, label %done
        done:
          ret i32 %t
        }";
    checked.engine.add_ir("next.ll", NEXT.as_bytes()).unwrap();
    checked.engine.add_ir("sum.ll", looping.as_bytes()).unwrap();
    let (sum, after) = (
        checked.function::<Unary>("sum"),
        checked.function::<Unary>("after"),
    );
    for _ in 0..50 {
        assert_eq!(sum(1000), 200_000);
        assert_eq!(after(1), 202);
    }
    checked.engine.settle();
    assert!(checked.engine.report().functions_optimised > 0);
    assert_eq!((sum(1000), after(1)), (200_000, 202));
}

#[test]
fn a_transform_that_fails_makes_an_error_of_the_function() {
    type Work = fn(&str) -> Result<Option<String>, String>;
    let cases: [(&str, Work, &str); 5] = [
        ("refuses", |_| Err("not today".to_owned()), "not today"),
        ("panics", |_| panic!("as it should"), "it panicked"),
        ("no ir", |_| Ok(Some("define".to_owned())), "error"),
        (
            "loses",
            |ir| Ok(Some(ir.replace("@after(", "@before("))),
            "it doesn't define after",
        ),
        (
            "breaks",
            |ir| {
                Ok(Some(ir.replace(
                    "ret i32 %z",
                    "%u = add i32 %v, 1\n%v = add i32 %u, 1\nret i32 %v",
                )))
            },
            "does not dominate",
        ),
    ];
    for (identity, work, expected) in cases {
        let transform = Transform::text(identity, move |ir| match ir.contains("@after(i32 %x) ") {
            true => work(ir),
            false => Ok(None),
        });
        let checked = Checked::with_options(Options {
            threads: 1,
            transform: Some(transform),
            ..Options::default()
        });
        checked.engine.add_ir("next.ll", NEXT.as_bytes()).unwrap();
        let error = checked.engine.compile_all().unwrap_err().to_string();
        for part in [expected, identity, "after"] {
            assert!(error.contains(part), "{identity}: {error}");
        }
        // Others are compiled as ever.
        assert_eq!(checked.function::<Unary>("next")(6), 7);
    }
}

#[cfg(feature = "inkwell")]
#[test]
fn a_transform_may_change_the_module_itself() {
    for breaks in [false, true] {
        let transform = Transform::module("constants", move |module| {
            let Some(function) = module.get_function("after") else {
                return Ok(());
            };
            let block = function.get_last_basic_block().ok_or("no block")?;
            let end = block.get_terminator().ok_or("no end")?;
            let wide = match breaks {
                true => module.get_context().i64_type(),
                false => module.get_context().i32_type(),
            };
            end.set_operand(0, wide.const_int(77, false));
            Ok(())
        });
        let checked = Checked::with_options(Options {
            threads: 1,
            transform: Some(transform),
            ..Options::default()
        });
        checked.engine.add_ir("next.ll", NEXT.as_bytes()).unwrap();
        if breaks {
            let error = checked.engine.compile_all().unwrap_err().to_string();
            assert!(error.contains("return type"), "{error}");
        } else {
            assert_eq!(checked.function::<Unary>("after")(1), 77);
        }
    }
}

/// Adds vectors of eight integers.
fn vectors(attributes: &str) -> String {
    format!(
        "define void @add(ptr %p) {attributes} {{
          %v = load <8 x i32>, ptr %p
          %w = add <8 x i32> %v, %v
          store <8 x i32> %w, ptr %p
          ret void
        }}"
    )
}

#[test]
fn code_is_for_the_processor_that_was_chosen() {
    let own = "\"target-cpu\"=\"x86-64\" \"target-features\"=\"+sse2\"";
    let cases = [
        ("baseline", "", false),
        ("x86-64-v2", "", false),
        ("haswell", "", true),
        ("haswell,-avx2,-avx", "", false),
        ("baseline,+avx2", "", true),
        ("haswell", own, false),
    ];
    for level in [Level::O0, Level::O2] {
        for (cpu, attributes, is_wide) in cases {
            let checked = Checked::with_options(Options {
                level: OptLevel::Fixed(level),
                cpu: cpu.parse().unwrap(),
                ..Options::default()
            });
            checked
                .engine
                .add_ir("vectors.ll", vectors(attributes).as_bytes())
                .unwrap();
            checked.engine.compile_all().unwrap();
            let code = checked.engine.main().machine_code("add").unwrap();
            // What AVX has instead of SSE's instructions begins with this byte.
            let found = code.bytes.windows(2).any(|two| two[0] == 0xc5);
            assert_eq!(found, is_wide, "{cpu} {attributes} {level:?}");
        }
    }
}
