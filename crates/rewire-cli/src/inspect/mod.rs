//! `rewire inspect`: shows what would be loaded. Runs nothing, and compiles nothing but the
//! function of which `--why` tells; otherwise only the tables of names are read of shared
//! libraries ([`exports`]).

mod exports;
mod html;
mod json;
mod table;
mod text;
mod view;
mod why;

use std::io::{self, BufWriter, Write};

use self::view::View;
use crate::args::InspectOptions;
use crate::{color, limits, message, run};

/// Shows it and returns the exit code.
pub(crate) fn inspect(asked: &InspectOptions) -> i32 {
    color::set_color(asked.color);
    if let Some(name) = &asked.why {
        return tell_why(asked, name);
    }
    let view = match View::load(asked) {
        Ok(view) => view,
        Err(problem) => return run::report_problem(problem),
    };
    if let Some(path) = &asked.html {
        return html::write(&view, path).map_or_else(run::report_problem, |()| 0);
    }
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let shown = match show(&view, asked, &mut out) {
        Ok(Shown::All) => out.flush().map(|()| 0),
        Ok(Shown::NoSuchName(name)) => {
            let help = "rewire inspect without --calls lists all functions";
            message::error(&format!("nothing is called {name}"), Some(help));
            return rewire::EXIT_LOAD;
        }
        Err(error) => Err(error),
    };
    shown.unwrap_or_else(|error| message::no_output(&error))
}

fn tell_why(asked: &InspectOptions, name: &str) -> i32 {
    let materials = match limits::with_enough_stack(|| why::find(asked, name)) {
        Ok(materials) => materials,
        Err(problem) => return run::report_problem(problem),
    };
    let mut out = io::stdout().lock();
    let written = match asked.json {
        true => why::write_json(&materials, &mut out),
        false => why::write_text(&materials, &mut out),
    };
    written.map_or_else(|error| message::no_output(&error), |()| 0)
}

enum Shown {
    All,
    NoSuchName(String),
}

fn show(view: &View, asked: &InspectOptions, out: &mut dyn Write) -> io::Result<Shown> {
    if let Some(name) = &asked.calls {
        let named = view.named(name);
        if named.is_empty() {
            return Ok(Shown::NoSuchName(name.clone()));
        }
        match asked.json {
            true => json::write(out, &json::calls(view, &named))?,
            false => text::calls(view, &named, out)?,
        }
    } else if asked.undefined {
        match asked.json {
            true => json::write(out, &json::undefined(view))?,
            false => text::undefined(view, out)?,
        }
    } else {
        match asked.json {
            true => json::write(out, &json::all(view))?,
            false => text::all(view, out)?,
        }
    }
    Ok(Shown::All)
}
