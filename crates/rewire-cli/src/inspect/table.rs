//! Tables for terminals and pipes: numbers to the right, words to the left, the name last, so
//! that long ones disturb nobody.

use std::io::{self, IsTerminal, Write};

/// One column's heading, and on which side its cells stand.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Column {
    Number(&'static str),
    Word(&'static str),
}

impl Column {
    fn heading(self) -> &'static str {
        match self {
            Self::Number(heading) | Self::Word(heading) => heading,
        }
    }
}

/// A table that is printed when it is complete.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(columns: Vec<Column>) -> Self {
        Self {
            columns,
            rows: Vec::new(),
        }
    }

    pub(crate) fn row(&mut self, cells: Vec<String>) {
        debug_assert_eq!(cells.len(), self.columns.len());
        self.rows.push(cells);
    }

    /// Prints headings and rows and an empty line; nothing if there are no rows.
    pub(crate) fn print(&self, style: Style, out: &mut dyn Write) -> io::Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let width = |place: usize| {
            let cells = self.rows.iter().map(|row| row[place].chars().count());
            let heading = self.columns[place].heading().len();
            cells.max().unwrap_or(0).max(heading)
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        let headings: Vec<&str> = self.columns.iter().map(|one| one.heading()).collect();
        out.write_all(style.heading.as_bytes())?;
        self.line(&headings, &widths, out)?;
        writeln!(out, "{}", style.plain)?;
        for row in &self.rows {
            let cells: Vec<&str> = row.iter().map(String::as_str).collect();
            self.line(&cells, &widths, out)?;
            writeln!(out)?;
        }
        writeln!(out)
    }

    fn line(&self, cells: &[&str], widths: &[usize], out: &mut dyn Write) -> io::Result<()> {
        let last = cells.len().saturating_sub(1);
        for (place, (cell, width)) in cells.iter().zip(widths).enumerate() {
            if place > 0 {
                out.write_all(b"  ")?;
            }
            match self.columns[place] {
                Column::Number(_) => write!(out, "{cell:>width$}")?,
                Column::Word(_) if place == last => out.write_all(cell.as_bytes())?,
                Column::Word(_) => write!(out, "{cell:<width$}")?,
            }
        }
        Ok(())
    }
}

/// What stands before and after a heading: nothing in a pipe.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    pub(crate) heading: &'static str,
    pub(crate) plain: &'static str,
}

impl Style {
    /// For standard output.
    pub(crate) fn new() -> Self {
        if crate::color::is_coloured(io::stdout().is_terminal()) {
            Self {
                heading: "\x1b[1m",
                plain: "\x1b[0m",
            }
        } else {
            Self {
                heading: "",
                plain: "",
            }
        }
    }
}

/// A name as it can be shown: with one line, and no commands for the terminal.
pub(crate) fn shown(name: &str) -> String {
    if !name.chars().any(char::is_control) {
        return name.to_owned();
    }
    let escaped = name.chars().map(|one| match one.is_control() {
        true => one.escape_default().to_string(),
        false => one.to_string(),
    });
    escaped.collect()
}
