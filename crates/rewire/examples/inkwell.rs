//! Builds a module with inkwell, gives it a function of the host's and one that a resolver makes,
//! and calls it.
//!
//! cargo run -p rewire --features inkwell --example inkwell

use inkwell::context::Context;
use rewire::{Answer, Engine, Options, Request};

extern "C" fn print(x: i32) {
    println!("{x}");
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let context = Context::create();
    let module = context.create_module("demo");
    let (i32, builder) = (context.i32_type(), context.create_builder());
    let print_type = context.void_type().fn_type(&[i32.into()], false);
    let callee = module.add_function("print", print_type, None);
    let double = module.add_function("double", i32.fn_type(&[i32.into()], false), None);
    let show = module.add_function("show", print_type, None);
    builder.position_at_end(context.append_basic_block(show, "entry"));
    let x = show.get_first_param().ok_or("it has one")?;
    let twice = builder.build_call(double, &[x.into()], "twice")?;
    builder.build_call(
        callee,
        &[twice.try_as_basic_value().unwrap_basic().into()],
        "",
    )?;
    builder.build_return(None)?;

    let engine = Engine::new(Options::default())?;
    let main = engine.main();
    main.add_module(&module)?;
    main.define("print", (print as *const ()).into())?;
    main.resolve_with(|request: &Request<'_>| {
        let bytes = b"define i32 @double(i32 %x) {\n %y = shl i32 %x, 1\n ret i32 %y\n}".to_vec();
        (request.name == "double").then(|| Answer::Ir {
            name: "double".into(),
            bytes,
        })
    });
    // SAFETY: it has this type.
    let show = unsafe { main.function::<extern "C" fn(i32)>("show")? };
    show(21);
    Ok(())
}
