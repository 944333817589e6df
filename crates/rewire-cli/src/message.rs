//! Messages on standard error.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};

use rewire::Error;

use crate::args::Color;

static COLOURED: AtomicBool = AtomicBool::new(false);

/// Decides on colours.
pub(crate) fn set_color(color: Color) {
    let coloured = match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
                && std::io::stderr().is_terminal()
        }
    };
    COLOURED.store(coloured, Ordering::Relaxed);
}

/// Prints what is wrong and, where there is something to do, what to do.
pub(crate) fn error(what: &str, help: Option<&str>) {
    let (red, cyan, plain) = if COLOURED.load(Ordering::Relaxed) {
        ("\x1b[1;31m", "\x1b[1;36m", "\x1b[0m")
    } else {
        ("", "", "")
    };
    eprintln!("{red}error{plain}: {what}");
    if let Some(help) = help {
        eprintln!("{cyan}help{plain}: {help}");
    }
}

/// Prints an error of the engine's.
pub(crate) fn engine_error(problem: &Error) {
    error(&problem.to_string(), problem.help().as_deref());
}
