//! What `/proc/self` tells of the process's threads and mappings (proc(5)), read without
//! allocating: threads may be parked that hold the allocator's lock.

use std::ffi::{CStr, c_int};
use std::ops::Range;

/// An open file, closed on drop.
pub(super) struct Fd(c_int);

impl Fd {
    /// The error is an `errno`.
    pub(super) fn open_at(dir: Option<&Fd>, path: &CStr, flags: c_int) -> Result<Self, c_int> {
        let dir = dir.map_or(libc::AT_FDCWD, |dir| dir.0);
        // SAFETY: the path is a C string.
        let fd = unsafe { libc::openat(dir, path.as_ptr(), flags | libc::O_CLOEXEC) };
        if fd < 0 { Err(errno()) } else { Ok(Self(fd)) }
    }

    /// Reads from an offset; the error is an `errno`.
    pub(super) fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize, c_int> {
        let place = buffer.as_mut_ptr().cast();
        // SAFETY: the buffer is ours and has this size.
        let got = unsafe { libc::pread(self.0, place, buffer.len(), offset as libc::off_t) };
        usize::try_from(got).map_err(|_| errno())
    }
}

impl Drop for Fd {
    fn drop(&mut self) {
        // SAFETY: ours alone.
        unsafe { libc::close(self.0) };
    }
}

pub(super) fn errno() -> c_int {
    // SAFETY: the thread's own.
    unsafe { *libc::__errno_location() }
}

/// A system call in which a thread sleeps, and where it returns to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) number: i64,
    pub(super) arguments: [u64; 6],
    pub(super) sp: u64,
    pub(super) pc: u64,
}

/// What a thread is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    /// It runs, or could, or is in a page fault.
    Running,
    /// It sleeps in a system call.
    Asleep(Call),
    /// It will not run user code any more, or never does: it has ended, or works for the kernel.
    Nothing,
    /// The kernel doesn't say.
    NotTold,
}

/// `/proc/self/task`.
pub(super) struct Tasks {
    dir: Fd,
}

/// More threads than there is room for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoRoom;

impl Tasks {
    pub(super) fn open() -> Result<Self, c_int> {
        let dir = Fd::open_at(None, c"/proc/self/task", libc::O_RDONLY | libc::O_DIRECTORY)?;
        Ok(Self { dir })
    }

    /// How many threads there are: the directory has a link for each of them and two more.
    pub(super) fn count(&self) -> Option<usize> {
        // SAFETY: zeroed bytes are a valid `stat`, which the call fills in.
        let links = unsafe {
            let mut status: libc::stat = std::mem::zeroed();
            (libc::fstat(self.dir.0, &raw mut status) == 0).then_some(status.st_nlink)
        }?;
        (links as usize).checked_sub(2)
    }

    /// Lists the threads, into the vector's capacity. Threads that end meanwhile may make the
    /// kernel leave out others, so one listing alone proves nothing.
    pub(super) fn list(&self, into: &mut Vec<i32>) -> Result<(), NoRoom> {
        into.clear();
        // SAFETY: changes the file's position alone.
        unsafe { libc::lseek(self.dir.0, 0, libc::SEEK_SET) };
        let mut buffer = [0u64; 512];
        loop {
            // SAFETY: the buffer is ours and has this size.
            let got = unsafe {
                libc::syscall(
                    libc::SYS_getdents64,
                    self.dir.0,
                    buffer.as_mut_ptr(),
                    size_of_val(&buffer),
                )
            };
            let Some(got) = usize::try_from(got).ok().filter(|got| *got > 0) else {
                return Ok(());
            };
            // SAFETY: the same bytes; `got` of them were written.
            let entries = unsafe { std::slice::from_raw_parts(buffer.as_ptr().cast::<u8>(), got) };
            for tid in entries_of(entries) {
                if into.len() == into.capacity() {
                    return Err(NoRoom);
                }
                into.push(tid);
            }
        }
    }

