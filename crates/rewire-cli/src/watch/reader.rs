//! The process that makes IR of files while the program runs.
//!
//! Compilers are processes. A program may wait for any child of its process, and take a compiler
//! for a child of its own. So they are children of this process, which is forked before the
//! program starts and sends no signal when it ends: `wait` doesn't see such a child (clone(2),
//! "the child termination signal").

use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use rewire::OptLevel;

use super::dependencies;
use crate::input;
use crate::problem::Problem;
use crate::source_flags::SourceFlags;
use crate::sources::SourceOptions;

/// How the FILEs of a run are read.
#[derive(Clone, Debug)]
pub(super) struct HowRead {
    pub(super) level: OptLevel,
    pub(super) cpu: String,
    pub(super) flags: SourceFlags,
}

impl HowRead {
    fn options(&self) -> SourceOptions<'_> {
        SourceOptions {
            level: self.level,
            cpu: &self.cpu,
            flags: &self.flags,
        }
    }
}

/// What became of a file that was to be read.
pub(super) enum Reading {
    Ir(Vec<u8>),
    /// It is nothing that can be reloaded.
    NoIr,
    /// The messages that say why not.
    Refused(String),
}

/// What this process is asked.
const READ: u8 = b'r';
const DEPENDENCIES: u8 = b'd';

const IR: u8 = b'i';
const NO_IR: u8 = b'n';
const REFUSED: u8 = b'e';

/// The other process. It ends when this is dropped, or when this process ends.
pub(super) struct Reader {
    from: BufReader<UnixStream>,
    to: BufWriter<UnixStream>,
}

impl Reader {
    /// Starts the process. No other thread may be working, since it would be missing there.
    pub(super) fn start(how: &HowRead) -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        // SAFETY: a fork, but for the signal that tells of its end.
        let child = unsafe { libc::syscall(libc::SYS_clone, 0, 0, 0, 0, 0) };
        match child {
            -1 => Err(io::Error::last_os_error()),
            0 => {
                drop(ours);
                let _ = serve(theirs, how);
                // SAFETY: nothing of the parent's is to be done at the end of this process.
                unsafe { libc::_exit(0) }
            }
            _ => Ok(Self {
                from: BufReader::new(ours.try_clone()?),
                to: BufWriter::new(ours),
            }),
        }
    }

    /// Makes IR of a file. An error means that there will be no other answers.
    pub(super) fn read(&mut self, file: &Path) -> io::Result<Reading> {
        self.ask(READ, file)?;
        let (kind, bytes) = receive(&mut self.from)?;
        Ok(match kind {
            IR => Reading::Ir(bytes),
            REFUSED => Reading::Refused(String::from_utf8_lossy(&bytes).into_owned()),
            _ => Reading::NoIr,
        })
    }

    /// Returns the files that a source includes, those of the system apart.
    pub(super) fn dependencies(&mut self, file: &Path) -> io::Result<Vec<PathBuf>> {
        self.ask(DEPENDENCIES, file)?;
        let (_, bytes) = receive(&mut self.from)?;
        let paths = bytes
            .split(|byte| *byte == 0)
            .filter(|path| !path.is_empty());
        let paths = paths.map(|path| PathBuf::from(std::ffi::OsString::from_vec(path.to_vec())));
        Ok(paths.collect())
    }

    fn ask(&mut self, kind: u8, file: &Path) -> io::Result<()> {
        send(&mut self.to, kind, file.as_os_str().as_bytes())
    }
}

/// Answers until nobody can ask any more.
fn serve(socket: UnixStream, how: &HowRead) -> io::Result<()> {
    stand_apart();
    let mut from = BufReader::new(socket.try_clone()?);
    let mut to = BufWriter::new(socket);
    loop {
        let (kind, path) = receive(&mut from)?;
        let path = PathBuf::from(std::ffi::OsString::from_vec(path));
        let (kind, bytes) = match kind {
            READ => read(&path, how),
            _ => (kind, joined(&dependencies::of(&path, how.options()))),
        };
        send(&mut to, kind, &bytes)?;
    }
}

/// Leaves to the program its terminal and its standard input and output, and takes signals as a
/// process does at its start.
fn stand_apart() {
    // SAFETY: system calls on this process's own session, mask and descriptors.
    unsafe {
        libc::setsid();
        let mut none = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
    if let Ok(null) = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")
    {
        for standard in [libc::STDIN_FILENO, libc::STDOUT_FILENO] {
            // SAFETY: both are open, or the call fails.
            unsafe { libc::dup2(null.as_raw_fd(), standard) };
        }
    }
}

fn read(path: &Path, how: &HowRead) -> (u8, Vec<u8>) {
    // The program has loaded the libraries that the first version needed.
    match input::read(path, how.options(), &mut |_| Ok(())) {
        Ok(Some(ir)) => (IR, ir),
        Ok(None) => (NO_IR, Vec::new()),
        Err(problem) => (REFUSED, said(problem).into_bytes()),
    }
}

fn said(problem: Problem) -> String {
    let with_help = |what: String, help: Option<String>| {
        let help = help.map(|help| format!("help: {help}\n"));
        format!("{what}\n{}", help.unwrap_or_default())
    };
    match problem {
        Problem::Bad(error) => with_help(error.to_string(), error.help()),
        Problem::Refused { what, said } => format!("{what}\n{}\n", said.trim_end()),
        Problem::Source { what, help } | Problem::Usage { what, help } => with_help(what, help),
    }
}

fn joined(paths: &[PathBuf]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for path in paths {
        bytes.extend(path.as_os_str().as_bytes());
        bytes.push(0);
    }
    bytes
}

/// Writes a message: its kind, its length, its bytes.
fn send(to: &mut impl Write, kind: u8, bytes: &[u8]) -> io::Result<()> {
    to.write_all(&[kind])?;
    to.write_all(&(bytes.len() as u64).to_le_bytes())?;
    to.write_all(bytes)?;
    to.flush()
}

fn receive(from: &mut impl Read) -> io::Result<(u8, Vec<u8>)> {
    let (mut kind, mut length) = ([0], [0; 8]);
    from.read_exact(&mut kind)?;
    from.read_exact(&mut length)?;
    let mut bytes = Vec::new();
    let length = u64::from_le_bytes(length);
    match from.take(length).read_to_end(&mut bytes)? as u64 == length {
        true => Ok((kind[0], bytes)),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}
