//! Random changes, compared with a model of what each name stands for.
//!
//! Functions call one another and read constants, some through constant pointers; some are always
//! inlined, some are aliases. Whatever is defined, removed, undone, unloaded or given back: each
//! call gives what the model says, through the address of today and through one that was got long
//! ago. `REWIRE_MODEL_SEEDS` sets how many sequences are tried.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write;

use rewire::{Change, Engine, Error, Level, Library, OptLevel, Options, TypeChange, UnitId};

use crate::changing::{Plain, function};

/// What a function gives that isn't there.
const MISSING: i32 = -1000;
const STEPS: usize = 40;
const FUNCTIONS: usize = 6;
const CONSTANTS: usize = 3;

extern "C-unwind" fn instead() -> i32 {
    MISSING
}

/// What a name stands for.
#[derive(Clone, Debug)]
enum Definition {
    Constant(i32),
    Pointer(String),
    Alias(String),
    Function {
        add: i32,
        calls: Vec<String>,
        reads: Vec<String>,
        is_inlined: bool,
    },
}

use Definition::{Alias, Constant, Pointer};

impl Definition {
    fn names(&self) -> Vec<&String> {
        match self {
            Constant(_) => Vec::new(),
            Pointer(to) | Alias(to) => vec![to],
            Self::Function { calls, reads, .. } => calls.iter().chain(reads).collect(),
        }
    }

    /// What may stand beside other definitions that name it, without a declaration.
    fn write(&self, name: &str, text: &mut String) {
        let _ = match self {
            Constant(value) => writeln!(text, "@{name} = constant i32 {value}"),
            Pointer(to) => writeln!(text, "@{name} = constant ptr @{to}"),
            Alias(of) => writeln!(text, "@{name} = alias i32 (), ptr @{of}"),
            Self::Function {
                add,
                calls,
                reads,
                is_inlined,
            } => {
                let attribute = if *is_inlined { "alwaysinline" } else { "" };
                let calls = calls.iter().map(|name| format!("call i32 @{name}()"));
                let reads = reads
                    .iter()
                    .map(|name| format!("load i32, ptr {}", place(name)));
                let mut body = format!("%s0 = add i32 {add}, 0\n");
                for (number, value) in calls.chain(reads).enumerate() {
                    let next = number + 1;
                    if value.ends_with("%through") {
                        let _ = writeln!(body, "%p{number} = load ptr, ptr @p");
                    }
                    let value = value.replace("%through", &format!("%p{number}"));
                    let _ = writeln!(body, "%v{number} = {value}");
                    let _ = writeln!(body, "%s{next} = add i32 %s{number}, %v{number}");
                }
                let last = calls_and_reads(self);
                writeln!(
                    text,
                    "define i32 @{name}() {attribute} {{\n{body}ret i32 %s{last}\n}}"
                )
            }
        };
    }
}

fn calls_and_reads(definition: &Definition) -> usize {
    definition.names().len()
}

/// Where a function reads a constant: the pointer `p` is read first.
fn place(name: &str) -> String {
    match name {
        "p" => "%through".to_owned(),
        _ => format!("@{name}"),
    }
}

type Definitions = BTreeMap<String, Definition>;

/// A module, which declares what it names and doesn't define.
fn module(definitions: &Definitions) -> String {
    let named = definitions.values().flat_map(Definition::names);
    let missing: BTreeSet<&String> = named.filter(|it| !definitions.contains_key(*it)).collect();
    let mut text = String::new();
    for name in missing {
        let _ = match name.as_bytes()[0] {
            b'f' => writeln!(text, "declare i32 @{name}()"),
            b'p' => writeln!(text, "@{name} = external constant ptr"),
            _ => writeln!(text, "@{name} = external constant i32"),
        };
    }
    for (name, definition) in definitions {
        definition.write(name, &mut text);
    }
    text
}

#[derive(Clone, Debug, Default)]
struct Model(BTreeMap<String, (Definition, UnitId)>);

impl Model {
    fn find(&self, name: &str) -> Option<&Definition> {
        self.0.get(name).map(|one| &one.0)
    }

    fn value(&self, name: &str) -> i32 {
        match self.find(name) {
            None => MISSING,
            Some(Constant(value)) => *value,
            Some(Pointer(to) | Alias(to)) => self.value(to),
            Some(it @ Definition::Function { add, .. }) => {
                let values = it.names().into_iter().map(|name| self.value(name));
                values.fold(*add, i32::wrapping_add)
            }
        }
    }

