//! For people: tables, the totals last.

use std::io::{self, Write};

use rewire::{FunctionSize, Home, Symbol, SymbolId, SymbolKind, SymbolUse};

use super::table::{Column, Style, Table, shown};
use super::view::{self, View, kind_name, linkage_name};

use Column::{Number, Word};

/// Everything.
pub(crate) fn all(view: &View, out: &mut dyn Write) -> io::Result<()> {
    let style = Style::new();
    units(view).print(style, out)?;
    functions(view).print(style, out)?;
    variables(view).print(style, out)?;
    others(view).print(style, out)?;
    structors(view).print(style, out)?;
    names_undefined(view).print(style, out)?;
    totals(view, out)
}

/// Names that nothing that was given defines.
pub(crate) fn undefined(view: &View, out: &mut dyn Write) -> io::Result<()> {
    names_undefined(view).print(Style::new(), out)?;
    writeln!(out, "{}", count_undefined(view))
}

/// Who calls these symbols, and whom they call.
pub(crate) fn calls(view: &View, ids: &[SymbolId], out: &mut dyn Write) -> io::Result<()> {
    let style = Style::new();
    for (place, id) in ids.iter().enumerate() {
        if place > 0 {
            writeln!(out)?;
        }
        let symbol = view.symbol(*id);
        writeln!(
            out,
            "{}{}{}: {}",
            style.heading,
            label(symbol),
            style.plain,
            description(view, symbol)
        )?;
        if let SymbolKind::Alias { of, offset } = symbol.kind {
            writeln!(out, "  stands for {}", target(view, of, offset))?;
        }
        if let SymbolKind::Ifunc { resolver } = symbol.kind {
            writeln!(out, "  chosen by {}", label(view.symbol(resolver)))?;
        }
        let is_call = |one: &SymbolUse| one.calls > 0;
        let is_other = |one: &SymbolUse| one.refers;
        list(view, "called by", "function", &symbol.users, is_call, out)?;
        list(view, "named by", "symbol", &symbol.users, is_other, out)?;
        list(view, "calls", "function", &symbol.uses, is_call, out)?;
        list(view, "names", "symbol", &symbol.uses, is_other, out)?;
        if let SymbolKind::Function(FunctionSize { indirect_calls, .. }) = symbol.kind
            && indirect_calls > 0
        {
            writeln!(out, "calls through pointers: {indirect_calls}")?;
        }
    }
    Ok(())
}

/// One list of users or used, most calls first.
fn list(
    view: &View,
    what: &str,
    noun: &str,
    uses: &[SymbolUse],
    wanted: impl Fn(&SymbolUse) -> bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut wanted: Vec<&SymbolUse> = uses.iter().filter(|one| wanted(one)).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    wanted.sort_by_key(|one| (std::cmp::Reverse(one.calls), &view.symbol(one.symbol).name));
    writeln!(out, "{what} {}:", counted(wanted.len() as u64, noun))?;
    let counts_calls = noun == "function";
    for one in wanted {
        let symbol = view.symbol(one.symbol);
        let times = match one.calls {
            calls if counts_calls && calls > 1 => format!(", {calls} times"),
            _ => String::new(),
        };
        writeln!(out, "  {}{times}{}", label(symbol), unit_of(view, symbol))?;
    }
    Ok(())
}

/// Where several units are, which of them.
fn unit_of(view: &View, symbol: &Symbol) -> String {
    match symbol.home {
        Home::Unit(unit) | Home::Assembly(unit) if view.seen.units.len() > 1 => {
            format!("  ({})", unit_name(view, unit))
        }
        Home::Unit(_) | Home::Assembly(_) => String::new(),
        _ => format!("  ({})", view.found_in(symbol).unwrap_or("nowhere")),
    }
}

fn unit_name(view: &View, unit: usize) -> String {
    view.seen
        .units
        .get(unit)
        .map(|unit| shown(&unit.name))
        .unwrap_or_default()
}

/// What people call a symbol: as its source does.
fn label(symbol: &Symbol) -> String {
    shown(&rewire::demangle(symbol.label()))
}

fn target(view: &View, of: SymbolId, offset: i64) -> String {
    let name = label(view.symbol(of));
    match offset {
        0 => name,
        offset => format!("{name}{offset:+}"),
    }
}