    fn open_file(&self, tid: i32, name: &str) -> Result<Fd, c_int> {
        let mut path = [0u8; 40];
        let length = write_path(&mut path, tid, name);
        let Some(path) = length.and_then(|length| path.get(..=length)) else {
            return Err(libc::ENAMETOOLONG);
        };
        let path = CStr::from_bytes_with_nul(path).map_err(|_| libc::EINVAL)?;
        Fd::open_at(Some(&self.dir), path, libc::O_RDONLY)
    }

    /// Opens what [`Watch`] reads.
    pub(super) fn watch(&self, tid: i32) -> Result<Watch, Doing> {
        let open = |name| match self.open_file(tid, name) {
            Ok(file) => Ok(file),
            Err(libc::ENOENT | libc::ESRCH) if !self.exists(tid) => Err(Doing::Nothing),
            Err(_) => Err(Doing::NotTold),
        };
        Ok(Watch {
            call: open("syscall")?,
            runs: open("schedstat").or_else(|why| match why {
                Doing::NotTold => open("status"),
                _ => Err(why),
            })?,
            status: None,
        })
        .map(|mut watch| {
            // Kernels without scheduling statistics show zeros.
            if watch.scheduled().is_none() {
                watch.status = open("status").ok();
            }
            watch
        })
    }

    /// Whether there is such a thread in this process.
    pub(super) fn exists(&self, tid: i32) -> bool {
        self.open_file(tid, "comm").is_ok()
    }

    pub(super) fn status(&self, tid: i32) -> Option<Status> {
        Status::read(&self.open_file(tid, "status").ok()?)
    }

    /// When the thread began, in clock ticks since the machine did: with its number, this tells
    /// it from every other.
    pub(super) fn started(&self, tid: i32) -> Option<u64> {
        let file = self.open_file(tid, "stat").ok()?;
        let mut buffer = [0; 1024];
        let got = file.read_at(&mut buffer, 0).ok()?;
        // The name, in parentheses, may contain anything.
        let name_end = buffer[..got].iter().rposition(|byte| *byte == b')')?;
        let mut fields = fields(&buffer[name_end + 1..got]);
        // Field 22; the one after the name is number 3.
        number(fields.nth(22 - 3)?, 10)
    }

    pub(super) fn name(&self, tid: i32) -> String {
        let mut buffer = [0; 64];
        let got = self
            .open_file(tid, "comm")
            .and_then(|file| file.read_at(&mut buffer, 0));
        String::from_utf8_lossy(&buffer[..got.unwrap_or(0)])
            .trim_end()
            .to_owned()
    }
}

/// Writes `TID/NAME` and returns its length.
fn write_path(path: &mut [u8; 40], tid: i32, name: &str) -> Option<usize> {
    use std::io::Write as _;
    let mut rest = &mut path[..39];
    write!(rest, "{tid}/{name}").ok()?;
    Some(39 - rest.len())
}

/// The threads in a buffer of `struct linux_dirent64` (getdents(2)): inode and offset of 8 bytes,
/// the record's length of 2, a type of 1, and a name.
fn entries_of(mut bytes: &[u8]) -> impl Iterator<Item = i32> {
    std::iter::from_fn(move || {
        loop {
            let length = u16::from_ne_bytes(bytes.get(16..18)?.try_into().ok()?);
            let record = bytes.get(..usize::from(length))?;
            bytes = &bytes[record.len().max(1)..];
            let name = CStr::from_bytes_until_nul(record.get(19..)?).ok()?;
            if let Some(tid) = number(name.to_bytes(), 10) {
                return i32::try_from(tid).ok();
            }
        }
    })
}

/// Two files that tell whether a thread sleeps, and whether it ran between two moments.
pub(super) struct Watch {
    call: Fd,
    runs: Fd,
    status: Option<Fd>,
}

impl Watch {
    /// A count that grows each time the thread is given a processor, or, where the kernel doesn't
    /// count that, loses it. If it is the same at two moments at which the thread slept, the
    /// thread slept all the time between.
    pub(super) fn runs(&self) -> Option<u64> {
        match &self.status {
            None => self.scheduled(),
            Some(file) => {
                let status = Status::read(file)?;
                Some(status.voluntary + status.involuntary)
            }
        }
    }