    /// Whether a definition besides these names one of them.
    fn is_used(&self, names: &[String]) -> bool {
        let mut others = self.0.iter().filter(|(other, _)| !names.contains(other));
        others.any(|(_, (it, _))| it.names().into_iter().any(|named| names.contains(named)))
    }

    fn of_unit(&self, unit: UnitId) -> Vec<String> {
        let own = self.0.iter().filter(|(_, one)| one.1 == unit);
        own.map(|(name, _)| name.clone()).collect()
    }

    fn is_function(&self, name: &str) -> bool {
        matches!(self.find(name), Some(Definition::Function { .. }))
    }
}

/// Xorshift (Marsaglia, 2003).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % end
    }

    pub(crate) fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }

    fn any(&mut self, model: &Model) -> Option<String> {
        let count = model.0.len();
        (count > 0).then(|| model.0.keys().nth(self.below(count)).cloned())?
    }
}

/// An engine, what it should hold, and how it came to that.
struct Trial {
    random: Random,
    engine: Engine,
    main: Library,
    undo_depth: usize,
    model: Model,
    past: VecDeque<Model>,
    addresses: BTreeMap<String, Plain>,
    log: Vec<String>,
}

impl Trial {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let level = [Level::O0, Level::O2][random.below(2)];
        let undo_depth = [0, 6][random.below(2)];
        let engine = Engine::new(Options {
            level: OptLevel::Fixed(level),
            undo_depth,
            threads: random.below(2),
            ..Options::default()
        });
        let engine = engine.unwrap();
        engine.on_failure(|_| Some((instead as *const ()).into()));
        Self {
            random,
            main: engine.main(),
            engine,
            undo_depth,
            model: Model::default(),
            past: VecDeque::new(),
            addresses: BTreeMap::new(),
            log: vec![format!("seed {seed}, {level:?}, undo depth {undo_depth}")],
        }
    }

    fn change(&self) -> Change {
        let mut change = self.main.change();
        change.on_type_change(TypeChange::Recompile);
        change
    }

    fn story(&self) -> String {
        format!("{}\n{:?}", self.log.join("\n"), self.model)
    }

    /// Notes that the model is another one now, which can be undone.
    fn step(&mut self, next: Model) {
        self.past
            .push_back(std::mem::replace(&mut self.model, next));
        while self.past.len() > self.undo_depth {
            self.past.pop_front();
        }
    }

    /// Some functions, or some constants.
    fn definitions(&mut self) -> Definitions {
        let random = &mut self.random;
        let mut all = Definitions::new();
        if random.one_in(4) {
            let name = format!("c{}", random.below(CONSTANTS));
            all.insert(name.clone(), Constant(random.below(50) as i32));
            if random.one_in(2) {
                all.insert("p".to_owned(), Pointer(name));
            }
            return all;
        }
        for _ in 0..=random.below(3) {
            let number = random.below(FUNCTIONS);
            let name = format!("f{number}");
            // Only those before it, so that calls end.
            let earlier =
                |random: &mut Random| (number > 0).then(|| format!("f{}", random.below(number)));
            if random.one_in(6) {
                let target = earlier(random);
                let is_body =
                    |it: &String| matches!(all.get(it), Some(Definition::Function { .. }));
                if let Some(target) = target.filter(is_body) {
                    all.insert(name, Alias(target));
                }
                continue;
            }
            let calls = (0..random.below(3))
                .filter_map(|_| earlier(random))
                .collect();
            let constant = match random.below(CONSTANTS + 1) {
                CONSTANTS => "p".to_owned(),
                number => format!("c{number}"),
            };
            let is_there = self.model.find(&constant).is_some() && random.one_in(2);
            let function = Definition::Function {
                add: random.below(100) as i32,
                calls,
                reads: is_there.then_some(constant).into_iter().collect(),
                is_inlined: random.one_in(4),
            };
            // An alias needs its body beside it.
            if !matches!(all.get(&name), Some(Alias(_))) {
                all.insert(name, function);
            }
        }
        all
    }

    fn define(&mut self) {
        let all = self.definitions();
        if all.is_empty() {
            return;
        }
        let has_alias = all.values().any(|one| matches!(one, Alias(_) | Pointer(_)));
        let modules: Vec<Definitions> = match self.random.one_in(2) && !has_alias {
            true => all
                .into_iter()
                .map(|one| Definitions::from([one]))
                .collect(),
            false => vec![all],
        };
        self.log.push(format!("define {modules:?}"));
        let mut change = self.change();
        for definitions in &modules {
            change.define("new", module(definitions).as_bytes());
        }
        let changed = change.commit();
        let changed = changed.unwrap_or_else(|error| panic!("{error}\n{}", self.story()));
        let mut next = self.model.clone();
        for (definitions, unit) in modules.into_iter().zip(changed.units) {
            let defined = definitions
                .into_iter()
                .map(|(name, one)| (name, (one, unit)));
            next.0.extend(defined);
        }
        self.step(next);
    }

    /// Removes names, of which somebody else may use one.
    fn remove(&mut self, names: &[String], mut change: Change) {
        let used = self.model.is_used(names);
        // What was read of a constant stays, so that only functions go by force.
        let is_forced = names.iter().all(|name| name.starts_with('f')) && self.random.one_in(2);
        if is_forced {
            change.force();
        }
        self.log
            .push(format!("remove {names:?}, forced: {is_forced}"));
        match change.commit() {
            Ok(_) if is_forced || !used => {
                let mut next = self.model.clone();
                next.0.retain(|name, _| !names.contains(name));
                self.step(next);
            }
            // Who has an inlined user's body is a user as well.
            Err(Error::InUse { users, .. }) if used && !users.is_empty() => {}
            other => panic!("{other:?}\n{}", self.story()),
        }
    }

    /// Removes a function and defines it, in one change.
    fn swap(&mut self) {
        let name = format!("f{}", self.random.below(FUNCTIONS));
        if self.model.find(&name).is_none() {
            return;
        }
        let function = Definition::Function {
            add: self.random.below(100) as i32,
            calls: Vec::new(),
            reads: Vec::new(),
            is_inlined: false,
        };
        self.log.push(format!("swap {name} for {function:?}"));
        let definitions = Definitions::from([(name.clone(), function.clone())]);
        let mut change = self.change();
        change
            .remove(&name)
            .add("swap", module(&definitions).as_bytes());
        let changed = change.commit();
        let changed = changed.unwrap_or_else(|error| panic!("{error}\n{}", self.story()));
        let mut next = self.model.clone();
        next.0.insert(name, (function, changed.units[0]));
        self.step(next);
    }

    fn undo(&mut self) {
        self.log.push("undo".to_owned());
        match (self.engine.undo(), self.past.pop_back()) {
            (Ok(_), Some(before)) => self.model = before,
            (Err(Error::NothingToUndo), None) => {}
            (other, _) => panic!("{other:?}\n{}", self.story()),
        }
    }

    fn act(&mut self) {
        match self.random.below(10) {
            0..=4 => self.define(),
            5 | 6 => {
                let Some(name) = self.random.any(&self.model) else {
                    return;
                };
                let mut change = self.change();
                if self.random.one_in(2) {
                    change.remove(&name);
                    self.remove(&[name], change);
                } else {
                    let unit = self.model.0[&name].1;
                    change.remove_unit(unit);
                    self.remove(&self.model.of_unit(unit), change);
                }
            }
            7 => self.undo(),
            8 => self.swap(),
            _ => {
                let name = format!("f{}", self.random.below(FUNCTIONS));
                self.log.push(format!("reclaim, unload {name}"));
                self.engine.reclaim();
                if self.model.is_function(&name) {
                    self.main.unload(&name).unwrap();
                }
            }
        }
    }

    fn check(&mut self) {
        for number in 0..FUNCTIONS {
            let name = format!("f{number}");
            if self.random.one_in(2) {
                continue;
            }
            let expected = self.model.value(&name);
            if self.model.is_function(&name) {
                let now: Plain = function(&self.engine, &name);
                assert_eq!(now(), expected, "{name}\n{}", self.story());
                self.addresses.insert(name, now);
            } else if self.model.find(&name).is_none() {
                assert!(
                    self.engine.lookup(&name).is_err(),
                    "{name}\n{}",
                    self.story()
                );
                if let Some(long_ago) = self.addresses.get(&name) {
                    assert_eq!(long_ago(), expected, "{name}\n{}", self.story());
                }
            } else if self.engine.lookup(&name).is_ok() {
                let now: Plain = function(&self.engine, &name);
                assert_eq!(now(), expected, "{name}\n{}", self.story());
            }
        }
    }
}

#[test]
fn random_changes_are_what_a_model_says() {
    let seeds = std::env::var("REWIRE_MODEL_SEEDS");
    let seeds = seeds.map_or(60, |seeds| seeds.parse().unwrap());
    for seed in 1..=seeds {
        let mut trial = Trial::new(seed);
        for _ in 0..STEPS {
            trial.act();
            trial.check();
        }
    }
}
