//! Answers the unwinder for published code.
//!
//! libgcc finds a frame's description through `_Unwind_Find_FDE`, which it calls through the
//! PLT: a program that exports this symbol is asked first. [`answer`] looks the address up in an
//! index per engine, without a lock, and passes everything else on to libgcc. Registering with
//! libgcc instead costs each throw a pass over all registrations (GCC 12).
//!
//! A program opts in with [`answer_unwinder!`](crate::answer_unwinder).

use std::ffi::{c_int, c_void};
use std::ops::Range;
use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

use gimli::{BaseAddresses, CieOrFde, EhFrame, LittleEndian, UnwindSection};
use rewire_object::ExecAddr;

/// What `_Unwind_Find_FDE` fills in (`struct dwarf_eh_bases` of libgcc's unwind-dw2-fde.h).
#[derive(Debug)]
#[repr(C)]
pub struct Bases {
    text: *mut c_void,
    data: *mut c_void,
    function: *mut c_void,
}

/// One frame description: the code that it is about, and where it lies.
#[derive(Debug, Default)]
struct Record {
    start: AtomicU64,
    end: AtomicU64,
    /// The address of the FDE in `.eh_frame`.
    description: AtomicU64,
}

impl Record {
    /// The description is stored last, so that whoever sees it sees the rest.
    fn set(&self, range: Range<u64>, description: u64) {
        self.start.store(range.start, Ordering::Relaxed);
        self.end.store(range.end, Ordering::Relaxed);
        self.description.store(description, Ordering::Release);
    }

    fn contains(&self, address: u64) -> bool {
        self.description.load(Ordering::Acquire) != 0
            && self.start.load(Ordering::Relaxed) <= address
            && address < self.end.load(Ordering::Relaxed)
    }
}

const FIRST_CHUNK: usize = 1024;
const CHUNKS: usize = 22;

/// Frame descriptions of one engine's code, sorted by address because code memory is given out
/// upwards. One writer at a time; readers never wait.
#[derive(Debug)]
struct Index {
    range: Range<u64>,
    /// The stubs, whose description doesn't come in the order of addresses.
    stubs: Record,
    /// Chunk k has `FIRST_CHUNK << k` records.
    chunks: [AtomicPtr<Record>; CHUNKS],
    len: AtomicUsize,
    live: AtomicU64,
}

impl Index {
    fn record(&self, index: usize) -> Option<&Record> {
        let scaled = index / FIRST_CHUNK + 1;
        let chunk = scaled.ilog2() as usize;
        let place = index - (FIRST_CHUNK * ((1 << chunk) - 1));
        let start = self.chunks.get(chunk)?.load(Ordering::Acquire);
        if start.is_null() {
            return None;
        }
        // SAFETY: a chunk has `FIRST_CHUNK << chunk` records and is never freed.
        Some(unsafe { &*start.add(place) })
    }

    fn find(&self, address: u64) -> Option<&Record> {
        if self.stubs.contains(address) {
            return Some(&self.stubs);
        }
        let (mut low, mut high) = (0, self.len.load(Ordering::Acquire));
        while low < high {
            let middle = low.midpoint(high);
            let record = self.record(middle)?;
            if address < record.start.load(Ordering::Relaxed) {
                high = middle;
            } else if address >= record.end.load(Ordering::Relaxed) {
                low = middle + 1;
            } else {
                return Some(record);
            }
        }
        None
    }

    fn push(&self, range: Range<u64>, description: u64) -> bool {
        let len = self.len.load(Ordering::Relaxed);
        let chunk = (len / FIRST_CHUNK + 1).ilog2() as usize;
        let Some(place) = self.chunks.get(chunk) else {
            return false;
        };
        if place.load(Ordering::Relaxed).is_null() {
            let records: Vec<Record> = (0..FIRST_CHUNK << chunk)
                .map(|_| Record::default())
                .collect();
            let records = Box::leak(records.into_boxed_slice());
            place.store(records.as_mut_ptr(), Ordering::Release);
        }
        let Some(record) = self.record(len) else {
            return false;
        };
        record.set(range, description);
        self.len.store(len + 1, Ordering::Release);
        true
    }
}