    /// `schedstat`: time spent, time waited, times scheduled.
    fn scheduled(&self) -> Option<u64> {
        let mut buffer = [0; 128];
        let got = self.runs.read_at(&mut buffer, 0).ok()?;
        number(fields(&buffer[..got]).nth(2)?, 10).filter(|runs| *runs > 0)
    }

    pub(super) fn doing(&self) -> Doing {
        let mut buffer = [0; 256];
        match self.call.read_at(&mut buffer, 0) {
            Ok(got) => parse_call(&buffer[..got]),
            Err(libc::ESRCH) => Doing::Nothing,
            Err(_) => Doing::NotTold,
        }
    }
}

/// `running`; or the call's number, six arguments, stack pointer and program counter; or -1 and
/// the last two, where a thread doesn't run for another reason.
fn parse_call(text: &[u8]) -> Doing {
    let mut fields = fields(text);
    let first = fields.next().unwrap_or_default();
    if first == b"running" {
        return Doing::Running;
    }
    let mut values = [0; 8];
    let mut count = 0;
    for field in fields {
        let value = field.strip_prefix(b"0x").and_then(|hex| number(hex, 16));
        match (values.get_mut(count), value) {
            (Some(place), Some(value)) => *place = value,
            _ => return Doing::NotTold,
        }
        count += 1;
    }
    match (number(first, 10), count) {
        (Some(number), 8) => Doing::Asleep(Call {
            number: number as i64,
            arguments: [
                values[0], values[1], values[2], values[3], values[4], values[5],
            ],
            sp: values[6],
            pc: values[7],
        }),
        // Threads of io_uring and those that have ended have no user side at all.
        (None, 2) if first == b"-1" && values[..2] == [0, 0] => Doing::Nothing,
        (None, 2) if first == b"-1" => Doing::Running,
        _ => Doing::NotTold,
    }
}

/// `/proc/self/task/TID/status`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Status {
    blocked: u64,
    /// How often it gave up its processor of itself.
    pub(super) voluntary: u64,
    involuntary: u64,
}

impl Status {
    fn read(file: &Fd) -> Option<Self> {
        let mut buffer = [0; 4096];
        let got = file.read_at(&mut buffer, 0).ok()?;
        let mut status = Self::default();
        let mut found = 0;
        for line in buffer[..got].split(|byte| *byte == b'\n') {
            let mut fields = fields(line);
            let (place, radix) = match fields.next() {
                Some(b"SigBlk:") => (&mut status.blocked, 16),
                Some(b"voluntary_ctxt_switches:") => (&mut status.voluntary, 10),
                Some(b"nonvoluntary_ctxt_switches:") => (&mut status.involuntary, 10),
                _ => continue,
            };
            *place = number(fields.next()?, radix)?;
            found += 1;
        }
        (found == 3).then_some(status)
    }

    pub(super) fn blocks(&self, signal: c_int) -> bool {
        self.blocked >> (signal - 1) & 1 != 0
    }
}

/// A line of `/proc/self/maps`, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MapsLine {
    pub(super) range: Range<u64>,
    /// Private and of no file: a page that was never touched is empty.
    pub(super) anonymous: bool,
    /// The stack that the process began with.
    pub(super) is_main_stack: bool,
}

/// The first mapping that fits.
pub(super) fn find_mapping(fits: impl Fn(&MapsLine) -> bool) -> Option<MapsLine> {
    let file = Fd::open_at(None, c"/proc/self/maps", libc::O_RDONLY).ok()?;
    let mut buffer = [0u8; 4096];
    let (mut filled, mut offset) = (0, 0);
    loop {
        let got = file.read_at(&mut buffer[filled..], offset).ok()?;
        if got == 0 {
            return None;
        }
        offset += got as u64;
        filled += got;
        let mut from = 0;
        while let Some(length) = buffer[from..filled].iter().position(|byte| *byte == b'\n') {
            if let Some(mapping) = parse_mapping(&buffer[from..from + length])
                && fits(&mapping)
            {
                return Some(mapping);
            }
            from += length + 1;
        }
        if from == 0 && filled == buffer.len() {
            // A path that is longer than the buffer; its end can't pass for a line.
            filled = 0;
        }
        buffer.copy_within(from..filled, 0);
        filled = filled.saturating_sub(from);
    }
}

