//! Exceptions that pass through what is replaced or removed.

use rewire::{Error, TypeChange};

use super::{
    Act, Plain, WithData, add, function, in_each_case, is_all_freed, on_fresh_thread, reclaim_all,
    undo_all,
};

const RUNTIME: &str = "declare ptr @__cxa_allocate_exception(i64)
    declare void @__cxa_throw(ptr, ptr, ptr)
    declare ptr @__cxa_begin_catch(ptr)
    declare void @__cxa_end_catch()
    declare i32 @__gxx_personality_v0(...)
    @_ZTIi = external constant ptr\n";

/// A function that throws a number.
fn throws(name: &str, value: i32) -> String {
    format!(
        "define i32 @{name}() {{
           %e = call ptr @__cxa_allocate_exception(i64 4)
           store i32 {value}, ptr %e
           call void @__cxa_throw(ptr %e, ptr @_ZTIi, ptr null)
           unreachable
         }}\n"
    )
}

/// A function that calls another and returns what that returns or throws.
fn catches(name: &str, callee: &str) -> String {
    format!(
        "define i32 @{name}() personality ptr @__gxx_personality_v0 {{
           %x = invoke i32 @{callee}() to label %good unwind label %bad
         good:
           ret i32 %x
         bad:
           %pad = landingpad {{ ptr, i32 }} catch ptr @_ZTIi
           %thrown = extractvalue {{ ptr, i32 }} %pad, 0
           %at = call ptr @__cxa_begin_catch(ptr %thrown)
           %value = load i32, ptr %at
           call void @__cxa_end_catch()
           ret i32 %value
         }}\n"
    )
}

#[test]
fn a_body_that_throws_where_the_former_could_not() {
    in_each_case(|case| {
        for policy in [
            TypeChange::Refuse,
            TypeChange::GoAhead,
            TypeChange::Recompile,
        ] {
            let engine = case.engine();
            add(
                &engine,
                &(RUNTIME.to_owned()
                    + "define i32 @f() nounwind {
                       ret i32 1
                     }
                     define i32 @between() noinline {
                       %x = call i32 @f()
                       %y = add i32 %x, 1
                       ret i32 %y
                     }\n"
                    + &catches("outer", "between")),
            );
            let outer: Plain = function(&engine, "outer");
            assert_eq!(outer(), 2);
            let mut change = engine.main().change();
            change.define("new", (RUNTIME.to_owned() + &throws("f", 42)).as_bytes());
            change.on_type_change(policy);
            let changed = change.commit();
            if policy == TypeChange::Refuse {
                let Err(Error::Contract {
                    name,
                    reason,
                    users,
                }) = &changed
                else {
                    panic!("{changed:?}");
                };
                assert!(reason.contains("nounwind"), "{reason}");
                assert_eq!((&**name, &users[..]), ("f", &["between".to_owned()][..]));
                assert_eq!(outer(), 2);
            } else {
                changed.unwrap();
                assert_eq!((outer(), outer()), (42, 42));
                if case.undoes() {
                    engine.undo().unwrap();
                    assert_eq!(outer(), 2);
                }
            }
            undo_all(&engine);
            is_all_freed(&engine);
        }
    });
}

/// A unit whose function throws an object of a class of the unit's, destroyed by a function of the
/// unit's, through a frame of the unit's that cleans up.
const THROWER: &str = "declare void @act(ptr)
    @destroyed = external global i32
    @_ZTVN10__cxxabiv117__class_type_infoE = external global [0 x ptr]
    @_ZTS4Mine = linkonce_odr constant [6 x i8] c\"4Mine\\00\"
    @_ZTI4Mine = linkonce_odr constant { ptr, ptr } {
      ptr getelementptr inbounds (ptr, ptr @_ZTVN10__cxxabiv117__class_type_infoE, i64 2),
      ptr @_ZTS4Mine }
    define internal void @destroy(ptr %object) {
      %value = load i32, ptr %object
      store i32 %value, ptr @destroyed
      ret void
    }
    define i32 @throw_mine() {
      %e = call ptr @__cxa_allocate_exception(i64 4)
      store i32 42, ptr %e
      call void @__cxa_throw(ptr %e, ptr @_ZTI4Mine, ptr @destroy)
      unreachable
    }
    define i32 @pass(ptr %data) personality ptr @__gxx_personality_v0 {
      %x = invoke i32 @throw_mine() to label %good unwind label %bad
    good:
      ret i32 %x
    bad:
      %pad = landingpad { ptr, i32 } cleanup
      call void @act(ptr %data)
      resume { ptr, i32 } %pad
    }\n";

