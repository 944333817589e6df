//! An engine that a sequence of changes is made to, beside a model of it.

use std::collections::{BTreeMap, VecDeque};

use rewire::{
    Change, Changed, Engine, Error, Level, Library, OptLevel, Options, TypeChange, UnitId,
};

use super::input::{Act, Copy, CopyKind, Looks, Module, Sequence, Step, Types};
use super::model::{Cells, MISSING, Model};
use super::module::{Definition, Definitions, Made, definitions, text};
use super::names::{self, DATA, pick};
use crate::changing::Plain;
use crate::support::Checked;

extern "C-unwind" fn instead() -> i32 {
    MISSING
}

/// An engine, and what it should hold.
pub(crate) struct Trial {
    checked: Checked,
    main: Library,
    other: Library,
    undo_depth: usize,
    model: Model,
    cells: Cells,
    past: VecDeque<Model>,
    /// What was got from lookups, however long ago.
    addresses: BTreeMap<&'static str, Plain>,
}

/// What has to come of a change.
enum Expected {
    Done,
    Refused,
    /// Either.
    Any,
}

/// Runs a whole sequence.
pub(crate) fn run(sequence: &Sequence) {
    let mut trial = Trial::new(sequence);
    for step in &sequence.steps {
        trial.step(step);
    }
    trial.look(Looks(u32::MAX));
    trial.checked.verify_all();
}

impl Trial {
    fn new(sequence: &Sequence) -> Self {
        let levels = [Level::O0, Level::O1, Level::O2, Level::O3];
        let undo_depth = if sequence.remembers { 6 } else { 0 };
        let checked = Checked::with_options(Options {
            level: OptLevel::Fixed(levels[usize::from(sequence.level) % 4]),
            undo_depth,
            threads: usize::from(sequence.threads) % 3,
            ..Options::default()
        });
        let engine = &checked.engine;
        engine.on_failure(|_| Some((instead as *const ()).into()));
        let (main, other) = (engine.main(), engine.new_library("other").unwrap());
        main.search(&[&other]).unwrap();
        let mut trial = Self {
            main,
            other,
            undo_depth,
            model: Model::default(),
            cells: vec![0],
            past: VecDeque::new(),
            addresses: BTreeMap::new(),
            checked,
        };
        trial.begin();
        trial
    }

    /// What no change brings: frozen functions, of which one calls what can be replaced, and
    /// functions that are made when they are called.
    fn begin(&mut self) {
        let function = |add, calls: &[&str]| {
            Definition::Function(Made {
                add,
                calls: calls.iter().map(|name| (*name).to_owned()).collect(),
                reads: None,
                is_inlined: false,
                takes: false,
            })
        };
        let frozen = Definitions::from([
            ("z0".to_owned(), function(5, &["g0", "l0"])),
            ("z1".to_owned(), function(7, &["z0", "z0", "w0"])),
        ]);
        let ir = text(&frozen);
        let unit = self.main.add_ir_frozen("frozen", ir.as_bytes()).unwrap();
        for (name, definition) in frozen {
            self.model.begin(&name, definition, Some(unit));
        }
        for (name, value) in [("l0", 11), ("l1", 13)] {
            let made = function(value, &["g1"]);
            let ir = text(&Definitions::from([(name.to_owned(), made.clone())]));
            let make = move || Ok(ir.clone().into_bytes());
            self.main.define_lazily(name, make).unwrap();
            self.model.begin(name, made, None);
        }
    }

    fn engine(&self) -> &Engine {
        &self.checked.engine
    }

    fn library(&self, is_other: bool) -> &Library {
        if is_other { &self.other } else { &self.main }
    }

    fn step(&mut self, step: &Step) {
        match &step.act {
            Act::Look => {}
            Act::Define {
                what,
                apart,
                resets,
                types,
            } => self.define(what, *apart, *resets, *types),
            Act::Add { what } => self.add(what),
            Act::AddCopies { copies } => self.add_copies(copies),
            Act::Replace { function, body } => {
                let name = pick(names::of_main(), *function);
                let made = Made::new(name, body, |name| self.model.find(name).is_some());
                self.replace(name, Definition::Function(made));
            }
            Act::Remove { name, force } => self.remove(*name, *force),
            Act::RemoveUnit { of, force } => self.remove_unit(*of, *force),
            Act::Swap { function, body } => {
                let name = pick(names::of_main(), *function);
                let made = Made::new(name, body, |name| self.model.find(name).is_some());
                self.swap(name, Definition::Function(made));
            }
            Act::Undo => self.undo(),
            Act::Reload { of, what, force } => self.reload(*of, what, *force),
            Act::Unload { function } => self.unload(pick(&names::FUNCTIONS, *function)),
            Act::Refresh { function, add } => {
                self.refresh(pick(names::of_main(), *function), (*add).into());
            }
            Act::Reclaim => drop(self.engine().reclaim()),
            Act::Store { variable, value } => self.store(pick(&DATA[4..], *variable), *value),
            // What is missing and called is an error of its call.
            Act::CompileAll => self.engine().compile_all().unwrap(),
        }
        self.look(step.looks);
    }

