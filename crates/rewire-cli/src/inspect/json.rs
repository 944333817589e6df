//! For scripts: one JSON object. Fields may be added; those that are here stay.

use std::io::{self, Write};

use rewire::{Home, Structor, Symbol, SymbolId, SymbolKind, SymbolUse};
use serde_json::{Map, Value, json};

use super::view::{View, kind_name, linkage_name};

pub(crate) fn write(out: &mut dyn Write, value: &Value) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)
}

/// Everything.
pub(crate) fn all(view: &View) -> Value {
    let units = view.seen.units.iter().map(|unit| {
        json!({
            "name": &*unit.name,
            "left_out": unit.left_out,
            "has_assembly": unit.has_assembly,
            "constructors": structors(view, &unit.constructors),
            "destructors": structors(view, &unit.destructors),
        })
    });
    json!({
        "units": units.collect::<Vec<_>>(),
        "functions": symbols(view, &view.functions),
        "variables": symbols(view, &view.variables),
        "aliases": symbols(view, &view.others),
        "undefined": symbols(view, &view.undefined),
    })
}

/// Names that nothing that was given defines.
pub(crate) fn undefined(view: &View) -> Value {
    json!({ "undefined": symbols(view, &view.undefined) })
}

/// These symbols.
pub(crate) fn calls(view: &View, ids: &[SymbolId]) -> Value {
    json!({ "symbols": symbols(view, ids) })
}

fn structors(view: &View, list: &[Structor]) -> Vec<Value> {
    let values = list.iter().map(|one| {
        let mut value = named(view, one.function);
        value.insert("priority".to_owned(), json!(one.priority));
        Value::Object(value)
    });
    values.collect()
}

fn symbols(view: &View, ids: &[SymbolId]) -> Vec<Value> {
    ids.iter().map(|id| symbol(view, *id)).collect()
}

/// A symbol's name and number: several local ones may share a name. Where a compiler mangled it,
/// also the name that its source has.
fn named(view: &View, id: SymbolId) -> Map<String, Value> {
    let name = &*view.symbol(id).name;
    let mut fields = Map::new();
    fields.insert("id".to_owned(), json!(id.index()));
    fields.insert("name".to_owned(), json!(name));
    let demangled = rewire::demangle(name);
    if demangled != name {
        fields.insert("demangled".to_owned(), json!(demangled));
    }
    fields
}

fn symbol(view: &View, id: SymbolId) -> Value {
    let symbol = view.symbol(id);
    let mut fields = named(view, id);
    let mut add = |name: &str, value: Value| {
        fields.insert(name.to_owned(), value);
    };
    add("kind", json!(kind_name(symbol)));
    add("linkage", json!(linkage_name(symbol.linkage)));
    add("type", json!(&*symbol.type_name));
    match symbol.home {
        Home::Unit(unit) | Home::Assembly(unit) => add("unit", json!(unit)),
        _ => add("found_in", json!(view.found_in(symbol))),
    }
    add_kind(view, symbol, &mut add);
    add("uses", uses(view, &symbol.uses));
    add("users", uses(view, &symbol.users));
    Value::Object(fields)
}

fn add_kind(view: &View, symbol: &Symbol, add: &mut impl FnMut(&str, Value)) {
    match &symbol.kind {
        SymbolKind::Function(size) => {
            add("instructions", json!(size.instructions));
            add("blocks", json!(size.blocks));
            add("indirect_calls", json!(size.indirect_calls));
        }
        SymbolKind::Variable { size, section, .. } => {
            add("bytes", json!(size));
            add("section", json!(section));
        }
        SymbolKind::Alias { of, offset } => {
            add("target", Value::Object(named(view, *of)));
            add("offset", json!(offset));
        }
        SymbolKind::Ifunc { resolver } => {
            add("resolver", Value::Object(named(view, *resolver)));
        }
        _ => {}
    }
}

fn uses(view: &View, uses: &[SymbolUse]) -> Value {
    let values = uses.iter().map(|one| {
        let mut value = named(view, one.symbol);
        value.insert("calls".to_owned(), json!(one.calls));
        value.insert("refers".to_owned(), json!(one.refers));
        Value::Object(value)
    });
    values.collect()
}
