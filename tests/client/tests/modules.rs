//! Modules of inkwell's, wherever the engine takes IR.

use std::error::Error;

use inkwell::context::Context;
use inkwell::module::Module;
use rewire::{Answer, Engine, Ir, Library, Options, Request};

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// A module whose function `name` returns `value`.
fn returns<'c>(context: &'c Context, name: &str, value: u64) -> Module<'c> {
    let module = context.create_module("built");
    let i32 = context.i32_type();
    let function = module.add_function(name, i32.fn_type(&[], false), None);
    let builder = context.create_builder();
    builder.position_at_end(context.append_basic_block(function, "entry"));
    builder
        .build_return(Some(&i32.const_int(value, false)))
        .unwrap();
    module
}

/// A module whose function `name` has a block without an end.
fn endless<'c>(context: &'c Context, name: &str) -> Module<'c> {
    let module = returns(context, "sound", 1);
    let broken = module.add_function(name, context.i32_type().fn_type(&[], false), None);
    context.append_basic_block(broken, "entry");
    module
}

/// A module whose function `name` returns a value that another function has computed.
fn borrows<'c>(context: &'c Context, name: &str) -> Module<'c> {
    let module = context.create_module("built");
    let i32 = context.i32_type();
    let (owner, thief) = ("owner", name);
    let owner = module.add_function(owner, i32.fn_type(&[i32.into()], false), None);
    let thief = module.add_function(thief, i32.fn_type(&[], false), None);
    let builder = context.create_builder();
    builder.position_at_end(context.append_basic_block(owner, "entry"));
    let x = owner.get_first_param().unwrap().into_int_value();
    let sum = builder.build_int_add(x, x, "sum").unwrap();
    builder.build_return(Some(&sum)).unwrap();
    builder.position_at_end(context.append_basic_block(thief, "entry"));
    builder.build_return(Some(&sum)).unwrap();
    module
}

fn call(library: &Library, name: &str) -> Result<i32> {
    // SAFETY: all functions here have this type.
    Ok(unsafe { library.function::<extern "C" fn() -> i32>(name)? }())
}

#[test]
fn steps_of_a_change_take_modules() -> Result {
    let context = Context::create();
    let engine = Engine::new(Options::default())?;
    let main = engine.main();
    let old = main.add_ir("old", &returns(&context, "kept", 1))?;
    main.add_ir("f", "define i32 @f() {\n ret i32 1\n}")?;
    let mut change = main.change();
    change.add("added", &returns(&context, "added", 2));
    change.define("defined", &returns(&context, "defined", 3));
    change.replace("f", &returns(&context, "f", 4));
    change.reload(old, "new", &returns(&context, "kept", 5));
    change.commit()?;
    for (name, value) in [("added", 2), ("defined", 3), ("f", 4), ("kept", 5)] {
        assert_eq!(call(&main, name)?, value, "{name}");
    }
    main.replace("f", &returns(&context, "f", 6))?;
    assert_eq!(call(&main, "f")?, 6);
    Ok(())
}

#[test]
fn frozen_units_lazies_and_answers_are_made_of_modules() -> Result {
    let engine = Engine::new(Options::default())?;
    let main = engine.main();
    main.add_ir_frozen("frozen", &returns(&Context::create(), "frozen", 1))?;
    main.define_lazily("lazy", || {
        Ir::from(&returns(&Context::create(), "lazy", 2)).into_bytes()
    })?;
    main.resolve_with(|request: &Request<'_>| {
        let is_asked = request.name == "resolved";
        is_asked.then(|| Answer::ir("answer", &returns(&Context::create(), "resolved", 3)))
    });
    main.add_ir(
        "calls",
        "declare i32 @resolved()
         define i32 @calls() {
           %x = call i32 @resolved()
           ret i32 %x
         }",
    )?;
    for (name, value) in [("frozen", 1), ("lazy", 2), ("calls", 3)] {
        assert_eq!(call(&main, name)?, value, "{name}");
    }
    main.refresh("lazy", || {
        Ir::from(&returns(&Context::create(), "lazy", 4)).into_bytes()
    })?;
    assert_eq!(call(&main, "lazy")?, 4);
    Ok(())
}

#[test]
fn a_module_may_go_once_it_was_given() -> Result {
    let engine = Engine::new(Options::default())?;
    let main = engine.main();
    {
        let context = Context::create();
        let module = returns(&context, "f", 1);
        main.add_ir("f", &module)?;
        // SAFETY: nobody uses it any more.
        unsafe { module.get_function("f").unwrap().delete() };
    }
    assert_eq!(call(&main, "f")?, 1);
    Ok(())
}

#[test]
fn a_module_that_breaks_a_rule_is_refused_by_whatever_takes_it() -> Result {
    for broken in [endless, borrows] {
        let context = Context::create();
        let module = broken(&context, "broken");
        let engine = Engine::new(Options::default())?;
        let main = engine.main();
        let mut change = main.change();
        change.define("f", "define i32 @f() {\n ret i32 1\n}");
        change.define("given", &module);
        let refusals = [
            main.add_ir("given", &module).unwrap_err(),
            main.add_ir_frozen("given", &module).unwrap_err(),
            main.replace("broken", &module).unwrap_err(),
            change.commit().unwrap_err(),
        ];
        for error in refusals {
            let error = error.to_string();
            assert!(
                error.contains("given") || error.contains("new body"),
                "{error}"
            );
            assert!(error.contains("in broken: "), "{error}");
        }
        assert!(main.names().is_empty(), "nothing has been added");
        let reason = Ir::from(&module).into_bytes().unwrap_err();
        assert!(reason.contains("in broken: "), "{reason}");
        assert!(matches!(Answer::ir("given", &module), Answer::Failed(said) if said == reason));
    }
    Ok(())
}