    fn change(&self, is_other: bool) -> Change {
        let mut change = self.library(is_other).change();
        change.on_type_change(TypeChange::Recompile);
        change
    }

    /// What a module defines, and whether that is for the other library.
    fn module(&self, what: &Module) -> (Definitions, bool) {
        let all = definitions(what, |name| self.model.find(name).is_some());
        let is_other = matches!(what, Module::OfOtherLibrary(_));
        (all, is_other)
    }

    /// Notes that the model is another one now, which can be undone.
    fn follow(&mut self, next: Model) {
        self.past
            .push_back(std::mem::replace(&mut self.model, next));
        while self.past.len() > self.undo_depth {
            self.past.pop_front();
        }
        // A variable that nobody has looked at yet begins with its latest initial value.
        for name in &DATA[4..] {
            if self.model.cell_of(name).is_some() {
                self.main.lookup(name).unwrap();
            }
        }
    }

    /// What a change came to, if that is as it has to be; `None` if it was refused.
    fn settle(expected: &Expected, result: Result<Changed, Error>) -> Option<Changed> {
        match (expected, result) {
            (Expected::Refused, Ok(changed)) => panic!("it should have been refused: {changed:?}"),
            (Expected::Done, Err(error)) => panic!("it was refused: {error}"),
            (_, result) => result.ok(),
        }
    }

    fn define(&mut self, what: &Module, apart: bool, resets: bool, types: Types) {
        let (all, is_other) = self.module(what);
        if all.is_empty() {
            return;
        }
        let expected = self.expects(&all, types);
        let has_alias = all
            .values()
            .any(|one| matches!(one, Definition::Alias(_) | Definition::Pointer(_)));
        let modules: Vec<Definitions> = match apart && !has_alias {
            true => all.into_iter().map(|one| [one].into()).collect(),
            false => vec![all],
        };
        let mut change = self.change(is_other);
        change.on_type_change(match types {
            Types::Recompile => TypeChange::Recompile,
            Types::GoAhead => TypeChange::GoAhead,
            Types::Refuse => TypeChange::Refuse,
        });
        if resets {
            change.reset_variables();
        }
        for definitions in &modules {
            change.define("new", text(definitions).as_bytes());
        }
        if let Some(changed) = Self::settle(&expected, change.commit()) {
            let mut next = self.model.clone();
            for (definitions, unit) in modules.into_iter().zip(changed.units) {
                next.define(definitions, unit, resets, &mut self.cells);
            }
            self.follow(next);
        }
    }

    /// What has to come of it if these take the places of those of their names.
    fn expects(&self, all: &Definitions, types: Types) -> Expected {
        if self.model.has_frozen(all.keys()) {
            return Expected::Refused;
        }
        let is_all = |test: &dyn Fn(&String, &Definition) -> bool| {
            all.iter().all(|(name, definition)| test(name, definition))
        };
        // The type of what is made when it is called isn't known before.
        let is_lazy = all.keys().any(|name| name.starts_with('l'));
        let was_frozen = all.keys().any(|name| names::is_frozen(name));
        match types {
            _ if was_frozen || self.model.binds(all) => Expected::Any,
            Types::Refuse if is_lazy => Expected::Any,
            Types::Refuse if is_all(&|name, it| self.model.is_like(name, it)) => Expected::Done,
            Types::Refuse if !is_all(&|name, it| !self.model.retypes(name, it)) => {
                Expected::Refused
            }
            Types::Refuse => Expected::Any,
            Types::Recompile | Types::GoAhead => Expected::Done,
        }
    }

    fn add(&mut self, what: &Module) {
        let (all, is_other) = self.module(what);
        if all.is_empty() {
            return;
        }
        let mut change = self.change(is_other);
        change.add("added", text(&all).as_bytes());
        let known = |name: &&String| self.model.find(name).is_some();
        let expected = if !all.keys().any(|name| known(&name)) {
            match all.keys().any(|name| names::is_frozen(name)) {
                true => Expected::Any,
                false => Expected::Done,
            }
        } else if all.keys().filter(known).all(|name| name.starts_with('l')) {
            // What is made when it is called gives way.
            Expected::Any
        } else {
            Expected::Refused
        };
        if let Some(changed) = Self::settle(&expected, change.commit()) {
            let mut next = self.model.clone();
            next.define(all, changed.units[0], false, &mut self.cells);
            self.follow(next);
        }
    }

