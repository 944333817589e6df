//! One page for a browser, with all that is known and nothing to fetch.

use std::path::Path;

use super::json;
use super::view::View;
use crate::output_file;
use crate::problem::Problem;

/// The page, which draws the call graph around a symbol from JSON in its midst.
const PAGE: &str = include_str!("page.html");

/// Where the JSON goes.
const MARK: &str = "DATA";

/// Writes the page to a file.
pub(super) fn write(view: &View, path: &Path) -> Result<(), Problem> {
    output_file::claim("page", path)?;
    std::fs::write(path, page(view)).map_err(|error| {
        let path = rewire::escape_path(path);
        Problem::usage(
            format!("cannot write the page to {path}: {error}"),
            "give a file on a disk with room for it",
        )
    })
}

fn page(view: &View) -> String {
    let (before, after) = PAGE.split_once(MARK).unwrap_or((PAGE, ""));
    // A name may contain what ends the element (HTML, "Restrictions for contents of script
    // elements"). JSON allows the escape in strings, and has the sign nowhere else.
    let data = json::all(view).to_string().replace('<', "\\u003c");
    [before, &data, after].concat()
}
