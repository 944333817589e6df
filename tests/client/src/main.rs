//! Builds one module with inkwell and runs it with both engines: rewire's, and the one that comes
//! with inkwell. Prints what each has computed.

use std::error::Error;

use inkwell::OptimizationLevel;
use inkwell::context::Context;
use inkwell::module::Module;
use inkwell::targets::{InitializationConfig, Target, TargetTriple};
use rewire::{Engine, Options};

/// A module whose `square` multiplies its argument with itself.
fn module(context: &Context) -> Result<Module<'_>, Box<dyn Error>> {
    let module = context.create_module("square");
    let (i32, builder) = (context.i32_type(), context.create_builder());
    let square = module.add_function("square", i32.fn_type(&[i32.into()], false), None);
    builder.position_at_end(context.append_basic_block(square, "entry"));
    let x = square.get_first_param().ok_or("it has one")?;
    let x = x.into_int_value();
    builder.build_return(Some(&builder.build_int_mul(x, x, "y")?))?;
    Ok(module)
}

fn main() -> Result<(), Box<dyn Error>> {
    let context = Context::create();
    let module = module(&context)?;
    let engine = Engine::new(Options::default())?;
    engine.main().add_module(&module)?;
    // SAFETY: it has this type.
    let square = unsafe {
        engine
            .main()
            .function::<extern "C" fn(i32) -> i32>("square")?
    };
    println!("rewire {}", square(7));

    let theirs = module.create_jit_execution_engine(OptimizationLevel::None)?;
    // SAFETY: as above.
    let again = unsafe { theirs.get_function::<unsafe extern "C" fn(i32) -> i32>("square")? };
    // SAFETY: it only computes.
    println!("inkwell {}", unsafe { again.call(8) });
    println!("rewire {}", square(9));

    // Other machines' targets are linked when the client asks for them.
    Target::initialize_all(&InitializationConfig::default());
    let arm = Target::from_triple(&TargetTriple::create("aarch64-unknown-linux-gnu"))?;
    println!("{}", arm.get_name().to_string_lossy());
    Ok(())
}