    fn add_copies(&mut self, copies: &[Copy]) {
        let mut all = Definitions::new();
        for copy in copies {
            let name = pick(names::copied(), copy.name).to_owned();
            let (value, kind) = (copy.value.into(), copy.kind);
            all.insert(name, Definition::Copy { value, kind });
        }
        if all.is_empty() {
            return;
        }
        let is_strong = |one: &Definition| {
            matches!(
                one,
                Definition::Copy {
                    kind: CopyKind::Strong,
                    ..
                }
            )
        };
        let clashes = all
            .iter()
            .any(|(name, one)| is_strong(one) && self.model.has_strong(name));
        let mut change = self.change(false);
        change.add("copies", text(&all).as_bytes());
        let expected = if clashes {
            Expected::Refused
        } else {
            Expected::Done
        };
        if let Some(changed) = Self::settle(&expected, change.commit()) {
            let mut next = self.model.clone();
            for (name, copy) in all {
                next.add_copy(&name, copy, changed.units[0]);
            }
            self.follow(next);
        }
    }

    fn replace(&mut self, name: &str, definition: Definition) {
        let all = Definitions::from([(name.to_owned(), definition)]);
        let expected = match self.model.find(name) {
            None => Expected::Refused,
            Some(_) if self.model.is_frozen(name) => Expected::Refused,
            Some(_) => self.expects(&all, Types::Refuse),
        };
        let mut change = self.main.change();
        change.replace(name, text(&all).as_bytes());
        if let Some(changed) = Self::settle(&expected, change.commit()) {
            let mut next = self.model.clone();
            next.define(all, changed.units[0], false, &mut self.cells);
            self.follow(next);
        }
    }

    /// The name of something that is there.
    fn any(&self, number: u8) -> Option<String> {
        let count = self.model.names().count();
        self.model
            .names()
            .nth(usize::from(number).checked_rem(count)?)
            .cloned()
    }

    fn remove(&mut self, number: u8, force: bool) {
        let Some(name) = self.any(number) else {
            return;
        };
        let mut next = self.model.clone();
        next.remove(&name);
        let mut change = self.change(names::is_other(&name));
        change.remove(&name);
        self.remove_names(vec![name], next, force, change);
    }

    fn remove_unit(&mut self, number: u8, force: bool) {
        let name = self.any(number);
        let unit = name.as_ref().and_then(|name| self.model.unit_of(name));
        let (Some(name), Some(unit)) = (name, unit) else {
            return;
        };
        let mut next = self.model.clone();
        let names = next.remove_unit(unit);
        let mut change = self.change(names::is_other(&name));
        change.remove_unit(unit);
        self.remove_names(names, next, force, change);
    }

    /// Removes names, of which somebody else may use one.
    fn remove_names(&mut self, names: Vec<String>, next: Model, force: bool, mut change: Change) {
        // What was read of data stays, so that only functions go by force.
        let force = force && names.iter().all(|name| names::is_function(name));
        if force {
            change.force();
        }
        let expected = if !next.misses(&names) {
            Expected::Done
        } else if names.iter().any(|name| names::is_frozen(name)) {
            // Who calls frozen code directly keeps it.
            Expected::Any
        } else if force {
            Expected::Done
        } else {
            Expected::Refused
        };
        let result = change.commit();
        if let Err(error) = &result {
            let names_users = matches!(error, Error::InUse { users, .. } if !users.is_empty());
            // What has the name of a function that was frozen may be bound for ever.
            let was_frozen = names.iter().any(|name| names::is_frozen(name));
            assert!(names_users || was_frozen, "{error}");
        }
        if Self::settle(&expected, result).is_some() {
            self.follow(next);
        }
    }

    fn swap(&mut self, name: &str, definition: Definition) {
        if self.model.find(name).is_none() {
            return;
        }
        let all = Definitions::from([(name.to_owned(), definition)]);
        let mut change = self.change(false);
        change.remove(name).add("swap", text(&all).as_bytes());
        let expected = match names::is_frozen(name) || self.model.binds(&all) {
            true => Expected::Any,
            false => Expected::Done,
        };
        if let Some(changed) = Self::settle(&expected, change.commit()) {
            let mut next = self.model.clone();
            next.define(all, changed.units[0], false, &mut self.cells);
            self.follow(next);
        }
    }

