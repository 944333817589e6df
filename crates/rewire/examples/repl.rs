//! A REPL: each line is LLVM IR, whose definitions are added or replace what has their names; or
//! `call NAME ARGS...`, or `undo`. A few lines of its own come first, then standard input's.
//!
//! cargo run -p rewire --example repl

use std::error::Error;

use rewire::{Engine, Options, Value};

const FIRST: &str = "define i32 @one() { ret i32 1 }
declare i32 @one() define i32 @plus_one(i32 %x) { %y = call i32 @one() %z = add i32 %x, %y ret i32 %z }
call plus_one 41
define i32 @one() { ret i32 10 }
call plus_one 41
undo
call plus_one 41";

fn take(engine: &Engine, line: &str) -> Result<String, Box<dyn Error>> {
    let words: Vec<&str> = line.split_whitespace().collect();
    if let ["call", name, arguments @ ..] = words.as_slice() {
        let numbers = arguments.iter().map(|it| it.parse().map(Value::I32));
        let numbers: Vec<Value> = numbers.collect::<Result<_, _>>()?;
        // SAFETY: what the function does is for whoever typed it to know.
        let result = unsafe { engine.main().call(name, &numbers)? };
        return Ok(result.map_or("void".into(), |value| value.to_string()));
    }
    let changed = if words == ["undo"] {
        engine.undo()?
    } else {
        let mut change = engine.main().change();
        change.define("input", line.as_bytes());
        change.commit()?
    };
    Ok(changed.to_string())
}

fn main() -> Result<(), Box<dyn Error>> {
    let engine = Engine::new(Options {
        undo_depth: 100,
        ..Options::default()
    })?;
    let typed = std::io::stdin().lines().map_while(Result::ok);
    for line in FIRST.lines().map(str::to_owned).chain(typed) {
        match take(&engine, &line) {
            Ok(said) => println!("{said}"),
            Err(error) => eprintln!("error: {error}"),
        }
    }
    Ok(())
}
