//! Definitions, and modules of them as IR text.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::input::{self, Body, CopyKind, Datum, Function};
use super::names::{self, DATA, pick};

/// What a name stands for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Definition {
    Constant(i32),
    /// A constant pointer.
    Pointer(String),
    Variable {
        value: i32,
        is_wide: bool,
    },
    Alias(String),
    Function(Made),
    Copy {
        value: i32,
        kind: CopyKind,
    },
}

/// A function.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Made {
    pub(crate) add: i32,
    pub(crate) calls: Vec<String>,
    pub(crate) reads: Option<String>,
    pub(crate) is_inlined: bool,
    pub(crate) takes: bool,
}

pub(crate) type Definitions = BTreeMap<String, Definition>;

impl Made {
    /// A body of this function; it reads what `is_there`.
    pub(crate) fn new(name: &str, body: &Body, is_there: impl Fn(&str) -> bool) -> Self {
        let before = names::before(name);
        let calls = body.calls.iter().filter(|_| !before.is_empty());
        let reads = body.reads.map(|one| pick(&DATA, one));
        let reads = reads.filter(|name_of| is_there(name_of) && !names::is_other(name));
        Self {
            add: body.add.into(),
            calls: calls.map(|one| pick(before, *one).to_owned()).collect(),
            reads: reads.map(str::to_owned),
            is_inlined: body.inlined % 4 == 3,
            takes: body.takes % 8 == 7,
        }
    }
}

impl Definition {
    /// What it names.
    pub(crate) fn names(&self) -> Vec<&String> {
        match self {
            Self::Constant(_) | Self::Variable { .. } | Self::Copy { .. } => Vec::new(),
            Self::Pointer(to) | Self::Alias(to) => vec![to],
            Self::Function(made) => made.calls.iter().chain(&made.reads).collect(),
        }
    }

    fn write(&self, name: &str, text: &mut String) -> std::fmt::Result {
        match self {
            Self::Constant(value) => writeln!(text, "@{name} = constant i32 {value}"),
            Self::Pointer(to) => writeln!(text, "@{name} = constant ptr @{to}"),
            Self::Variable { value, is_wide } => {
                let of = if *is_wide { "i64" } else { "i32" };
                writeln!(text, "@{name} = global {of} {value}")
            }
            Self::Alias(of) => writeln!(text, "@{name} = alias i32 (), ptr @{of}"),
            Self::Copy { value, kind } => {
                let (before, linkage, behind) = match kind {
                    CopyKind::Weak => (String::new(), "weak", ""),
                    CopyKind::Group => {
                        (format!("${name} = comdat any\n"), "linkonce_odr", "comdat")
                    }
                    CopyKind::Strong => (String::new(), "", ""),
                };
                writeln!(
                    text,
                    "{before}define {linkage} i32 @{name}() {behind} {{\n ret i32 {value}\n}}"
                )
            }
            Self::Function(made) => made.write(name, text),
        }
    }
}

impl Made {
    fn write(&self, name: &str, text: &mut String) -> std::fmt::Result {
        let attribute = if self.is_inlined { "alwaysinline" } else { "" };
        let parameters = if self.takes { "i32 %unused" } else { "" };
        writeln!(text, "define i32 @{name}({parameters}) {attribute} {{")?;
        writeln!(text, " %s0 = add i32 {}, 0", self.add)?;
        let mut count = 0;
        let mut sum = |value: String, text: &mut String| {
            count += 1;
            let before = count - 1;
            writeln!(text, " %v{count} = {value}")?;
            writeln!(text, " %s{count} = add i32 %s{before}, %v{count}")
        };
        for callee in &self.calls {
            sum(format!("call i32 @{callee}()"), text)?;
        }
        match self.reads.as_deref() {
            None => {}
            Some("p") => {
                writeln!(text, " %p = load ptr, ptr @p")?;
                sum("load i32, ptr %p".to_owned(), text)?;
            }
            Some(read) => sum(format!("load i32, ptr @{read}"), text)?,
        }
        writeln!(text, " ret i32 %s{count}\n}}")
    }
}

/// The definitions of a module; `is_there` says which data can be read.
pub(crate) fn definitions(module: &input::Module, is_there: impl Fn(&str) -> bool) -> Definitions {
    let mut all = Definitions::new();
    match module {
        input::Module::Functions(functions) => {
            add_functions(&mut all, functions, names::of_main(), is_there);
        }
        input::Module::OfOtherLibrary(functions) => {
            add_functions(&mut all, functions, names::of_other_library(), is_there);
        }
        input::Module::Data(data) => data.iter().for_each(|datum| add_datum(&mut all, datum)),
    }
    all
}

fn add_functions(
    all: &mut Definitions,
    functions: &[Function],
    names: &[&str],
    is_there: impl Fn(&str) -> bool,
) {
    for function in functions {
        match function {
            Function::Is { name, body } => {
                let name = pick(names, *name);
                // An alias needs its body beside it.
                if !matches!(all.get(name), Some(Definition::Alias(_))) {
                    let made = Made::new(name, body, &is_there);
                    all.insert(name.to_owned(), Definition::Function(made));
                }
            }
            Function::Alias { name, of } => {
                let name = pick(names, *name);
                let bodies = names::before(name).iter().filter(|one| {
                    let made = all.get(**one);
                    matches!(made, Some(Definition::Function(made)) if !made.takes)
                });
                let bodies: Vec<&str> = bodies.copied().collect();
                let is_aliased = all
                    .values()
                    .any(|one| *one == Definition::Alias(name.to_owned()));
                if !bodies.is_empty() && !is_aliased {
                    let of = pick(&bodies, *of).to_owned();
                    all.insert(name.to_owned(), Definition::Alias(of));
                }
            }
        }
    }
}

fn add_datum(all: &mut Definitions, datum: &Datum) {
    match *datum {
        Datum::Constant { name, value } => {
            let name = pick(&DATA[..3], name).to_owned();
            all.insert(name, Definition::Constant(value.into()));
        }
        Datum::Pointed { name, value } => {
            let name = pick(&DATA[..3], name).to_owned();
            all.insert(name.clone(), Definition::Constant(value.into()));
            all.insert("p".to_owned(), Definition::Pointer(name));
        }
        Datum::Variable { name, value, wide } => {
            let variable = Definition::Variable {
                value: value.into(),
                is_wide: wide % 8 == 7,
            };
            all.insert(pick(&DATA[4..], name).to_owned(), variable);
        }
    }
}

/// A module's text, which declares what it names and doesn't define.
pub(crate) fn text(definitions: &Definitions) -> String {
    let named = definitions.values().flat_map(Definition::names);
    let missing: BTreeSet<&String> = named.filter(|it| !definitions.contains_key(*it)).collect();
    let mut text = String::new();
    let write = || {
        for name in missing {
            match name.as_bytes()[0] {
                b'p' => writeln!(text, "@{name} = external constant ptr")?,
                b'c' => writeln!(text, "@{name} = external constant i32")?,
                b'v' => writeln!(text, "@{name} = external global i32")?,
                _ => writeln!(text, "declare i32 @{name}()")?,
            }
        }
        for (name, definition) in definitions {
            definition.write(name, &mut text)?;
        }
        Ok::<(), std::fmt::Error>(())
    };
    write().expect("a text takes what is written to it");
    text
}
