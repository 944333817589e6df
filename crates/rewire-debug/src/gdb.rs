//! The JIT interface of gdb, which lldb has as well (gdb's manual, "JIT Compilation Interface").
//!
//! Images of code form a list, and a function is called whenever the list changes; the debugger has
//! a breakpoint there. gdb's time to take an image grows with the images that there are: 2,000 of
//! them take more than a minute. So of many images one is made, of many such one that is larger
//! still, and so on: a function is in few images in its life, and there are never many of them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::ptr;

use rewire_sync::{Mutex, unpoisoned};

use crate::{EhFrame, Function, PlacedFunction, image};

/// So many images of one level become one of the next. That makes at most 93 images of 30,000
/// registrations.
const MERGED: usize = 32;

/// An image is made again when more than one in so many of its groups have left.
const MOST_LEFT: usize = 8;

/// An image in the list; gdb's `jit_code_entry`.
#[repr(C)]
struct CodeEntry {
    next: *mut CodeEntry,
    previous: *mut CodeEntry,
    image: *const u8,
    size: u64,
}

/// The list; gdb's `jit_descriptor`.
#[repr(C)]
struct Descriptor {
    version: u32,
    /// What the function is called for.
    action: u32,
    relevant: *mut CodeEntry,
    first: *mut CodeEntry,
}

const ADDED: u32 = 1;
const REMOVED: u32 = 2;

// Both are weak: LLVM's libraries have them as well, and a program may be linked with these. Then
// there is one list all the same.
std::arch::global_asm!(
    ".pushsection .text.__jit_debug_register_code,\"ax\",@progbits",
    ".weak __jit_debug_register_code",
    ".type __jit_debug_register_code,@function",
    "__jit_debug_register_code:",
    ".cfi_startproc",
    "ret",
    ".cfi_endproc",
    ".size __jit_debug_register_code, .-__jit_debug_register_code",
    ".popsection",
    ".pushsection .data.__jit_debug_descriptor,\"aw\",@progbits",
    ".p2align 3",
    ".weak __jit_debug_descriptor",
    ".type __jit_debug_descriptor,@object",
    "__jit_debug_descriptor:",
    // Version 1, and nothing else.
    ".long 1, 0",
    ".quad 0, 0",
    ".size __jit_debug_descriptor, .-__jit_debug_descriptor",
    ".popsection",
);

unsafe extern "C" {
    static mut __jit_debug_descriptor: Descriptor;
    fn __jit_debug_register_code();
}

/// Functions that debuggers know, until this is dropped.
#[derive(Debug)]
#[must_use = "debuggers know the functions as long as this lives"]
pub struct Registration {
    group: u64,
}

/// Makes functions known to debuggers: their names, and how to unwind from them. To be called
/// before the code can be run, or breakpoints in it are missed. With a debugger attached this takes
/// half a millisecond, so functions that come together should be registered together.
///
/// May be called from any thread.
pub fn register(functions: &[Function<'_>]) -> Registration {
    let mut images = unpoisoned(IMAGES.lock());
    let group = images.next_group;
    images.next_group += 1;
    images.make_room(functions);
    images.add(BTreeMap::from([(group, Group::new(functions))]), 0);
    images.merge();
    Registration { group }
}

impl Drop for Registration {
    fn drop(&mut self) {
        unpoisoned(IMAGES.lock()).remove(self.group);
    }
}

/// Whether a debugger is attached to this process (proc(5), `TracerPid`).
#[must_use]
pub fn is_attached() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let tracer = status
        .lines()
        .find_map(|line| line.strip_prefix("TracerPid:"));
    tracer.is_some_and(|process| process.trim() != "0")
}

/// What was registered together.
struct Group {
    functions: Vec<KeptFunction>,
    /// Sections of frame descriptions, with their addresses.
    frames: Vec<(u64, Box<[u8]>)>,
}

struct KeptFunction {
    name: Box<str>,
    range: Range<u64>,
    /// An index of the group's sections.
    frames: Option<usize>,
}

impl Group {
    fn new(functions: &[Function<'_>]) -> Self {
        let mut frames: Vec<(u64, Box<[u8]>)> = Vec::new();
        let kept = |function: &Function<'_>| KeptFunction {
            name: function.name.into(),
            range: function.range(),
            frames: function.frames.map(|section| {
                let known = frames.iter().position(|known| known.0 == section.address);
                known.unwrap_or_else(|| {
                    frames.push((section.address, section.bytes.into()));
                    frames.len() - 1
                })
            }),
        };
        let functions = functions.iter().map(kept).collect();
        Self { functions, frames }
    }

    fn functions(&self) -> impl Iterator<Item = PlacedFunction<'_>> {
        self.functions.iter().map(|kept| PlacedFunction {
            name: &kept.name,
            range: kept.range.clone(),
            frames: kept.frames.map(|index| EhFrame {
                address: self.frames[index].0,
                bytes: &self.frames[index].1,
            }),
        })
    }
}