    fn reload(&mut self, number: u8, what: &Module, force: bool) {
        let name = self.any(number);
        let unit: Option<UnitId> = name.as_ref().and_then(|name| self.model.unit_of(name));
        let (Some(name), Some(unit)) = (name, unit) else {
            return;
        };
        let (all, is_other) = self.module(what);
        let mut next = self.model.clone();
        let mut names = next.remove_unit(unit);
        let has_copies = names
            .iter()
            .any(|name| names::copied().contains(&name.as_str()));
        let is_frozen = names.iter().any(|name| names::is_frozen(name));
        if is_other != names::is_other(&name) || has_copies || is_frozen || all.is_empty() {
            return;
        }
        let expected = self.expects(&all, Types::Recompile);
        names.retain(|name| !all.contains_key(name));
        // A variable that is there in both versions keeps its memory.
        next = self.model.clone();
        names.iter().for_each(|name| next.remove(name));
        let mut cells = self.cells.clone();
        next.define(all.clone(), unit, false, &mut cells);
        let force = force && names.iter().all(|name| names::is_function(name));
        let expected = match expected {
            Expected::Done if next.misses(&names) && !force => Expected::Refused,
            expected => expected,
        };
        let mut change = self.change(is_other);
        change.reload(unit, "reloaded", text(&all).as_bytes());
        if force {
            change.force();
        }
        if let Some(changed) = Self::settle(&expected, change.commit()) {
            let mut next = self.model.clone();
            names.iter().for_each(|name| next.remove(name));
            next.define(all, changed.units[0], false, &mut self.cells);
            self.follow(next);
        }
    }

    fn undo(&mut self) {
        match (self.engine().undo(), self.past.pop_back()) {
            (Ok(_), Some(before)) => self.model = before,
            (Err(Error::NothingToUndo), None) => {}
            (result, before) => panic!("{result:?}, {}", before.is_some()),
        }
    }

    fn unload(&mut self, name: &str) {
        let is_made = matches!(self.model.find(name), Some(Definition::Function(_)));
        if is_made && !self.model.is_frozen(name) && !name.starts_with('l') {
            self.library(names::is_other(name)).unload(name).unwrap();
        }
    }

    /// A refresh is a change of its own when the function is called, which is at once here.
    fn refresh(&mut self, name: &'static str, add: i32) {
        let made = match self.model.find(name) {
            Some(Definition::Function(made)) => Made {
                add,
                ..made.clone()
            },
            _ => return,
        };
        let is_plain = !made.is_inlined && !self.model.is_frozen(name) && !name.starts_with('l');
        if !is_plain || self.undo_depth > 0 {
            return;
        }
        let definition = Definition::Function(made);
        let ir = text(&Definitions::from([(name.to_owned(), definition.clone())]));
        let make = move || Ok(ir.clone().into_bytes());
        self.main.refresh(name, make).unwrap();
        self.model.begin(name, definition, None);
        self.look_at(name);
    }

    fn store(&mut self, name: &str, value: u8) {
        if let Some(cell) = self.model.cell_of(name) {
            self.cells[cell] = value.into();
            // SAFETY: it is a variable of 4 bytes at least, which nobody else uses now.
            unsafe { self.main.data::<i32>(name).unwrap().write(value.into()) };
        }
    }

    /// Calls and looks up.
    fn look(&mut self, looks: Looks) {
        for (number, name) in names::all().enumerate() {
            if looks.0 >> number & 1 == 1 {
                self.look_at(name);
            }
        }
    }

    fn look_at(&mut self, name: &'static str) {
        let expected = self.model.value(name, &self.cells);
        let found = self.main.lookup(name);
        match self.model.find(name) {
            None => assert!(found.is_err(), "{name} was found"),
            // An alias is nothing without what it stands for.
            Some(Definition::Alias(of)) if self.model.find(of).is_none() && found.is_err() => {}
            Some(Definition::Pointer(_)) => assert!(found.is_ok(), "{name}: {found:?}"),
            Some(_) => {
                let found = found.unwrap_or_else(|error| panic!("{name}: {error}"));
                if !names::is_function(name) {
                    // SAFETY: it is a variable of 4 bytes at least.
                    let value = unsafe { (found.get() as *const i32).read() };
                    assert_eq!(value, expected, "{name}");
                    return;
                }
                // SAFETY: it is a function that takes nothing of use, and the engine is there.
                let now: Plain = unsafe { std::mem::transmute(found.get()) };
                assert_eq!(now(), expected, "{name}");
                if matches!(self.model.find(name), Some(Definition::Function(_))) {
                    self.addresses.insert(name, now);
                }
            }
        }
        if let Some(long_ago) = self.addresses.get(name) {
            assert_eq!(long_ago(), expected, "{name}, as it was got long ago");
        }
    }
}
