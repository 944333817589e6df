//! Links FILEs and libraries in their order, as GNU ld does: left to right, and then, unlike ld,
//! archives once more from the first on, as long as they have what is missing.

use std::path::{Path, PathBuf};

use rewire::{Archive, Engine, escape_path};

use crate::input::{self, Fate};
use crate::libraries;
use crate::link_order::LinkStep;
use crate::problem::Problem;
use crate::sources::SourceOptions;
use crate::trace;

/// What is loaded, and how.
pub(crate) struct LinkInputs<'r> {
    pub(crate) steps: &'r [LinkStep],
    pub(crate) library_paths: &'r [PathBuf],
    pub(crate) how: SourceOptions<'r>,
}

/// Loads everything but shared libraries given by `-l`, which are loaded before.
pub(crate) fn link(
    engine: &Engine,
    inputs: &LinkInputs<'_>,
    load_library: &mut dyn FnMut(&Path) -> Result<(), Problem>,
) -> Result<(), Problem> {
    let main = engine.main();
    let mut archives: Vec<Archive> = Vec::new();
    let (mut is_whole, mut group) = (false, None);
    for step in inputs.steps {
        let archive = match step {
            LinkStep::Whole(whole) => {
                is_whole = *whole;
                continue;
            }
            LinkStep::Group(true) => {
                group = Some(archives.len());
                continue;
            }
            LinkStep::Group(false) => {
                let from = group.take().ok_or_else(|| {
                    Problem::usage(
                        "--end-group without --start-group",
                        "give both, around archives",
                    )
                })?;
                search(engine, &archives[from..])?;
                continue;
            }
            LinkStep::Library(name) => match libraries::archive(name, inputs.library_paths) {
                Some(path) => open(&path)?,
                None => continue,
            },
            LinkStep::File(path) if libraries::is_archive(path) => open(path)?,
            LinkStep::File(path) => {
                input::load(engine, path, inputs.how, Fate::Replaceable, load_library)?;
                continue;
            }
        };
        match is_whole {
            true => main.add_whole_archive(&archive)?,
            false => main.add_archive(&archive)?,
        };
        if !is_whole {
            archives.push(archive);
        }
    }
    if group.is_some() {
        return Err(Problem::usage(
            "--start-group without --end-group",
            "give both, around archives",
        ));
    }
    search(engine, &archives)
}

/// Searches archives in turn until none of them has what is missing.
fn search(engine: &Engine, archives: &[Archive]) -> Result<(), Problem> {
    let main = engine.main();
    loop {
        let mut has_added = false;
        for archive in archives {
            has_added |= !main.add_archive(archive)?.is_empty();
        }
        if !has_added {
            return Ok(());
        }
    }
}

fn open(path: &Path) -> Result<Archive, Problem> {
    trace::timed(
        || format!("load {}", escape_path(path)),
        || Ok(Archive::open(path)?),
    )
}