/// An image that debuggers know.
struct Known {
    groups: BTreeMap<u64, Group>,
    /// Groups that have left and are still in the image. Making an image costs what is in it, so it
    /// is made again when they are many, or when other code comes to lie where theirs was.
    left: BTreeMap<u64, Group>,
    /// How often its groups were merged.
    level: usize,
    entry: *mut CodeEntry,
    /// What the entry leads to.
    _bytes: Box<[u8]>,
}

/// All images of this process.
struct Images {
    list: Vec<Known>,
    next_group: u64,
}

// SAFETY: the entries are reached under the lock only.
unsafe impl Send for Images {}

static IMAGES: Mutex<Images> = Mutex::new(Images {
    list: Vec::new(),
    next_group: 0,
});

impl Images {
    fn add(&mut self, groups: BTreeMap<u64, Group>, level: usize) {
        let functions = groups.values().flat_map(Group::functions).collect();
        let Some(bytes) = image::of(functions).map(Vec::into_boxed_slice) else {
            return self.add_in_parts(groups, level);
        };
        let entry = Box::into_raw(Box::new(CodeEntry {
            next: ptr::null_mut(),
            previous: ptr::null_mut(),
            image: bytes.as_ptr(),
            size: bytes.len() as u64,
        }));
        // SAFETY: the list is changed under the lock only. Entries in it are valid.
        unsafe {
            let list = &raw mut __jit_debug_descriptor;
            (*entry).next = (*list).first;
            if let Some(next) = (*list).first.as_mut() {
                next.previous = entry;
            }
            (*list).first = entry;
            tell(entry, ADDED);
        }
        self.list.push(Known {
            groups,
            left: BTreeMap::new(),
            level,
            entry,
            _bytes: bytes,
        });
    }

    /// Makes several images of groups that one can't hold.
    fn add_in_parts(&mut self, mut groups: BTreeMap<u64, Group>, level: usize) {
        let Some(middle) = groups.keys().nth(groups.len() / 2).copied() else {
            return;
        };
        // What was registered together stays together, and isn't known if it is too much.
        if groups.len() > 1 {
            let others = groups.split_off(&middle);
            self.add(groups, level);
            self.add(others, level);
        }
    }

    fn remove(&mut self, group: u64) {
        let holds = |known: &Known| known.groups.contains_key(&group);
        let Some(at) = self.list.iter().position(holds) else {
            return;
        };
        let known = &mut self.list[at];
        let leaving = known.groups.remove_entry(&group);
        known.left.extend(leaving);
        if known.left.len() * MOST_LEFT > known.groups.len() {
            self.make_again(at);
        }
    }

    /// Makes the images anew in which code has left whose place others take.
    fn make_room(&mut self, functions: &[Function<'_>]) {
        let is_taken = |group: &Group| {
            let mut left = group.functions();
            left.any(|left| {
                functions
                    .iter()
                    .any(|new| overlap(&left.range, &new.range()))
            })
        };
        let is_outdated = |known: &Known| known.left.values().any(is_taken);
        while let Some(at) = self.list.iter().position(is_outdated) {
            self.make_again(at);
        }
    }

    fn make_again(&mut self, at: usize) {
        let level = self.list[at].level;
        let groups = self.forget(at);
        if !groups.is_empty() {
            self.add(groups, level);
        }
    }

    /// Makes one image of the many of each level.
    fn merge(&mut self) {
        for level in 0.. {
            let is_of_level = |known: &Known| known.level == level;
            if self.list.iter().filter(|known| is_of_level(known)).count() < MERGED {
                return;
            }
            let mut groups = BTreeMap::new();
            while let Some(at) = self.list.iter().position(is_of_level) {
                groups.append(&mut self.forget(at));
            }
            self.add(groups, level + 1);
        }
    }

    /// Has debuggers forget an image.
    fn forget(&mut self, at: usize) -> BTreeMap<u64, Group> {
        let known = self.list.remove(at);
        // SAFETY: the list is changed under the lock only, and entries in it are valid. This one
        // was made by `add`; nobody has it once it is told to be removed.
        unsafe {
            let list = &raw mut __jit_debug_descriptor;
            let CodeEntry { next, previous, .. } = *known.entry;
            match previous.as_mut() {
                Some(previous) => previous.next = next,
                None => (*list).first = next,
            }
            if let Some(next) = next.as_mut() {
                next.previous = previous;
            }
            tell(known.entry, REMOVED);
            drop(Box::from_raw(known.entry));
        }
        known.groups
    }
}

fn overlap(one: &Range<u64>, other: &Range<u64>) -> bool {
    one.start < other.end && other.start < one.end
}

/// Has the debugger look at an entry.
///
/// # Safety
///
/// The lock is held, and the entry is valid.
unsafe fn tell(entry: *mut CodeEntry, action: u32) {
    // SAFETY: as the caller ensures. The function does nothing; a debugger stops there.
    unsafe {
        let list = &raw mut __jit_debug_descriptor;
        (*list).relevant = entry;
        (*list).action = action;
        __jit_debug_register_code();
        (*list).action = 0;
        (*list).relevant = ptr::null_mut();
    }
}
