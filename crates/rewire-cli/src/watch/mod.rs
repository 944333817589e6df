//! `rewire run --watch`: reloads files that change while the program runs.
//!
//! A thread waits for changes, has what changed made into IR by another process ([`reader`]), and
//! gives that to the engine as the file's new version. The program sees nothing of it but the new
//! code: the thread takes no signals, has a table of file descriptors of its own, and starts no
//! process that the program could wait for.

mod dependencies;
mod reader;
mod watched;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use rewire::{Engine, escape_control, escape_path};

use self::reader::{HowRead, Reader, Reading};
use self::watched::Watched;
use crate::args::RunOptions;
use crate::problem::Problem;
use crate::reload;

/// The thread that waits for changes. Until it is told of an engine, it only notes them.
pub(crate) struct Watch {
    engine: Sender<Engine>,
}

/// Begins to watch a run's FILEs. This is to be done before they are read, so that no change is
/// missed, and before anything else has threads, because it forks.
pub(crate) fn begin(run: &RunOptions) -> Result<Watch, Problem> {
    let files = run.files.iter().filter(|file| file.as_os_str() != "-");
    let files: Vec<PathBuf> = files.cloned().collect();
    let how = HowRead {
        level: run.level.level(),
        cpu: run.cpu.clone(),
        flags: run.source_flags.clone(),
    };
    let is_quiet = run.quiet;
    let (engine, engines) = mpsc::channel();
    let (ready, is_ready) = mpsc::channel();
    let work = move || {
        let prepared = leave_descriptors()
            .and_then(|()| Reader::start(&how))
            .and_then(|reader| Ok((reader, Watched::new(files).map_err(io::Error::other)?)));
        match prepared {
            Ok((reader, watched)) => {
                let _ = ready.send(Ok(()));
                follow(reader, watched, &engines, is_quiet);
            }
            Err(error) => drop(ready.send(Err(error))),
        }
    };
    let started = {
        // The thread inherits the mask: signals are the program's.
        let _blocked = AllSignalsBlocked::begin();
        thread::Builder::new()
            .name("rewire-watch".into())
            .spawn(work)
    };
    let begun = started.and_then(|_| {
        is_ready
            .recv()
            .unwrap_or_else(|gone| Err(io::Error::other(gone)))
    });
    begun.map_err(|error| {
        Problem::usage(
            format!("cannot watch the files: {error}"),
            "leave out --watch, or see inotify(7) for the limits of this system",
        )
    })?;
    Ok(Watch { engine })
}

impl Watch {
    /// Reloads from now on what changes or has changed since the beginning.
    pub(crate) fn follow(self, engine: &Engine) {
        // If the thread is gone, it has said why.
        let _ = self.engine.send(engine.clone());
    }
}

/// Reloads what changes for as long as the process lives.
fn follow(mut reader: Reader, mut watched: Watched, engines: &Receiver<Engine>, is_quiet: bool) {
    let Ok(engine) = engines.recv() else {
        return;
    };
    let mut changed = watched.files();
    changed.retain(|file| follow_dependencies(&mut reader, &mut watched, file));
    loop {
        for file in changed {
            follow_dependencies(&mut reader, &mut watched, &file);
            match reader.read(&file) {
                Ok(answer) => reload_file(&engine, &file, answer, is_quiet),
                Err(error) => {
                    let path = escape_path(&file);
                    return say(
                        "error",
                        &format!("{path}: cannot be read any more: {error}"),
                    );
                }
            }
        }
        changed = match watched.wait() {
            Ok(changed) => changed,
            Err(error) => return say("error", &format!("files are no longer watched: {error}")),
        };
    }
}

/// Watches what a source includes, too. Returns whether it has to be read again.
fn follow_dependencies(reader: &mut Reader, watched: &mut Watched, file: &Path) -> bool {
    let found = reader.dependencies(file).unwrap_or_default();
    watched.set_dependencies(file, &found)
}

fn reload_file(engine: &Engine, file: &Path, answer: Reading, is_quiet: bool) {
    let path = escape_path(file);
    let ir = match answer {
        Reading::Ir(ir) => ir,
        Reading::NoIr => return,
        Reading::Refused(said) => {
            return say("error", &format!("{said}note: {path} runs as it was"));
        }
    };
    match reload::load(engine, &file.to_string_lossy(), &ir) {
        Ok(changed) => {
            for (what, help) in reload::warnings(&changed) {
                say("warning", &format!("{path}: {what}\nhelp: {help}"));
            }
            if !is_quiet {
                say(
                    "note",
                    &format!("{path}: reloaded ({})", reload::summary(&changed)),
                );
            }
        }
        Err(error) => {
            let help = error.help().map(|help| format!("\nhelp: {help}"));
            let help = help.unwrap_or_default();
            say(
                "error",
                &format!("{path}: {error}{help}\nnote: {path} runs as it was"),
            );
        }
    }
}

/// Writes a message to standard error, in one piece and without the lock that the program's own
/// messages take: a child that the program forks meanwhile would find it taken for ever.
fn say(kind: &str, text: &str) {
    let text = format!("{kind}: {}\n", escape_control(text.trim_end()));
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        // SAFETY: the bytes are there. The descriptor may be anything.
        let written = unsafe { libc::write(libc::STDERR_FILENO, rest.as_ptr().cast(), rest.len()) };
        match usize::try_from(written) {
            Ok(written) => rest = &rest[written..],
            Err(_) if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// Gives this thread a table of descriptors of its own, with the first three only.
fn leave_descriptors() -> io::Result<()> {
    // SAFETY: the flag leaves the descriptors of other threads alone, and this one has none.
    let left = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            3,
            libc::c_uint::MAX,
            libc::CLOSE_RANGE_UNSHARE,
        )
    };
    match left {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Blocks all signals of this thread until it is dropped.
struct AllSignalsBlocked(libc::sigset_t);

impl AllSignalsBlocked {
    fn begin() -> Self {
        // SAFETY: zeroed bytes are valid sets, which the calls fill in.
        unsafe {
            let (mut all, mut former) = (std::mem::zeroed(), std::mem::zeroed());
            libc::sigfillset(&raw mut all);
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut former);
            Self(former)
        }
    }
}

impl Drop for AllSignalsBlocked {
    fn drop(&mut self) {
        // SAFETY: it is the mask that the thread had.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, std::ptr::null_mut())
        };
    }
}
