//! [`Stopped`]: where a call was when it was stopped, and why.

use std::fmt;
use std::sync::Arc;

use rewire_memory::ExecAddr;
use rewire_memory::leave::{Access, Stop};

/// Finds the names of compiled functions by address. Called in signal handlers, but never in one
/// that has interrupted the engine's own code.
pub(crate) trait FrameNames {
    /// Returns the function that contains an address; `None` if no function of the program does.
    fn frame_at(&self, address: ExecAddr) -> Option<StoppedFrame>;

    /// Returns the function that compiled code calls by name, given the return address of the call.
    fn called_at(&self, address: ExecAddr) -> Option<Arc<str>>;
}

/// Where a call was when a [`Recovery`](crate::Recovery) stopped it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stopped {
    /// The signal's number: `SIGINT` if the user interrupted the call.
    pub signal: i32,
    /// What happened, as text for people: `SIGSEGV at 0x7f0012345678, writing address 0x10`.
    pub what: String,
    /// The address of the interrupted instruction.
    pub at: ExecAddr,
    /// The function of the host that was running, if one was.
    pub outside: Option<Arc<str>>,
    /// The frames of compiled code, innermost first.
    pub frames: Vec<StoppedFrame>,
    /// The number of further frames that aren't listed.
    pub more: usize,
}

/// One frame of a call that was stopped.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StoppedFrame {
    /// The function.
    pub function: Arc<str>,
    /// The generation of the frame's definition; `None` if that definition isn't in force any more.
    pub generation: Option<u32>,
    /// The function's demangled name.
    shown: String,
    /// Whether the caller's frame belongs to the same call.
    is_continuation: bool,
}

impl fmt::Display for StoppedFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.shown;
        match self.generation {
            Some(generation) => write!(f, "{name} (generation {generation})"),
            None => write!(f, "{name} (a former generation)"),
        }
    }
}

impl StoppedFrame {
    pub(crate) fn new(function: Arc<str>, shown: String, generation: Option<u32>) -> Self {
        Self {
            function,
            generation,
            shown,
            is_continuation: false,
        }
    }

    /// Says whether the frame goes on with what its caller's frame began, in a better body.
    pub(crate) fn marked(self, is_continuation: bool) -> Self {
        Self {
            is_continuation,
            ..self
        }
    }
}

/// The call's frames in one line.
impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in ", self.what)?;
        let mut frames = self.frames.iter();
        match (&self.outside, frames.next()) {
            (Some(outside), Some(first)) => write!(f, "{outside}, called by {first}")?,
            (Some(outside), None) => f.write_str(outside)?,
            (None, Some(first)) => first.fmt(f)?,
            (None, None) => self.at.fmt(f)?,
        }
        for frame in frames {
            write!(f, ", called by {}", frame.shown)?;
        }
        match self.more {
            0 => Ok(()),
            more => write!(f, ", and {more} more"),
        }
    }
}

impl Stopped {
    /// Describes a stop without looking up any names.
    pub(super) fn without_names(stop: &Stop) -> Self {
        Self {
            signal: stop.signal,
            what: what(stop),
            at: stop.at,
            outside: None,
            frames: Vec::new(),
            more: 0,
        }
    }

    /// Describes a stop, with the names of the functions.
    pub(super) fn new(names: &dyn FrameNames, stop: &Stop) -> Self {
        let outside = stop.trace.is_outside().then(|| {
            let call = stop.trace.calls().first();
            let name = call.and_then(|call| names.called_at(*call));
            name.unwrap_or_else(|| "a function of the host's".into())
        });
        let found = stop.trace.frames().iter();
        let mut frames: Vec<StoppedFrame> = Vec::new();
        for frame in found.filter_map(|at| names.frame_at(*at)) {
            let goes_on =
                |inner: &StoppedFrame| inner.is_continuation && inner.function == frame.function;
            if !frames.last().is_some_and(goes_on) {
                frames.push(frame);
            } else if let Some(inner) = frames.last_mut() {
                inner.is_continuation = frame.is_continuation;
            }
        }
        Self {
            outside,
            frames,
            more: stop.trace.more(),
            ..Self::without_names(stop)
        }
    }

    /// Returns the demangled functions, innermost first. Consecutive frames of the same function
    /// appear once, with their number.
    #[must_use]
    pub fn places(&self) -> Vec<String> {
        let mut places: Vec<(String, usize)> = Vec::new();
        let outside = self.outside.iter().map(|name| name.to_string());
        for place in outside.chain(self.frames.iter().map(StoppedFrame::to_string)) {
            match places.last_mut() {
                Some((last, times)) if *last == place => *times += 1,
                _ => places.push((place, 1)),
            }
        }
        if self.more > 0 {
            places.push((format!("{} more", self.more), 1));
        }
        let shown = places.into_iter().map(|(place, times)| match times {
            1 => place,
            _ => format!("{place}, {times} times"),
        });
        shown.collect()
    }
}

fn what(stop: &Stop) -> String {
    let name = match stop.signal {
        libc::SIGINT => "interrupted",
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGBUS => "SIGBUS",
        libc::SIGILL => "SIGILL",
        libc::SIGFPE => "SIGFPE",
        libc::SIGABRT => "SIGABRT",
        libc::SIGTRAP => "SIGTRAP",
        other => return format!("signal {other} at {}", stop.at),
    };
    let at = stop.at;
    match stop.access {
        Some((Access::Read, address)) => format!("{name} at {at}, reading address {address}"),
        Some((Access::Write, address)) => format!("{name} at {at}, writing address {address}"),
        Some((Access::Execute, address)) => format!("{name}, calling address {address}"),
        None => format!("{name} at {at}"),
    }
}