pub(super) fn mapping_of(address: u64) -> Option<MapsLine> {
    find_mapping(|mapping| mapping.range.contains(&address))
}

fn parse_mapping(line: &[u8]) -> Option<MapsLine> {
    let mut fields = fields(line);
    let range = fields.next()?;
    let dash = range.iter().position(|byte| *byte == b'-')?;
    let protection = fields.next()?;
    let inode = fields.nth(2)?;
    Some(MapsLine {
        range: number(&range[..dash], 16)?..number(&range[dash + 1..], 16)?,
        anonymous: protection.get(3) == Some(&b'p') && inode == b"0",
        is_main_stack: fields.next() == Some(b"[stack]"),
    })
}

fn fields(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(u8::is_ascii_whitespace)
        .filter(|field| !field.is_empty())
}

fn number(digits: &[u8], radix: u32) -> Option<u64> {
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_read() {
        let line = b"230 0x0 0x1 0x7ffc 0x7ffd 0x0 0x5 0x7ffce0 0x7f0935\n";
        let call = Call {
            number: 230,
            arguments: [0, 1, 0x7ffc, 0x7ffd, 0, 5],
            sp: 0x7ffce0,
            pc: 0x7f0935,
        };
        assert_eq!(parse_call(line), Doing::Asleep(call));
        assert_eq!(parse_call(b"running\n"), Doing::Running);
        assert_eq!(parse_call(b"-1 0x7ffc 0x7f\n"), Doing::Running);
        assert_eq!(parse_call(b"-1 0x0 0x0\n"), Doing::Nothing);
        assert_eq!(parse_call(b"230 0x0\n"), Doing::NotTold);
        assert_eq!(parse_call(b""), Doing::NotTold);
    }

    #[test]
    fn mappings_are_read() {
        let stack = b"7ffc0-7ffd0 rw-p 00000000 00:00 0      [stack]";
        let mapping = parse_mapping(stack).unwrap();
        assert_eq!(mapping.range, 0x7ffc0..0x7ffd0);
        assert!(mapping.is_main_stack && mapping.anonymous);
        let file = parse_mapping(b"1000-2000 rw-p 00000000 08:01 42  /a b").unwrap();
        assert!(!file.anonymous && !file.is_main_stack);
        assert!(!parse_mapping(b"1-2 rw-s 0 00:01 0").unwrap().anonymous);
        assert!(parse_mapping(b"nonsense").is_none());
    }

    #[test]
    fn the_own_thread_is_listed() {
        let tasks = Tasks::open().unwrap();
        let mut listed = Vec::with_capacity(4096);
        tasks.list(&mut listed).unwrap();
        // SAFETY: no preconditions.
        let own = unsafe { libc::gettid() };
        assert!(listed.contains(&own));
        assert!(tasks.count().unwrap() >= 1);
        assert!(tasks.started(own).is_some_and(|ticks| ticks > 0));
        assert!(tasks.exists(own) && !tasks.exists(-5));
        assert!(!tasks.status(own).unwrap().blocks(libc::SIGTERM));
        assert_eq!(tasks.list(&mut Vec::new()), Err(NoRoom));
    }

    #[test]
    fn the_stack_is_a_mapping() {
        let local = 0u8;
        let here = (&raw const local) as u64;
        let mapping = mapping_of(here).unwrap();
        assert!(mapping.anonymous);
        assert!(find_mapping(|mapping| mapping.is_main_stack).is_some());
        assert!(mapping_of(8).is_none());
    }
}
