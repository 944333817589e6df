//! Functions of IR between the REPL and what only compiled code can name: functions that the
//! process has and the ledger only declares, and those of a variable number of arguments.

use std::collections::HashMap;

use rewire::{Engine, Error, ExecAddr, Library, Value};

use super::aggregates::Signature;
use super::catching::CATCHER;
use super::context::Context;
use super::lexer::quote;
use super::stop::PREFIX;
use super::trouble::Trouble;

/// The bridges that were made, in a library of their own, which searches the main one.
#[derive(Debug, Default)]
pub(crate) struct Bridges {
    library: Option<Library>,
    /// Names by what the function does.
    made: HashMap<String, String>,
    catcher: Option<ExecAddr>,
}

impl Bridges {
    /// Calls a function of type `type_name`, which returns a `result`.
    ///
    /// # Safety
    ///
    /// As [`Library::call`].
    pub(crate) unsafe fn call(
        &mut self,
        engine: &Engine,
        context: &Context,
        callee: Callee<'_>,
        arguments: &[Value],
    ) -> Result<Option<Value>, Trouble> {
        let Callee {
            name,
            address,
            type_name,
            result,
        } = callee;
        let numbered = arguments.iter().enumerate();
        let typed = numbered.map(|(number, one)| format!("{} %a{number}", one.type_name()));
        let typed = typed.collect::<Vec<_>>().join(", ");
        // What names a function uses it, and is in the way of who wants to remove it.
        let (target, comma) = match address {
            Some(_) if typed.is_empty() => ("%f".to_owned(), ""),
            Some(_) => ("%f".to_owned(), ", "),
            None => (format!("@{}", quote(name)), ""),
        };
        let taken = address.map_or("", |_| "ptr %f");
        let (keep, give) = match result {
            "void" => ("", "ret void".to_owned()),
            _ => ("%r = ", format!("ret {result} %r")),
        };
        let body = format!(
            "({taken}{comma}{typed}) {{\n  {keep}call {type_name} {target}({typed})\n  {give}\n}}"
        );
        let address = address.map(Value::Pointer);
        let arguments: Vec<Value> = address
            .into_iter()
            .chain(arguments.iter().copied())
            .collect();
        let (library, bridge) = self.make(engine, context, "", result, &body)?;
        // SAFETY: as the caller promises.
        unsafe { library.call(&bridge, &arguments) }.map_err(Trouble::of_call)
    }

    /// The address of what compiled code finds under a name.
    ///
    /// # Errors
    ///
    /// As of calling a function that takes it.
    pub(crate) fn address(
        &mut self,
        engine: &Engine,
        context: &Context,
        name: &str,
    ) -> Result<ExecAddr, Trouble> {
        let body = format!("() {{\n  ret ptr @{}\n}}", quote(name));
        let (library, bridge) = self.make(engine, context, "", "ptr", &body)?;
        // SAFETY: it returns an address and does nothing else.
        match unsafe { library.call(&bridge, &[]) }.map_err(Trouble::of_call)? {
            Some(Value::Pointer(address)) => Ok(address),
            _ => Err(Trouble::said(format!("{name} has no address"))),
        }
    }

    /// The function that catches C++ exceptions; `None` if there is no C++ library to throw any.
    ///
    /// # Errors
    ///
    /// It can't be made of this C++ library.
    pub(crate) fn catcher(&mut self, engine: &Engine) -> Result<Option<ExecAddr>, Trouble> {
        // SAFETY: the name is a C string.
        let personality =
            unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"__gxx_personality_v0".as_ptr()) };
        if self.catcher.is_none() && !personality.is_null() {
            let library = self.library(engine)?;
            let name = format!("{PREFIX}catcher");
            let text = CATCHER.replace("NAME", &name);
            library.add_ir(&name, text.as_bytes())?;
            self.catcher = Some(library.lookup(&name)?);
        }
        Ok(self.catcher)
    }

    /// Calls a function with any types: its arguments are the numbers in `words`, and so is its
    /// result, of so many words. `types` defines the types that its attributes name.
    ///
    /// # Safety
    ///
    /// As [`Library::call`].
    pub(crate) unsafe fn call_with_words(
        &mut self,
        engine: &Engine,
        context: &Context,
        callee: (&str, Option<ExecAddr>),
        (types, signature): (&str, &Signature),
        words: &[u64],
        size: usize,
    ) -> Result<Vec<u64>, Trouble> {
        let (name, address) = callee;
        let body = match address {
            Some(_) => signature.bridge("ptr %f, ", "%f"),
            None => signature.bridge("", &format!("@{}", quote(name))),
        };
        let mut result = vec![0; size];
        let arguments = [
            words.as_ptr().cast::<u8>().into(),
            result.as_mut_ptr().cast_const().cast::<u8>().into(),
        ];
        let arguments = address.into_iter().chain(arguments);
        let arguments: Vec<Value> = arguments.map(Value::Pointer).collect();
        let (library, bridge) = self.make(engine, context, types, "void", &body)?;
        // SAFETY: as the caller promises; there are as many words as the types have.
        unsafe { library.call(&bridge, &arguments) }.map_err(Trouble::of_call)?;
        Ok(result)
    }

    /// The bridge that returns a `result` and goes on like this.
    fn make(
        &mut self,
        engine: &Engine,
        context: &Context,
        types: &str,
        result: &str,
        body: &str,
    ) -> Result<(Library, String), Trouble> {
        let library = self.library(engine)?;
        let key = format!("{types}{result} {body}");
        if let Some(known) = self.made.get(&key) {
            return Ok((library, known.clone()));
        }
        let name = format!("{PREFIX}{}", self.made.len() + 1);
        let text = format!("{types}define {result} @{name}{body}");
        let module = context.prepare(&engine.main(), &text).text;
        library.add_ir(&name, module.as_bytes())?;
        self.made.insert(key, name.clone());
        Ok((library, name))
    }

    fn library(&mut self, engine: &Engine) -> Result<Library, Error> {
        if let Some(library) = &self.library {
            return Ok(library.clone());
        }
        let library = engine.new_library("bridges of the REPL")?;
        library.search(&[&engine.main()])?;
        Ok(self.library.insert(library).clone())
    }
}

/// A function that is called, and its type as IR writes it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Callee<'c> {
    pub(crate) name: &'c str,
    /// Where it is, if the ledger knows that.
    pub(crate) address: Option<ExecAddr>,
    pub(crate) type_name: &'c str,
    /// What it returns.
    pub(crate) result: &'c str,
}