fn description(view: &View, symbol: &Symbol) -> String {
    let size = match &symbol.kind {
        SymbolKind::Function(size) if size.blocks > 0 => format!(
            ", {}, {}",
            counted(size.instructions as u64, "instruction"),
            counted(size.blocks as u64, "block")
        ),
        SymbolKind::Variable { size, .. } => format!(", {}", counted(*size, "byte")),
        _ => String::new(),
    };
    let place = match symbol.home {
        Home::Unit(unit) => format!("in {}", unit_name(view, unit)),
        Home::Assembly(unit) => format!("in the assembly of {}", unit_name(view, unit)),
        _ => match view.found_in(symbol) {
            Some(found) => format!("undefined, found in {found}"),
            None => "undefined, found nowhere".to_owned(),
        },
    };
    format!(
        "{} {}{size}, {place}",
        linkage_name(symbol.linkage),
        kind_name(symbol)
    )
}

fn units(view: &View) -> Table {
    let mut table = Table::new(vec![
        Number("UNIT"),
        Number("FUNCTIONS"),
        Number("INSTRUCTIONS"),
        Number("VARIABLES"),
        Number("BYTES"),
        Number("LEFT OUT"),
        Word("FILE"),
    ]);
    for (place, unit) in view.seen.units.iter().enumerate() {
        let of_unit = |ids: &[SymbolId]| -> (u64, u64) {
            let here = ids.iter().map(|id| view.symbol(*id));
            let here = here.filter(|one| one.home == Home::Unit(place));
            here.fold((0, 0), |(count, sum), one| {
                (count + 1, sum + view::size(one))
            })
        };
        let (functions, instructions) = of_unit(&view.functions);
        let (variables, bytes) = of_unit(&view.variables);
        let assembly = match unit.has_assembly {
            true => " (with assembly)",
            false => "",
        };
        table.row(vec![
            (place + 1).to_string(),
            functions.to_string(),
            instructions.to_string(),
            variables.to_string(),
            bytes.to_string(),
            unit.left_out.to_string(),
            shown(&unit.name) + assembly,
        ]);
    }
    table
}

/// The number of a unit, in a column that stands only if there are several.
struct UnitColumn(bool);

impl UnitColumn {
    fn new(view: &View) -> Self {
        Self(view.seen.units.len() > 1)
    }

    fn table(&self, mut columns: Vec<Column>) -> Table {
        if self.0 {
            columns.insert(columns.len() - 1, Number("UNIT"));
        }
        Table::new(columns)
    }

    fn row(&self, table: &mut Table, symbol: &Symbol, mut cells: Vec<String>) {
        if self.0 {
            let unit = match symbol.home {
                Home::Unit(unit) | Home::Assembly(unit) => (unit + 1).to_string(),
                _ => String::new(),
            };
            cells.insert(cells.len() - 1, unit);
        }
        table.row(cells);
    }
}

fn functions(view: &View) -> Table {
    let column = UnitColumn::new(view);
    let mut table = column.table(vec![
        Number("INSTRUCTIONS"),
        Number("BLOCKS"),
        Number("CALLERS"),
        Number("CALLEES"),
        Word("LINKAGE"),
        Word("FUNCTION"),
    ]);
    for id in &view.functions {
        let symbol = view.symbol(*id);
        let SymbolKind::Function(size) = symbol.kind else {
            continue;
        };
        let cells = vec![
            size.instructions.to_string(),
            size.blocks.to_string(),
            symbol.callers().count().to_string(),
            symbol.callees().count().to_string(),
            linkage_name(symbol.linkage).to_owned(),
            label(symbol),
        ];
        column.row(&mut table, symbol, cells);
    }
    table
}

/// Strings and tables that compilers name themselves, with a name that no source can have.
fn is_nameless(symbol: &Symbol) -> bool {
    symbol.name.is_empty() || symbol.name.starts_with('.')
}

