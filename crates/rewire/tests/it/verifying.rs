//! IR that breaks a rule is refused wherever it comes in, and the error says which function.

use inkwell::context::Context;
use inkwell::module::Module;
use inkwell::types::IntType;
use inkwell::values::FunctionValue;
use rewire::{Answer, Engine, Error, Level, Request};

use crate::support::Checked;

fn right_beside(name: &str) -> String {
    format!("right_beside_{name}")
}

/// Bitcode in which `name` breaks a rule that LLVM's reader doesn't look at, beside `right`.
fn wrong(name: &str) -> Vec<u8> {
    let context = Context::create();
    let module = context.create_module("wrong");
    let i32 = context.i32_type();
    let f = module.add_function(name, i32.fn_type(&[], false), None);
    let builder = context.create_builder();
    builder.position_at_end(context.append_basic_block(f, "entry"));
    let seven = context.i64_type().const_int(7, false);
    builder.build_return(Some(&seven)).unwrap();
    let right = module.add_function(&right_beside(name), i32.fn_type(&[], false), None);
    builder.position_at_end(context.append_basic_block(right, "entry"));
    builder
        .build_return(Some(&i32.const_int(5, false)))
        .unwrap();
    module.write_bitcode_to_memory().as_slice().to_vec()
}

fn names_wrong<T>(result: Result<T, Error>, name: &str) {
    let Err(error) = result else {
        panic!("{name} was accepted");
    };
    let text = error.to_string();
    assert!(text.contains(&format!("in {name}: ")), "{text}");
    assert!(text.contains("does not match operand type"), "{text}");
}

type Builds = for<'c> fn(&'c Context, &Module<'c>, FunctionValue<'c>, IntType<'c>);

/// What inkwell builds without complaint.
const BUILDS: [(&str, Builds); 4] = [
    ("terminator", |context, _, f, _| {
        context.append_basic_block(f, "entry");
    }),
    ("Function return type", |context, _, f, _| {
        let builder = context.create_builder();
        builder.position_at_end(context.append_basic_block(f, "entry"));
        let wide = context.i64_type().const_int(7, false);
        builder.build_return(Some(&wide)).unwrap();
    }),
    ("Call parameter type", |context, module, f, i32| {
        let builder = context.create_builder();
        builder.position_at_end(context.append_basic_block(f, "entry"));
        let wide = i32.fn_type(&[context.i64_type().into()], false);
        let callee = module.add_function("callee", wide, None);
        let call = builder.build_call(callee, &[i32.const_zero().into()], "");
        let value = call.unwrap().try_as_basic_value().unwrap_basic();
        builder.build_return(Some(&value)).unwrap();
    }),
    ("another function", |context, module, f, i32| {
        let builder = context.create_builder();
        let other = module.add_function("other", i32.fn_type(&[i32.into()], false), None);
        builder.position_at_end(context.append_basic_block(other, "entry"));
        let its = other.get_first_param().unwrap().into_int_value();
        let sum = builder.build_int_add(its, its, "").unwrap();
        builder.build_return(Some(&sum)).unwrap();
        builder.position_at_end(context.append_basic_block(f, "entry"));
        builder.build_return(Some(&sum)).unwrap();
    }),
];

#[test]
fn a_module_of_inkwells_is_refused_when_it_is_added() {
    for (reason, build) in BUILDS {
        let context = Context::create();
        let module = context.create_module("built");
        let i32 = context.i32_type();
        let f = module.add_function("f", i32.fn_type(&[], false), None);
        build(&context, &module, f, i32);
        let checked = Checked::new(Level::O0);
        let error = checked.engine.main().add_module(&module).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("in f: ") && text.contains(reason), "{text}");
        assert!(text.contains("built"), "{text}");
        // Nothing was added.
        assert!(checked.engine.lookup("f").is_err());
    }
}

#[test]
fn a_body_that_is_wrong_is_an_error_each_time_and_no_harm_to_others() {
    for (level, threads) in [(Level::O0, 0), (Level::O0, 2), (Level::O2, 0)] {
        let checked = Checked::with_threads(level, threads);
        let main = checked.engine.main();
        main.add_ir("wrong.bc", wrong("f")).unwrap();
        for _ in 0..3 {
            names_wrong(main.pin("f"), "f");
        }
        let right: extern "C" fn() -> i32 = checked.function("right_beside_f");
        assert_eq!(right(), 5);
        // It can be mended.
        main.replace("f", b"define i32 @f() {\n ret i32 6\n}")
            .unwrap();
        let f: extern "C" fn() -> i32 = checked.function("f");
        assert_eq!(f(), 6);
    }
}

#[test]
fn a_replacement_that_is_wrong_changes_nothing() {
    let checked = Checked::with(Level::O0, "define i32 @f() {\n ret i32 4\n}");
    let main = checked.engine.main();
    let f: extern "C" fn() -> i32 = checked.function("f");
    assert_eq!(f(), 4);
    names_wrong(main.replace("f", wrong("f")), "f");
    assert_eq!(f(), 4);
    let mut change = main.change();
    change.define("more.bc", wrong("g"));
    names_wrong(change.commit(), "g");
    assert_eq!(f(), 4);
}

#[test]
fn frozen_units_and_what_is_compiled_ahead_are_no_exceptions() {
    for level in [Level::O0, Level::O2] {
        let checked = Checked::new(level);
        let main = checked.engine.main();
        main.add_ir_frozen("wrong.bc", wrong("f")).unwrap();
        names_wrong(main.pin("right_beside_f"), "f");
        let checked = Checked::new(level);
        checked.engine.add_ir("wrong.bc", wrong("f")).unwrap();
        names_wrong(checked.engine.compile_all(), "f");
    }
}

#[test]
fn what_clients_answer_is_no_exception() {
    let checked = Checked::new(Level::O0);
    let main = checked.engine.main();
    main.resolve_with(|request: &Request<'_>| {
        (request.name == "asked").then(|| Answer::Ir {
            name: "answer.bc".into(),
            bytes: wrong("asked"),
        })
    });
    main.define_lazily("lazy", || Ok(wrong("lazy"))).unwrap();
    let callers = "declare i32 @asked()\n declare i32 @lazy()\n
        define i32 @ask() {\n %x = call i32 @asked()\n ret i32 %x\n}
        define i32 @wait() {\n %x = call i32 @lazy()\n ret i32 %x\n}";
    main.add_ir("callers.ll", callers.as_bytes()).unwrap();
    names_wrong(main.pin("lazy"), "lazy");
    let failed = failure_of(&checked.engine, "ask");
    assert!(failed.contains("in asked: "), "{failed}");
}

/// What the engine says when a function is called that calls what can't run.
fn failure_of(engine: &Engine, caller: &str) -> String {
    use std::sync::{Arc, Mutex};
    let said = Arc::new(Mutex::new(String::new()));
    let notes = said.clone();
    extern "C" fn instead() -> i32 {
        -1
    }
    engine.on_failure(move |failure| {
        *notes.lock().unwrap() = failure.to_string();
        Some((instead as *const ()).into())
    });
    // SAFETY: it has this type.
    let caller = unsafe { engine.main().function::<extern "C" fn() -> i32>(caller) };
    assert_eq!(caller.unwrap()(), -1);
    said.lock().unwrap().clone()
}