const MAX_ENGINES: usize = 64;
static INDEXES: [AtomicPtr<Index>; MAX_ENGINES] =
    [const { AtomicPtr::new(std::ptr::null_mut()) }; MAX_ENGINES];

/// The frame descriptions of an engine's code. Dropping it makes the unwinder forget them all.
#[derive(Debug)]
pub struct UnwindTable {
    index: &'static Index,
    writer: Mutex<()>,
}

impl UnwindTable {
    /// A table for code in `range`; `None` when there are 64 engines already.
    #[must_use]
    pub fn new(range: Range<ExecAddr>) -> Option<Self> {
        // Never freed: an unwinder may be reading it at any time. An engine costs a few hundred
        // bytes this way.
        let index = Box::leak(Box::new(Index {
            range: range.start.get()..range.end.get(),
            stubs: Record::default(),
            chunks: [const { AtomicPtr::new(std::ptr::null_mut()) }; CHUNKS],
            len: AtomicUsize::new(0),
            live: AtomicU64::new(1),
        }));
        let place = INDEXES.iter().find(|place| {
            let none = std::ptr::null_mut();
            place
                .compare_exchange(none, index, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
        });
        place.map(|_| Self {
            index,
            writer: Mutex::new(()),
        })
    }

    /// Enters the descriptions of an `.eh_frame` section (LSB core, section 10.6.1) that lies at
    /// `address`, for code above all that was entered before. Malformed rest is left out.
    pub fn register(&self, section: &[u8], address: ExecAddr) {
        let _writer = self
            .writer
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        let mut found = descriptions(section, address);
        found.sort_unstable();
        for (start, end, description) in found {
            self.index.push(start..end, description);
        }
    }

    /// Enters the description of the stubs, made by [`stub_frames`] and placed at `address`.
    pub fn register_stubs(&self, section: &[u8], address: ExecAddr) {
        for (start, end, description) in descriptions(section, address) {
            self.index.stubs.set(start..end, description);
        }
    }

    /// How many descriptions are entered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.len.load(Ordering::Relaxed)
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Start, end and address of each frame description in a section at `address`.
fn descriptions(section: &[u8], address: ExecAddr) -> Vec<(u64, u64, u64)> {
    let frame = EhFrame::new(section, LittleEndian);
    let bases = BaseAddresses::default().set_eh_frame(address.get());
    let mut entries = frame.entries(&bases);
    let mut found = Vec::with_capacity(4);
    while let Ok(Some(entry)) = entries.next() {
        let CieOrFde::Fde(partial) = entry else {
            continue;
        };
        let Ok(fde) = partial.parse(EhFrame::cie_from_offset) else {
            continue;
        };
        let start = fde.initial_address();
        // 0 marks code that was discarded.
        if start != 0 && fde.len() != 0 {
            found.push((
                start,
                start + fde.len(),
                address.get() + fde.offset() as u64,
            ));
        }
    }
    found
}

impl Drop for UnwindTable {
    fn drop(&mut self) {
        self.index.live.store(0, Ordering::Release);
        let index: *const Index = self.index;
        for place in &INDEXES {
            let _ = place.compare_exchange(
                index.cast_mut(),
                std::ptr::null_mut(),
                Ordering::AcqRel,
                Ordering::Relaxed,
            );
        }
    }
}

type FindFde = unsafe extern "C" fn(*mut c_void, *mut Bases) -> *const c_void;

/// The body of the `_Unwind_Find_FDE` that [`answer_unwinder!`](crate::answer_unwinder) exports.
///
/// # Safety
///
/// `bases` points to a `struct dwarf_eh_bases`, as libgcc passes it.
pub unsafe fn answer(pc: *mut c_void, bases: *mut Bases) -> *const c_void {
    let address = pc as u64;
    for place in &INDEXES {
        // SAFETY: indexes are never freed.
        let Some(index) = (unsafe { place.load(Ordering::Acquire).as_ref() }) else {
            continue;
        };
        if !index.range.contains(&address) || index.live.load(Ordering::Acquire) == 0 {
            continue;
        }
        let Some(record) = index.find(address) else {
            return std::ptr::null();
        };
        // SAFETY: as the caller promises.
        unsafe {
            (*bases).text = std::ptr::null_mut();
            (*bases).data = std::ptr::null_mut();
            (*bases).function = record.start.load(Ordering::Relaxed) as *mut c_void;
        }
        return record.description.load(Ordering::Relaxed) as *const c_void;
    }
    static NEXT: OnceLock<Option<FindFde>> = OnceLock::new();
    let next = NEXT.get_or_init(|| {
        // SAFETY: the name is a C string; libgcc's function has this type.
        unsafe {
            let found = libc::dlsym(libc::RTLD_NEXT, c"_Unwind_Find_FDE".as_ptr());
            std::mem::transmute::<*mut c_void, Option<FindFde>>(found)
        }
    });
    match next {
        // SAFETY: the arguments are the unwinder's.
        Some(next) => unsafe { next(pc, bases) },
        None => std::ptr::null(),
    }
}

/// Makes the program answer the unwinder for engines' code. Goes into the executable, once:
/// libraries can't do it for their users, because only an executable's symbols come first.
#[macro_export]
macro_rules! answer_unwinder {
    () => {
        /// Asked by libgcc for the description of a frame.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn _Unwind_Find_FDE(
            pc: *mut ::std::ffi::c_void,
            bases: *mut $crate::unwind::Bases,
        ) -> *const ::std::ffi::c_void {
            // SAFETY: libgcc passes what it promises to.
            unsafe { $crate::unwind::answer(pc, bases) }
        }
    };
}

unsafe extern "C" {
    fn _Unwind_Backtrace(
        step: extern "C" fn(*mut c_void, *mut c_void) -> c_int,
        data: *mut c_void,
    ) -> c_int;
    fn _Unwind_GetIP(context: *mut c_void) -> usize;
}

/// The return addresses of the frames from here up, `most` of them at most.
#[must_use]
pub fn backtrace(most: usize) -> Vec<ExecAddr> {
    struct Walk {
        found: Vec<ExecAddr>,
        most: usize,
    }
    extern "C" fn step(context: *mut c_void, data: *mut c_void) -> c_int {
        // SAFETY: the unwinder passes its context and the pointer that goes with it.
        let (walk, address) = unsafe { (&mut *data.cast::<Walk>(), _Unwind_GetIP(context)) };
        walk.found.push(ExecAddr::new(address as u64));
        const NORMAL_STOP: c_int = 4;
        if walk.found.len() >= walk.most {
            NORMAL_STOP
        } else {
            0
        }
    }
    let mut walk = Walk {
        found: Vec::new(),
        most,
    };
    // SAFETY: the callback doesn't unwind, and the data outlives the call.
    unsafe { _Unwind_Backtrace(step, (&raw mut walk).cast()) };
    walk.found
}

/// The `.eh_frame` of the stubs: within a stub the stack is as at a function's entry, so that one
/// description covers all of them.
///
/// The bytes are position-independent relative to `at`, where they have to be placed.
#[must_use]
pub fn stub_frames(at: ExecAddr, stubs: Range<ExecAddr>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(64);
    let word = |value: u32| value.to_le_bytes();
    // CIE: version 1, "zR", code alignment 1, data alignment -8, return address in column 16;
    // pointers are 4-byte and relative; CFA = rsp + 8, return address at CFA - 8.
    bytes.extend(word(20));
    bytes.extend(word(0));
    bytes.extend([1, b'z', b'R', 0, 1, 0x78, 16, 1, 0x1b]);
    bytes.extend([0x0c, 7, 8, 0x90, 1]);
    bytes.resize(24, 0);
    let size = stubs.end.get() - stubs.start.get();
    bytes.extend(word(16));
    bytes.extend(word(28));
    let field = at + 32;
    bytes.extend(word(stubs.start.offset_from(field) as u32));
    bytes.extend(word(size as u32));
    bytes.resize(44, 0);
    bytes.extend(word(0));
    bytes
}
