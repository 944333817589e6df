//! `rewire cache`: looks after compiled code that is kept.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rewire::cache::{Cache, Disk, DiskInfo, DiskOptions, Explanation, Trouble, Verification};
use rewire::{CacheLookup, Engine, Options, escape_path};

use crate::args::{CacheAct, CacheOptions};
use crate::cache_folder::usual_folder;
use crate::input::{self, Fate};
use crate::problem::Problem;
use crate::sources::SourceOptions;
use crate::{message, run};

/// The exit code of `rewire cache` when the cache can't be used, or was damaged.
const EXIT_CACHE: i32 = 1;

/// Does what `rewire cache` was asked for, and returns the exit code.
pub(crate) fn look_after(asked: &CacheOptions) -> i32 {
    let Some(folder) = asked.cache.clone().or_else(usual_folder) else {
        let what = "there is no cache: REWIRE_CACHE is off, or HOME isn't set";
        message::error(what, Some("name the folder: --cache DIR"));
        return EXIT_CACHE;
    };
    let opened = Disk::open(&folder, DiskOptions::default());
    let answered = opened.and_then(|disk| answer(disk, &asked.act));
    match answered {
        Ok(Ok((text, code))) => {
            let mut out = io::stdout();
            let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
            written.map_or_else(|error| message::no_output(&error), |()| code)
        }
        Ok(Err(problem)) => run::report_problem(problem),
        Err(trouble) => {
            message::error(&format!("the cache can't be used: {trouble}"), None);
            EXIT_CACHE
        }
    }
}

/// What is printed, and the exit code.
type Answer = Result<(String, i32), Problem>;

fn answer(disk: Disk, act: &CacheAct) -> Result<Answer, Trouble> {
    Ok(match act {
        CacheAct::Info => Ok((info(&disk.info()?), 0)),
        CacheAct::Clear => {
            disk.clear()?;
            Ok((String::new(), 0))
        }
        CacheAct::Verify => {
            let found = disk.verify(true)?;
            let code = if found.is_clean() { 0 } else { EXIT_CACHE };
            Ok((verified(&found), code))
        }
        CacheAct::Explain {
            file,
            name,
            level,
            frozen,
            source_flags,
        } => {
            let disk = Arc::new(disk);
            let fate = match frozen {
                true => Fate::Frozen,
                false => Fate::Replaceable,
            };
            let how = SourceOptions::baseline(level.level(), source_flags);
            match lookup(&disk, file, name, how, fate) {
                Ok(lookup) => Ok((explained(&disk, name, &lookup)?, 0)),
                Err(problem) => Err(problem),
            }
        }
    })
}

fn info(info: &DiskInfo) -> String {
    let mut text = String::new();
    let mut line = |what: &str, value: String| {
        let _ = writeln!(text, "{what:<12} {value}");
    };
    line("folder", escape_path(&info.path));
    line("files", info.files.to_string());
    line("bytes", format!("{} of {}", info.bytes, info.limit));
    if let Some(oldest) = info.oldest {
        line("oldest use", format!("{} ago", shown(oldest)));
    }
    line("found", info.hits.to_string());
    line("not found", info.misses.to_string());
    text
}

/// A time span, as exactly as anyone wants to know it.
fn shown(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

fn verified(found: &Verification) -> String {
    let mut text = format!(
        "{} files with {} functions are sound\n",
        found.sound_files, found.sound_functions
    );
    for file in &found.damaged {
        let path = escape_path(&file.path);
        let _ = writeln!(text, "damaged and removed: {path}: {}", file.damage);
    }
    if found.index_damaged {
        text.push_str("the index was damaged, and was made anew\n");
    }
    for trouble in &found.unreadable {
        let _ = writeln!(text, "{trouble}");
    }
    text
}

/// Loads the file and asks what the function's code is looked for by.
fn lookup(
    disk: &Arc<Disk>,
    file: &Path,
    name: &str,
    how: SourceOptions<'_>,
    fate: Fate,
) -> Result<CacheLookup, Problem> {
    let engine = Engine::new(Options {
        level: how.level,
        cache: Some(Arc::new(Cache::new(disk.clone()))),
        ..Options::default()
    })?;
    let mut load_library = |path: &Path| {
        engine.load_library(&path.to_string_lossy())?;
        Ok(())
    };
    input::load(&engine, file, how, fate, &mut load_library)?;
    Ok(engine.cache_lookup(name)?)
}

/// The best explanation: that it is found, else the one with the fewest differences.
fn explained(disk: &Disk, name: &str, lookup: &CacheLookup) -> Result<String, Trouble> {
    let mut best: Option<(usize, Explanation)> = None;
    for recipe in &lookup.recipes {
        let explanation = disk.explain(&lookup.origin, recipe)?;
        let differences = match &explanation {
            Explanation::Found { .. } => 0,
            Explanation::Changed(differences) => 1 + differences.len(),
            Explanation::Forgotten | Explanation::Unknown => usize::MAX,
        };
        if best
            .as_ref()
            .is_none_or(|(fewest, _)| differences < *fewest)
        {
            best = Some((differences, explanation));
        }
    }
    Ok(match best {
        Some((_, explanation)) => format!("{name}: {explanation}\n"),
        None => format!("{name}: not found: code like this is never kept\n"),
    })
}
