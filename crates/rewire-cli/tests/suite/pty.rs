//! A program at a terminal: a pseudo-terminal that the test types at and reads from.

use std::ffi::CStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::process::{self, Ending, LIMIT};

/// A program and the other side of its terminal.
pub(crate) struct Pty {
    child: Child,
    side: File,
    /// What it printed and nobody looked at yet, without the sequences that move the cursor and
    /// the like.
    unread: String,
    /// What was read and isn't text yet: part of a character, or of such a sequence.
    bytes: Vec<u8>,
}

impl Pty {
    /// Starts a program with a terminal of its own, which controls it.
    pub(crate) fn start(command: &mut Command) -> Result<Self, String> {
        let (ours, theirs) = open()?;
        let copy = || theirs.try_clone().map(Stdio::from);
        command
            .env("TERM", "xterm")
            .env_remove("NO_COLOR")
            .stdin(copy().map_err(|e| e.to_string())?)
            .stdout(copy().map_err(|e| e.to_string())?)
            .stderr(copy().map_err(|e| e.to_string())?);
        // SAFETY: both calls may be made between fork and exec (signal-safety(7)).
        unsafe {
            command.pre_exec(|| {
                if libc::setsid() < 0 || libc::ioctl(0, libc::TIOCSCTTY, 0) < 0 {
                    return Err(std::io::Error::last_os_error());
                }
                Ok(())
            });
        }
        let child = command.spawn().map_err(|e| e.to_string())?;
        Ok(Self {
            child,
            side: File::from(ours),
            unread: String::new(),
            bytes: Vec::new(),
        })
    }

    /// Types.
    pub(crate) fn type_in(&mut self, text: &str) -> Result<(), String> {
        self.side
            .write_all(text.as_bytes())
            .map_err(|e| e.to_string())
    }

    /// Reads until this has come; what came before it is returned, what comes after it is left.
    pub(crate) fn until(&mut self, wanted: &str) -> Result<String, String> {
        let deadline = Instant::now() + LIMIT;
        loop {
            if let Some(at) = self.unread.find(wanted) {
                let before = self.unread[..at].to_owned();
                self.unread.drain(..at + wanted.len());
                return Ok(before);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if !self.read(left)? {
                return Err(format!("{wanted:?} did not come, but {:?}", self.unread));
            }
        }
    }

    /// Reads what there is; false at the end, or when the time is over.
    fn read(&mut self, limit: Duration) -> Result<bool, String> {
        let mut poll = libc::pollfd {
            fd: self.side.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        let limit = i32::try_from(limit.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: one descriptor, which is open.
        if unsafe { libc::poll(&raw mut poll, 1, limit) } <= 0 {
            return Ok(false);
        }
        let mut some = [0; 4096];
        // When the last process has closed its side, reading fails (pty(7)).
        let length = self.side.read(&mut some).unwrap_or(0);
        self.bytes.extend(&some[..length]);
        let end = text_end(&self.bytes);
        let text: Vec<u8> = self.bytes.drain(..end).collect();
        self.unread
            .push_str(&without_sequences(&String::from_utf8_lossy(&text)));
        Ok(length > 0)
    }

    /// Waits for the end of the program.
    pub(crate) fn end(mut self) -> Result<Ending, String> {
        let deadline = Instant::now() + LIMIT;
        while self.read(deadline.saturating_duration_since(Instant::now()))? {}
        if Instant::now() >= deadline {
            return Ok(Ending::TimedOut);
        }
        self.child
            .wait()
            .map(Ending::from)
            .map_err(|e| e.to_string())
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        // A test that failed leaves it running.
        if let Ok(None) = self.child.try_wait() {
            drop(process::signal("KILL", &self.child.id().to_string()));
            drop(self.child.wait());
        }
    }
}

/// Both sides of a new terminal. No other child that is started meanwhile gets them: it would keep
/// the terminal open.
fn open() -> Result<(OwnedFd, OwnedFd), String> {
    let failed = |what: &str| format!("{what}: {}", std::io::Error::last_os_error());
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: it opens a descriptor, which is ours alone if there is one.
    let ours = unsafe {
        match libc::posix_openpt(flags) {
            -1 => return Err(failed("posix_openpt")),
            descriptor => OwnedFd::from_raw_fd(descriptor),
        }
    };
    let mut name = [0u8; 64];
    let size = libc::winsize {
        ws_row: 40,
        ws_col: 120,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let side = ours.as_raw_fd();
    // SAFETY: the descriptor is open; the name fits the buffer or is refused, and the size is only
    // read.
    let is_ready = unsafe {
        libc::grantpt(side) == 0
            && libc::unlockpt(side) == 0
            && libc::ptsname_r(side, name.as_mut_ptr().cast(), name.len()) == 0
            && libc::ioctl(side, libc::TIOCSWINSZ, &raw const size) == 0
    };
    let path = CStr::from_bytes_until_nul(&name).ok().filter(|_| is_ready);
    let path = path
        .and_then(|it| it.to_str().ok())
        .ok_or_else(|| failed("the terminal"))?;
    let mut options = File::options();
    options.read(true).write(true).custom_flags(libc::O_NOCTTY);
    let theirs = options.open(path).map_err(|e| format!("{path}: {e}"))?;
    Ok((ours, theirs.into()))
}

/// Where the last whole character or sequence ends.
fn text_end(bytes: &[u8]) -> usize {
    let whole = match std::str::from_utf8(bytes) {
        Ok(text) => text.len(),
        Err(error) => error.valid_up_to(),
    };
    let last = bytes[..whole].iter().rposition(|byte| *byte == 0x1b);
    let open = last.filter(|at| !bytes[at + 1..whole].iter().any(u8::is_ascii_alphabetic));
    open.unwrap_or(whole)
}

/// Leaves out control sequences (ECMA-48, section 5.4): from ESC to the first letter.
fn without_sequences(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| c.is_ascii_alphabetic());
        plain.push_str(end.map_or("", |at| &part[at + 1..]));
    }
    plain
}
