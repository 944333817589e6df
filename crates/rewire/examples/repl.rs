//! A REPL: each line is a definition of LLVM IR, which is added or replaces what has its name, or
//! `call NAME ARGS...`, or `undo`. A few lines of its own come first, then standard input's.
//!
//! cargo run -p rewire --example repl

use std::collections::HashMap;
use std::error::Error;

use rewire::{Engine, Library, Options, Value};

const FIRST: &str = "define i32 @one() { ret i32 1 }
declare i32 @one() define i32 @plus_one(i32 %x) { %y = call i32 @one() %z = add i32 %x, %y ret i32 %z }
call plus_one 41
define i32 @one() { ret i32 10 }
call plus_one 41
undo
call plus_one 41";

/// The definitions of each name, the last one in force, and the names in the order of changes.
type Bodies = (HashMap<String, Vec<String>>, Vec<String>);

fn take(library: &Library, bodies: &mut Bodies, line: &str) -> Result<String, Box<dyn Error>> {
    let words: Vec<&str> = line.split_whitespace().collect();
    if let ["call", name, arguments @ ..] = words.as_slice() {
        let numbers = arguments.iter().map(|it| it.parse().map(Value::I32));
        let numbers: Vec<Value> = numbers.collect::<Result<_, _>>()?;
        // SAFETY: what the function does is for whoever typed it to know.
        let result = unsafe { library.call(name, &numbers)? };
        return Ok(result.map_or("void".into(), |value| value.to_string()));
    }
    if words == ["undo"] {
        let name = bodies.1.pop().ok_or("nothing was replaced")?;
        let all = bodies.0.entry(name.clone()).or_default();
        all.pop();
        library.replace(&name, all.last().ok_or("no body")?.as_bytes())?;
        return Ok(format!("{name} is as before"));
    }
    let (_, head) = line.split_once("define ").ok_or("no definition")?;
    let name = head.split(['@', '(']).nth(1).ok_or("no name")?;
    if library.state(name).is_some_and(|it| it.unit.is_some()) {
        library.replace(name, line.as_bytes())?;
        bodies.1.push(name.to_owned());
    } else {
        library.add_ir(name, line.as_bytes())?;
    }
    let all = bodies.0.entry(name.to_owned()).or_default();
    all.push(line.to_owned());
    Ok(format!("defined {name}"))
}

fn main() -> Result<(), Box<dyn Error>> {
    let (library, mut bodies) = (Engine::new(Options::default())?.main(), Bodies::default());
    let typed = std::io::stdin().lines().map_while(Result::ok);
    for line in FIRST.lines().map(str::to_owned).chain(typed) {
        println!("{}", take(&library, &mut bodies, &line)?);
    }
    Ok(())
}
