//! What commands say of names.

use std::collections::BTreeMap;
use std::fmt::Write;

use rewire::{Engine, EntryKind, FunctionState, Library, Report, UseAspect, User};

use super::lexer::quote;

/// What `:state` says.
pub(crate) fn state(state: &FunctionState, report: &Report) -> String {
    let or_none = |address: Option<rewire::ExecAddr>| {
        address.map_or_else(|| "none yet".to_owned(), |it| it.to_string())
    };
    let mut lines = vec![
        ("name", quote(&state.name)),
        ("kind", kind(state.kind).to_owned()),
        (
            "type",
            state.type_name.as_deref().unwrap_or("unknown").to_owned(),
        ),
        ("linkage", format!("{:?}", state.linkage).to_lowercase()),
        ("unit", state.unit.as_deref().unwrap_or("none").to_owned()),
        ("generation", state.generation.to_string()),
        ("address", or_none(state.address)),
        ("canonical", or_none(state.canonical)),
    ];
    if state.kind == EntryKind::Function {
        let tier = match state.address {
            Some(_) => format!("-O {}", report.level),
            None => "not compiled".to_owned(),
        };
        lines.push(("tier", tier));
    } else {
        lines.push(("bytes", state.size.to_string()));
    }
    lines.push(("users", grouped(&state.users).len().to_string()));
    let inliners: Vec<String> = state.inliners.iter().map(|it| quote(it)).collect();
    let inliners = match inliners.as_slice() {
        [] => "none".to_owned(),
        some => some.join(", "),
    };
    lines.push(("inliners", inliners));
    let lines: Vec<String> = lines
        .into_iter()
        .map(|(what, value)| format!("{what:<12}{value}"))
        .collect();
    lines.join("\n")
}

fn kind(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::Function => "function",
        EntryKind::Data => "variable",
        EntryKind::ThreadLocal => "thread-local variable",
        EntryKind::Unknown => "unknown",
    }
}

/// Who uses a name, and how often it calls it and otherwise names it.
type Users<'u> = BTreeMap<Option<&'u str>, (usize, usize)>;

fn grouped(users: &[User]) -> Users<'_> {
    let mut all = Users::new();
    for user in users {
        let (calls, names) = all.entry(user.name.as_deref()).or_default();
        match user.aspect {
            UseAspect::Slot | UseAspect::Direct => *calls += 1,
            UseAspect::Address => *names += 1,
        }
    }
    all
}

/// What `:users` says: a line for each.
pub(crate) fn users(state: &FunctionState) -> String {
    let all = grouped(&state.users);
    if all.is_empty() {
        return format!("nothing that is compiled uses {}", quote(&state.name));
    }
    let lines: Vec<String> = all
        .into_iter()
        .map(|(name, (calls, names))| {
            let counts = [(calls, "call"), (names, "address")];
            let counts = counts.into_iter().filter(|(count, _)| *count > 0);
            let counts: Vec<String> = counts.map(|(count, what)| counted(count, what)).collect();
            let name = name.map_or_else(|| "(unnamed)".to_owned(), quote);
            format!("{name}: {}", counts.join(", "))
        })
        .collect();
    lines.join("\n")
}

/// A number of things.
pub(crate) fn counted(count: usize, what: &str) -> String {
    match (count, what.ends_with('s')) {
        (1, _) => format!("1 {what}"),
        (_, true) => format!("{count} {what}es"),
        (_, false) => format!("{count} {what}s"),
    }
}

/// What `:list` says: a line for each definition with `text` in its name.
pub(crate) fn list(library: &Library, text: Option<&str>) -> String {
    let mut lines = String::new();
    for (name, kind) in library.names() {
        if !name.contains(text.unwrap_or("")) {
            continue;
        }
        let Some(state) = library.state(&name) else {
            continue;
        };
        let type_name = state.type_name.as_deref().unwrap_or("unknown");
        let unit = state.unit.as_deref().unwrap_or("no unit");
        let made = match (kind, state.address.is_some()) {
            (EntryKind::Function, true) => ", compiled",
            (_, true) => ", in memory",
            (_, false) => "",
        };
        // Writing to a string can't fail.
        let _ = writeln!(lines, "{}: {type_name}, in {unit}{made}", quote(&name));
    }
    lines.pop();
    lines
}

/// What `:memory` says.
pub(crate) fn memory(engine: &Engine) -> String {
    let report = engine.report();
    format!(
        "code {} bytes, data {} bytes, {} mappings\n\
         functions: {} defined, {} compiled, {} replaced\n\
         former definitions: {} retired, {} freed",
        report.code_bytes,
        report.data_bytes,
        report.memory_maps,
        report.functions_defined,
        report.functions_compiled,
        report.functions_replaced,
        report.definitions_retired,
        report.definitions_freed,
    )
}