const CATCHER: &str = "@destroyed = global i32 0
    declare i32 @pass(ptr)
    declare void @act(ptr)
    define i32 @catch_all(ptr %data, ptr %inside) personality ptr @__gxx_personality_v0 {
      %x = invoke i32 @pass(ptr %data) to label %good unwind label %bad
    good:
      ret i32 %x
    bad:
      %pad = landingpad { ptr, i32 } catch ptr null
      %thrown = extractvalue { ptr, i32 } %pad, 0
      %at = call ptr @__cxa_begin_catch(ptr %thrown)
      call void @act(ptr %inside)
      call void @__cxa_end_catch()
      %value = load i32, ptr @destroyed
      ret i32 %value
    }\n";

#[test]
fn a_unit_that_is_being_unwound_removes_itself() {
    in_each_case(|case| {
        let engine = case.engine();
        add(&engine, &(RUNTIME.to_owned() + CATCHER));
        let unit = add(&engine, &(RUNTIME.to_owned() + THROWER));
        type Caught = extern "C-unwind" fn(*mut std::ffi::c_void, *mut std::ffi::c_void) -> i32;
        let catch_all: Caught = function(&engine, "catch_all");
        let run = || {
            let mut nothing = Act::new(|| ());
            let mut inside = Act::new(|| ());
            catch_all(nothing.data(), inside.data())
        };
        assert_eq!(on_fresh_thread(run), 42);
        let remove = || {
            let mut remove = Act::new(|| {
                let mut change = engine.main().change();
                change.remove_unit(unit).force();
                change.commit().unwrap();
                assert_eq!(engine.reclaim().bytes, 0);
            });
            // No frame of the unit is left when the exception is caught; its object is.
            let mut inside = Act::new(|| {
                let reclaimed = engine.reclaim();
                assert_eq!(reclaimed.bytes, 0, "{reclaimed:?}");
            });
            catch_all(remove.data(), inside.data())
        };
        super::write(&engine, "destroyed", 0);
        assert_eq!(on_fresh_thread(remove), 42);
        if case.undoes() {
            engine.undo().unwrap();
            super::write(&engine, "destroyed", 0);
            assert_eq!(on_fresh_thread(run), 42);
            engine.remove_unit(unit).unwrap_err();
            undo_all(&engine);
        }
        reclaim_all(&engine);
        is_all_freed(&engine);
    });
}

/// The frame that an exception passes through, and the one that catches it, get new bodies while it
/// is under way: it goes on in the former ones.
#[test]
fn frames_that_an_exception_passes_are_replaced() {
    in_each_case(|case| {
        let engine = case.engine();
        add(
            &engine,
            &(RUNTIME.to_owned()
                + &throws("inner", 5)
                + "declare void @act(ptr)
                 define i32 @f(ptr %data) personality ptr @__gxx_personality_v0 {
                   %x = invoke i32 @inner() to label %good unwind label %bad
                 good:
                   ret i32 %x
                 bad:
                   %pad = landingpad { ptr, i32 } cleanup
                   call void @act(ptr %data)
                   resume { ptr, i32 } %pad
                 }
                 define i32 @outer(ptr %data) personality ptr @__gxx_personality_v0 {
                   %x = invoke i32 @f(ptr %data) to label %good unwind label %bad
                 good:
                   ret i32 %x
                 bad:
                   %pad = landingpad { ptr, i32 } catch ptr @_ZTIi
                   %thrown = extractvalue { ptr, i32 } %pad, 0
                   %at = call ptr @__cxa_begin_catch(ptr %thrown)
                   %value = load i32, ptr %at
                   call void @__cxa_end_catch()
                   ret i32 %value
                 }"),
        );
        let outer: WithData = function(&engine, "outer");
        let run = || {
            let mut replace = Act::new(|| {
                let mut change = engine.main().change();
                let body = |name: &str, value: i32| {
                    format!("define i32 @{name}(ptr %data) {{\n ret i32 {value}\n}}\n")
                };
                change.define("new", (body("f", 6) + &body("outer", 7)).as_bytes());
                change.commit().unwrap();
                engine.reclaim();
            });
            outer(replace.data())
        };
        assert_eq!(on_fresh_thread(run), 5);
        let none = std::ptr::null_mut();
        assert_eq!(outer(none), 7);
        is_all_freed(&engine);
        if case.undoes() {
            engine.undo().unwrap();
            assert_eq!(on_fresh_thread(run), 5);
            undo_all(&engine);
        }
        is_all_freed(&engine);
    });
}