fn variables(view: &View) -> Table {
    let column = UnitColumn::new(view);
    let mut table = column.table(vec![
        Number("BYTES"),
        Number("USERS"),
        Word("KIND"),
        Word("LINKAGE"),
        Word("VARIABLE"),
    ]);
    let variables = view.variables.iter().map(|id| view.symbol(*id));
    for symbol in variables.filter(|symbol| !is_nameless(symbol)) {
        let SymbolKind::Variable { size, section, .. } = &symbol.kind else {
            continue;
        };
        let section = match section.is_empty() {
            true => String::new(),
            false => format!("  (section {})", shown(section)),
        };
        let cells = vec![
            size.to_string(),
            symbol.users.len().to_string(),
            kind_name(symbol).to_owned(),
            linkage_name(symbol.linkage).to_owned(),
            label(symbol) + &section,
        ];
        column.row(&mut table, symbol, cells);
    }
    table
}

fn others(view: &View) -> Table {
    let column = UnitColumn::new(view);
    let mut table = column.table(vec![Word("KIND"), Word("LINKAGE"), Word("NAME AND TARGET")]);
    for id in &view.others {
        let symbol = view.symbol(*id);
        let target = match symbol.kind {
            SymbolKind::Alias { of, offset } => target(view, of, offset),
            SymbolKind::Ifunc { resolver } => {
                format!("chosen by {}", label(view.symbol(resolver)))
            }
            _ => continue,
        };
        let cells = vec![
            kind_name(symbol).to_owned(),
            linkage_name(symbol.linkage).to_owned(),
            format!("{} = {target}", label(symbol)),
        ];
        column.row(&mut table, symbol, cells);
    }
    table
}

fn structors(view: &View) -> Table {
    let column = UnitColumn::new(view);
    let mut table = column.table(vec![Number("PRIORITY"), Word("RUN"), Word("FUNCTION")]);
    for unit in &view.seen.units {
        let before = unit.constructors.iter().map(|one| (one, "before"));
        let after = unit.destructors.iter().map(|one| (one, "after"));
        for (structor, when) in before.chain(after) {
            let symbol = view.symbol(structor.function);
            let cells = vec![
                structor.priority.to_string(),
                when.to_owned(),
                label(symbol),
            ];
            column.row(&mut table, symbol, cells);
        }
    }
    table
}

fn names_undefined(view: &View) -> Table {
    let mut table = Table::new(vec![
        Number("USERS"),
        Word("KIND"),
        Word("LINKAGE"),
        Word("FOUND IN"),
        Word("UNDEFINED"),
    ]);
    for id in &view.undefined {
        let symbol = view.symbol(*id);
        table.row(vec![
            symbol.users.len().to_string(),
            kind_name(symbol).to_owned(),
            linkage_name(symbol.linkage).to_owned(),
            shown(view.found_in(symbol).unwrap_or("nowhere")),
            label(symbol),
        ]);
    }
    table
}

/// A number with its noun.
fn counted(number: u64, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    }
}

fn count_undefined(view: &View) -> String {
    let symbols = view.undefined.iter().map(|id| view.symbol(*id));
    let nowhere = symbols.filter(|symbol| view.found_in(symbol).is_none());
    let all = counted(view.undefined.len() as u64, "undefined name");
    match nowhere.count() {
        0 => all,
        nowhere => format!("{all}, {nowhere} of them found nowhere"),
    }
}

fn totals(view: &View, out: &mut dyn Write) -> io::Result<()> {
    let mut sum = FunctionSize::default();
    for id in &view.functions {
        if let SymbolKind::Function(size) = view.symbol(*id).kind {
            sum.blocks += size.blocks;
            sum.instructions += size.instructions;
            sum.indirect_calls += size.indirect_calls;
        }
    }
    let variables = view.variables.iter().map(|id| view.symbol(*id));
    let nameless: Vec<u64> = variables
        .clone()
        .filter(|symbol| is_nameless(symbol))
        .map(view::size)
        .collect();
    writeln!(
        out,
        "{}: {} in {}, {} through pointers",
        counted(view.functions.len() as u64, "function"),
        counted(sum.instructions as u64, "instruction"),
        counted(sum.blocks as u64, "block"),
        counted(sum.indirect_calls as u64, "call"),
    )?;
    write!(
        out,
        "{}: {}",
        counted(view.variables.len() as u64, "variable"),
        counted(variables.map(view::size).sum(), "byte")
    )?;
    if nameless.is_empty() {
        writeln!(out)?;
    } else {
        writeln!(
            out,
            "; {} of them, {}, are unnamed strings and tables",
            nameless.len(),
            counted(nameless.iter().sum(), "byte")
        )?;
    }
    writeln!(out, "{}", count_undefined(view))
}
