//! Whether messages and tables are coloured.

use std::sync::atomic::{AtomicU8, Ordering};

use clap::ValueEnum;

/// When to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// 1 for always, 0 for never.
static COLOURED: AtomicU8 = AtomicU8::new(BY_TERMINAL);
/// On terminals.
const BY_TERMINAL: u8 = 2;

/// Keeps the user's choice, for all of the process.
pub(crate) fn set_color(color: Color) {
    let coloured = match color {
        Color::Always => Some(true),
        Color::Never => Some(false),
        Color::Auto => {
            let is_unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
            is_unwanted.then_some(false)
        }
    };
    let coloured = coloured.map_or(BY_TERMINAL, u8::from);
    COLOURED.store(coloured, Ordering::Relaxed);
}

/// Whether to colour a stream, which may be a terminal.
pub(crate) fn is_coloured(is_terminal: bool) -> bool {
    match COLOURED.load(Ordering::Relaxed) {
        BY_TERMINAL => is_terminal,
        coloured => coloured == 1,
    }
}
