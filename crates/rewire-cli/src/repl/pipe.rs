//! Inputs from a pipe or a file.

use std::ffi::c_char;
use std::ptr;

use super::balance::Balance;
use super::input::{Input, Inputs, Next, is_blank};

unsafe extern "C" {
    /// The C library's standard input.
    static stdin: *mut libc::FILE;
}

/// Reads standard input through the C library's stream: what compiled code reads with `getchar`
/// and the like is what follows the call.
#[derive(Debug)]
pub(crate) struct Pipe {
    buffer: *mut c_char,
    capacity: usize,
    /// How many lines were read.
    lines: usize,
    /// A line that was read and belongs to the next input.
    ahead: Option<String>,
}

impl Pipe {
    pub(crate) fn new() -> Self {
        Self {
            buffer: ptr::null_mut(),
            capacity: 0,
            lines: 0,
            ahead: None,
        }
    }

    /// The next line without its end; `None` at the end, an error for bytes that are no text.
    fn line(&mut self) -> Option<Result<String, String>> {
        if let Some(line) = self.ahead.take() {
            return Some(Ok(line));
        }
        // SAFETY: buffer and capacity are what the function itself has set, or null and 0
        // (getline(3)).
        let bytes = unsafe {
            let length = libc::getline(&raw mut self.buffer, &raw mut self.capacity, stdin);
            let length = usize::try_from(length).ok()?;
            std::slice::from_raw_parts(self.buffer.cast::<u8>(), length)
        };
        self.lines += 1;
        let line = std::str::from_utf8(bytes).map_err(|_| "the line is no UTF-8".to_owned());
        Some(line.map(|line| line.trim_end_matches(['\n', '\r']).to_owned()))
    }
}

impl Inputs for Pipe {
    fn next(&mut self) -> Next {
        let mut text = String::new();
        let mut first = 0;
        let mut balance = Balance::default();
        loop {
            let line = match self.line() {
                None if text.is_empty() => return Next::End,
                None => break,
                Some(Ok(line)) => line,
                Some(Err(what)) => {
                    return Next::Bad {
                        line: self.lines,
                        what,
                    };
                }
            };
            if text.is_empty() {
                if is_blank(&line) {
                    continue;
                }
                first = self.lines;
                if line.trim_start().starts_with(':') {
                    return Next::Input(Input {
                        text: line,
                        line: first,
                        is_complete: true,
                    });
                }
            } else if balance.is_broken_off_by(&line) {
                self.ahead = Some(line);
                break;
            }
            balance.feed(&line);
            text.push_str(&line);
            text.push('\n');
            if balance.is_complete() {
                break;
            }
        }
        Next::Input(Input {
            text,
            line: first,
            is_complete: balance.is_complete(),
        })
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        // SAFETY: the buffer is null or `getline`'s, for us to free.
        unsafe { libc::free(self.buffer.cast()) };
    }
}
