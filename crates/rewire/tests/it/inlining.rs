//! Functions that must be inlined, compiled beside those that inline them.

use rewire::Level;

use crate::support::Checked;

const HELPED: &str = "
    define i32 @helper(i32 %x) alwaysinline {
      %y = add i32 %x, 1
      ret i32 %y
    }
    define i32 @caller(i32 %x) noinline {
      %y = call i32 @helper(i32 %x)
      ret i32 %y
    }
    define i32 @outer(i32 %x) noinline {
      %y = call i32 @caller(i32 %x)
      %z = call i32 @helper(i32 %y)
      ret i32 %z
    }
    define internal i32 @dead(i32 %x) alwaysinline {
      ret i32 %x
    }
    define internal i32 @pointed_to(i32 %x) alwaysinline {
      %y = mul i32 %x, 3
      ret i32 %y
    }
    @pointer = constant ptr @pointed_to
    define ptr @get() {
      %p = load ptr, ptr @pointer
      ret ptr %p
    }";

const OTHER: &str = "
    define i32 @helper(i32 %x) alwaysinline {
      %y = add i32 %x, 100
      ret i32 %y
    }";

type Function = extern "C" fn(i32) -> i32;

#[test]
fn what_was_inlined_in_the_same_object_follows_its_replacement() {
    for level in [Level::O0, Level::O1, Level::O2] {
        for threads in [0, 2] {
            let checked = Checked::with_threads(level, threads);
            let main = checked.engine.main();
            main.add_ir("helped.ll", HELPED).unwrap();
            checked.engine.compile_all().unwrap();
            let outer: Function = checked.function("outer");
            let helper: Function = checked.function("helper");
            assert_eq!((outer(1), helper(1)), (3, 2));
            main.replace("helper", OTHER).unwrap();
            assert_eq!((outer(1), helper(1)), (201, 101));
            main.replace("helper", OTHER.replace("100", "10")).unwrap();
            assert_eq!((outer(1), helper(1)), (21, 11));
            checked.verify();
        }
    }
}

#[test]
fn what_everybody_inlines_is_compiled_only_where_its_address_is_taken() {
    for level in [Level::O0, Level::O2] {
        let checked = Checked::new(level);
        checked.engine.add_ir("helped.ll", HELPED).unwrap();
        checked.engine.compile_all().unwrap();
        let compiled = checked.engine.report().functions_compiled;
        // Not `dead`.
        assert_eq!(compiled, 5);
        let get: extern "C" fn() -> Function = checked.function("get");
        assert_eq!(get()(4), 12);
        assert_eq!(checked.engine.report().functions_compiled, compiled);
    }
}

#[test]
fn calls_that_check_types_follow_replacements() {
    let checked = Checked::new(Level::O0);
    let main = checked.engine.main();
    let text = "
        define i32 @f(i32 %x) !kcfi_type !1 {
          ret i32 %x
        }
        define i32 @through(ptr %p) !kcfi_type !2 {
          %y = call i32 %p(i32 5) [ \"kcfi\"(i32 1234) ]
          ret i32 %y
        }
        define i32 @ask() {
          %y = call i32 @through(ptr @f)
          ret i32 %y
        }
        !llvm.module.flags = !{!0}
        !0 = !{i32 4, !\"kcfi\", i32 1}
        !1 = !{i32 1234}
        !2 = !{i32 77}";
    main.add_ir("marked.ll", text).unwrap();
    let ask: extern "C" fn() -> i32 = checked.function("ask");
    assert_eq!(ask(), 5);
    let address = checked.engine.lookup("f").unwrap();
    for step in 1..4 {
        let body = format!(
            "define i32 @f(i32 %x) !kcfi_type !0 {{
               %y = add i32 %x, {step}
               ret i32 %y
             }}
             !0 = !{{i32 1234}}"
        );
        main.replace("f", body).unwrap();
        assert_eq!(ask(), 5 + step);
        assert_eq!(checked.engine.lookup("f").unwrap(), address);
    }
    checked.verify();
}
