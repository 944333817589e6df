//! Decisions on exceptions that are made from decoded tables, beside those of libstdc++'s
//! personality.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use rewire_tables::{Action, ExceptionTable, Protection, TypeInfo};

use crate::exception_tables::tables_of;
use crate::support::{Section, run, section};

const SOURCES: [(&str, &str); 2] = [
    ("throws.cpp", include_str!("data/throws.cpp")),
    ("recorder.cpp", include_str!("data/recorder.cpp")),
];

/// What the personality was asked and decided (Itanium C++ ABI: Exception Handling, section 1.6).
#[derive(Debug)]
struct Decision {
    actions: u32,
    reason: u32,
    /// Within the call.
    address: u64,
    table: u64,
    function: u64,
    landing_pad: u64,
    selector: i64,
    /// The type that was thrown, and those that it derives from.
    thrown: Vec<u64>,
}

const SEARCH_PHASE: u32 = 1;
const HANDLER_FOUND: u32 = 6;
const INSTALL_CONTEXT: u32 = 7;
const CONTINUE_UNWIND: u32 = 8;

impl Decision {
    fn parse(line: &str) -> Self {
        let numbers: Vec<i64> = line.split(' ').map(|one| one.parse().unwrap()).collect();
        let [
            actions,
            reason,
            address,
            table,
            function,
            landing_pad,
            selector,
        ] = *numbers.first_chunk().unwrap();
        Self {
            actions: actions as u32,
            reason: reason as u32,
            address: address as u64,
            table: table as u64,
            function: function as u64,
            landing_pad: landing_pad as u64,
            selector,
            thrown: numbers[7..].iter().map(|one| *one as u64).collect(),
        }
    }
}

/// Where the exception goes.
#[derive(Debug, PartialEq)]
enum Choice {
    Pass,
    CleanUp(u64),
    Handle(u64, i64),
    Terminate,
}

struct Program {
    exceptions: Section,
    data: Section,
}

impl Program {
    fn has(&self, table: u64) -> bool {
        let end = self.exceptions.address + self.exceptions.bytes.len() as u64;
        (self.exceptions.address..end).contains(&table)
    }

    /// What libstdc++'s personality is described to do, from the decoded table.
    fn choose(&self, decision: &Decision) -> Choice {
        let at = (decision.table - self.exceptions.address) as usize;
        let bytes = &self.exceptions.bytes[at..];
        let table = ExceptionTable::parse(bytes, decision.table, decision.function).unwrap();
        let (address, actions) = match table.protection(decision.address).unwrap() {
            Protection::Terminate => return Choice::Terminate,
            Protection::None => return Choice::Pass,
            Protection::LandingPad { address, actions } => (address, actions),
        };
        let is_thrown = |one: TypeInfo| self.is_thrown(decision, one);
        let mut cleans_up = false;
        for action in actions {
            match action.unwrap() {
                Action::Cleanup => cleans_up = true,
                Action::Catch {
                    selector,
                    type_info,
                } => {
                    if is_thrown(type_info) {
                        return Choice::Handle(address, selector as i64);
                    }
                }
                Action::Filter {
                    selector,
                    mut types,
                } => {
                    if !types.any(|one| is_thrown(one.unwrap())) {
                        return Choice::Handle(address, selector);
                    }
                }
            }
        }
        match cleans_up {
            true => Choice::CleanUp(address),
            false => Choice::Pass,
        }
    }

    fn is_thrown(&self, decision: &Decision, type_info: TypeInfo) -> bool {
        let address = match type_info {
            TypeInfo::Any => return true,
            TypeInfo::At(address) => address,
            TypeInfo::Through(address) => {
                let at = (address - self.data.address) as usize;
                u64::from_le_bytes(*self.data.bytes[at..].first_chunk().unwrap())
            }
        };
        decision.thrown.contains(&address)
    }
}

fn check(compiler: &str, flags: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    for (name, source) in SOURCES {
        std::fs::write(path(name), source).unwrap();
    }
    let program = path("program");
    run(Command::new(compiler)
        .args(["-std=c++14", "-w", "-no-pie", "-o"])
        .arg(&program)
        .args(flags)
        .args(SOURCES.map(|(name, _)| path(name)))
        .arg("-ldl"));
    let printed = run(&mut Command::new(&program));
    let what = format!("{compiler} {flags:?}");
    assert_eq!(printed.lines().last(), Some("end"), "{what}");
    let lines = printed.lines().filter(|line| *line != "end");
    let mut kinds = BTreeSet::new();
    let tables = read_all(&program);
    // Frames of libstdc++ itself have tables elsewhere.
    let decisions = lines
        .map(Decision::parse)
        .filter(|one| tables.has(one.table));
    let decisions: Vec<Decision> = decisions.collect();
    for decision in &decisions {
        let choice = tables.choose(decision);
        let is_search = decision.actions & SEARCH_PHASE != 0;
        let expected = match (is_search, decision.reason) {
            (true, HANDLER_FOUND) => {
                assert!(
                    matches!(choice, Choice::Handle(..) | Choice::Terminate),
                    "{what}: {decision:?} {choice:?}"
                );
                kinds.insert("found");
                continue;
            }
            (true, CONTINUE_UNWIND) => {
                assert!(
                    matches!(choice, Choice::Pass | Choice::CleanUp(_)),
                    "{what}: {decision:?} {choice:?}"
                );
                kinds.insert("searched on");
                continue;
            }
            (false, INSTALL_CONTEXT) if decision.selector == 0 => {
                kinds.insert("cleanup");
                Choice::CleanUp(decision.landing_pad)
            }
            (false, INSTALL_CONTEXT) => {
                kinds.insert(match decision.selector < 0 {
                    true => "filter",
                    false => "catch",
                });
                Choice::Handle(decision.landing_pad, decision.selector)
            }
            (false, CONTINUE_UNWIND) => Choice::Pass,
            _ => panic!("{what}: {decision:?}"),
        };
        assert_eq!(choice, expected, "{what}: {decision:?}");
    }
    let all = ["catch", "cleanup", "filter", "found", "searched on"];
    assert!(kinds.iter().eq(&all), "{what}: {kinds:?}");
}

/// Reads the sections, and every table once.
fn read_all(file: &Path) -> Program {
    let program = Program {
        exceptions: section(file, ".gcc_except_table"),
        data: section(file, ".data"),
    };
    for (address, function) in tables_of(file) {
        let at = (address - program.exceptions.address) as usize;
        let bytes = &program.exceptions.bytes[at..];
        let table = ExceptionTable::parse(bytes, address, function).unwrap();
        table.verify().unwrap();
    }
    program
}

#[test]
fn handlers_are_those_that_libstdcxx_chooses_in_clangs_code() {
    check("clang++-22", &["-O0", "-fno-pic"]);
    check("clang++-22", &["-O2", "-fPIC"]);
}

#[test]
fn handlers_are_those_that_libstdcxx_chooses_in_gccs_code() {
    check("g++", &["-O2", "-fno-pic"]);
    check("g++", &["-O0", "-fPIC"]);
}
