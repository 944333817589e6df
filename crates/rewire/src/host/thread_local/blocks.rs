//! Manages the blocks of each thread: its own copies of the modules' variables.
//!
//! A thread finds a block in its table. A signal handler may interrupt the lookup at any
//! instruction, and may create blocks and a larger table. So a former table stays unchanged until
//! the thread has ended, and the lookup reads a row's round before its block. All changes are made
//! with all signals blocked.

use std::cell::Cell;
use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use rewire_sync::OnceLock;

use super::arena::{Arena, Extent};
use super::modules::{self, Image, ModuleNumber};

/// The block of one module, if `start` isn't null.
struct Row {
    /// The round of the module that the block belongs to.
    round: AtomicU32,
    /// The block's extent: see [`Row::extent`].
    extent: Cell<u32>,
    start: AtomicPtr<u8>,
}

/// Marks an extent as a number of pages.
const PAGES: u32 = 1 << 31;
const PAGE: usize = 4096;

impl Row {
    fn extent(&self) -> Extent {
        match self.extent.get() {
            pages if pages & PAGES != 0 => Extent::Pages((pages & !PAGES) as usize * PAGE),
            class => Extent::Shared(class as usize),
        }
    }

    fn set_extent(&self, extent: Extent) {
        self.extent.set(match extent {
            Extent::Pages(bytes) => (bytes / PAGE) as u32 | PAGES,
            Extent::Shared(class) => class as u32,
        });
    }
}

/// A table of rows, indexed by the modules' places. The rows follow this header in memory.
struct Table {
    rows: usize,
    thread: *mut Thread,
    /// The former table, which an interrupted lookup may still be reading.
    former: *mut Table,
    extent: Extent,
}

/// The number of rows in a thread's first table.
const FIRST_ROWS: usize = 15;

impl Table {
    /// # Safety
    ///
    /// The caller must ensure that the table was made by [`new_table`].
    unsafe fn row<'a>(this: *const Self, place: usize) -> Option<&'a Row> {
        // SAFETY: as the caller promises.
        unsafe { (place < (*this).rows).then(|| &*this.add(1).cast::<Row>().add(place)) }
    }
}

/// The data of one thread. It lies in the thread's own arena.
struct Thread {
    arena: Arena,
    newest: *mut Table,
    /// The thread's ID, set when the thread's destructors run.
    tid: i32,
    /// The thread that ended before this one.
    next: *mut Thread,
}

thread_local! {
    /// This thread's newest table.
    static TABLE: Cell<*const Table> = const { Cell::new(ptr::null()) };
}

/// Returns this thread's block of a module, or null if it has none.
pub(super) fn find(number: ModuleNumber) -> *mut u8 {
    let table = TABLE.get();
    if table.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: it was made by `new_table`, and stays until the thread has ended.
    match unsafe { Table::row(table, number.place as usize) } {
        Some(row) if row.round.load(Ordering::Acquire) == number.round => {
            row.start.load(Ordering::Acquire)
        }
        _ => ptr::null_mut(),
    }
}

/// Creates this thread's block of a module, which it doesn't have yet. Returns null if the module
/// has no image.
///
/// # Safety
///
/// The caller must ensure that all signals are blocked.
pub(super) unsafe fn make(number: ModuleNumber) -> *mut u8 {
    let Some(image) = modules::image(number) else {
        return ptr::null_mut();
    };
    let place = number.place as usize;
    // SAFETY: signals are blocked, so the thread and its arena are this call's alone.
    unsafe {
        let table = table_with(place);
        let Some(row) = Table::row(table, place) else {
            return ptr::null_mut();
        };
        let arena = &mut (*(*table).thread).arena;
        let former = row.start.swap(ptr::null_mut(), Ordering::Relaxed);
        if !former.is_null() {
            // The block belongs to the module that had the place before.
            arena.release(former, row.extent());
        }
        let start = fill(arena, row, image);
        row.round.store(number.round, Ordering::Release);
        row.start.store(start, Ordering::Release);
        start
    }
}

fn fill(arena: &mut Arena, row: &Row, image: &Image) -> *mut u8 {
    let (start, extent) = arena.take(image.size, image.align);
    row.set_extent(extent);
    // SAFETY: the block is at least as large as the image.
    unsafe { ptr::copy_nonoverlapping(image.bytes.as_ptr(), start, image.bytes.len()) };
    start
}

/// Returns this thread's newest table, with a row for `place`.
///
/// # Safety
///
/// The caller must ensure that all signals are blocked.
unsafe fn table_with(place: usize) -> *const Table {
    let former = TABLE.get();
    // SAFETY: signals are blocked, so all of it is this call's alone.
    unsafe {
        let thread = if former.is_null() {
            new_thread()
        } else {
            (*former).thread
        };
        if !former.is_null() && place < (*former).rows {
            return former;
        }
        let known = if former.is_null() { 0 } else { (*former).rows };
        let rows = (place + 1).max(known * 2 + 1).max(FIRST_ROWS);
        let table = new_table(thread, rows);
        for place in 0..known {
            if let (Some(from), Some(to)) = (Table::row(former, place), Table::row(table, place)) {
                to.round
                    .store(from.round.load(Ordering::Relaxed), Ordering::Relaxed);
                to.extent.set(from.extent.get());
                to.start
                    .store(from.start.load(Ordering::Relaxed), Ordering::Relaxed);
            }
        }
        (*thread).newest = table;
        TABLE.set(table);
        if known == 0 {
            arm(thread);
        }
        table
    }
}

/// # Safety
///
/// The caller must ensure that `thread` is this thread's, and that all signals are blocked.
unsafe fn new_table(thread: *mut Thread, rows: usize) -> *mut Table {
    let size = size_of::<Table>() + rows * size_of::<Row>();
    // SAFETY: as the caller promises; the memory is zeroed, so each row is empty.
    unsafe {
        let (start, extent) = (*thread).arena.take(size, align_of::<Table>());
        let table = start.cast::<Table>();
        table.write(Table {
            rows,
            thread,
            former: (*thread).newest,
            extent,
        });
        table
    }
}

fn new_thread() -> *mut Thread {
    let mut arena = Arena::new();
    let (start, _) = arena.take(size_of::<Thread>(), align_of::<Thread>());
    let thread = start.cast::<Thread>();
    // SAFETY: the memory is as large as a `Thread`, and aligned.
    unsafe {
        thread.write(Thread {
            arena,
            newest: ptr::null_mut(),
            tid: 0,
            next: ptr::null_mut(),
        });
    }
    thread
}

static KEY: OnceLock<libc::pthread_key_t> = OnceLock::new();

/// Creates the key whose destructor handles ending threads. Called before the first module is used,
/// because later calls may be in a signal handler.
pub(super) fn prepare() {
    KEY.get_or_init(|| {
        let mut key = 0;
        // SAFETY: the destructor fits the values that the key gets.
        unsafe { libc::pthread_key_create(&raw mut key, Some(end_of_thread)) };
        key
    });
}

/// Arranges that the thread's blocks are freed after it has ended.
fn arm(thread: *mut Thread) {
    if let Some(key) = KEY.get() {
        // SAFETY: the key was made by `prepare`.
        unsafe { libc::pthread_setspecific(*key, thread.cast()) };
    }
}

/// The threads that are ending or have ended, the latest first.
static ENDING: AtomicPtr<Thread> = AtomicPtr::new(ptr::null_mut());

/// Runs when a thread ends. Other destructors and signal handlers of the thread may use its
/// variables until it is gone. So each ending thread frees the blocks of the threads that are gone
/// by then.
extern "C" fn end_of_thread(thread: *mut c_void) {
    let thread: *mut Thread = thread.cast();
    let mut others = ENDING.swap(ptr::null_mut(), Ordering::Acquire);
    // SAFETY: each thread was made by `new_thread`, and is in the list once: `arm` is called once.
    // Those in the list are this call's alone now.
    unsafe {
        (*thread).tid = libc::gettid();
        keep(thread);
        while !others.is_null() {
            let next = (*others).next;
            if is_alive((*others).tid) {
                keep(others);
            } else {
                free(others);
            }
            others = next;
        }
    }
}

/// # Safety
///
/// The caller must ensure that the thread isn't in the list, and that nothing else adds it.
unsafe fn keep(thread: *mut Thread) {
    let mut first = ENDING.load(Ordering::Relaxed);
    loop {
        // SAFETY: as the caller promises.
        unsafe { (*thread).next = first };
        match ENDING.compare_exchange_weak(first, thread, Ordering::Release, Ordering::Relaxed) {
            Ok(_) => return,
            Err(now) => first = now,
        }
    }
}

fn is_alive(tid: i32) -> bool {
    // SAFETY: signal 0 is never sent; the call only looks for the thread.
    unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), tid, 0) == 0 }
}

/// # Safety
///
/// The caller must ensure that the thread has ended.
unsafe fn free(thread: *mut Thread) {
    // SAFETY: as the caller promises; nothing uses the thread's tables and blocks any more.
    // Everything in shared chunks of the arena is freed with the arena, including the `Thread`
    // itself.
    unsafe {
        let mut table = (*thread).newest;
        let mut arena = ptr::read(&raw const (*thread).arena);
        for place in 0..(*table).rows {
            let Some(row) = Table::row(table, place) else {
                continue;
            };
            let start = row.start.load(Ordering::Relaxed);
            if !start.is_null() && matches!(row.extent(), Extent::Pages(_)) {
                arena.release(start, row.extent());
            }
        }
        while !table.is_null() {
            let (former, extent) = ((*table).former, (*table).extent);
            if matches!(extent, Extent::Pages(_)) {
                arena.release(table.cast(), extent);
            }
            table = former;
        }
        arena.free();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::super::modules::{forget_module, new_module, set_image};
    use super::*;

    fn module(value: u8, size: u64) -> ModuleNumber {
        prepare();
        let module = new_module();
        set_image(module, vec![value], size, 8);
        ModuleNumber::of(module)
    }

    fn byte(number: ModuleNumber) -> u8 {
        let known = find(number);
        // SAFETY: nothing interrupts the tests, and the block has at least one byte.
        unsafe {
            if known.is_null() {
                *make(number)
            } else {
                *known
            }
        }
    }

    #[test]
    fn blocks_stay_where_they_are_when_the_table_grows() {
        let first = module(1, 8);
        assert_eq!(byte(first), 1);
        let (table, start) = (TABLE.get(), find(first));
        let many: Vec<ModuleNumber> = (0..600).map(|n| module(n as u8, 8)).collect();
        for (n, number) in many.iter().enumerate() {
            assert_eq!(byte(*number), n as u8);
        }
        assert_ne!(TABLE.get(), table);
        assert_eq!(find(first), start);
        // A lookup that was interrupted by the handler which made the table grow continues in the
        // former table.
        // SAFETY: it stays until the thread has ended.
        let row = unsafe { Table::row(table, first.place as usize) }.unwrap();
        assert_eq!(row.start.load(Ordering::Relaxed), start);
    }

    #[test]
    fn the_next_module_of_a_place_has_a_block_of_its_own() {
        for size in [8, 100_000] {
            let module = new_module();
            set_image(module, vec![7; 8], size, 8);
            let first = ModuleNumber::of(module);
            assert_eq!(byte(first), 7);
            forget_module(module);
            let next = ModuleNumber {
                round: first.round + 1,
                ..first
            };
            assert!(find(next).is_null());
            assert!(modules::image(next).is_none());
        }
    }

    #[test]
    fn threads_that_have_ended_give_back_what_they_had() {
        let numbers: Vec<ModuleNumber> = [8, 5000, 1 << 20].map(|size| module(9, size)).into();
        let ends = || {
            for number in &numbers {
                assert_eq!(byte(*number), 9);
            }
        };
        for _ in 0..50 {
            thread::scope(|scope| {
                scope.spawn(ends);
            });
        }
        // The swap gave this test sole ownership of the list until it puts the threads back.
        let mut ending = ENDING.swap(ptr::null_mut(), Ordering::Acquire);
        let mut waiting = 0;
        while !ending.is_null() {
            waiting += 1;
            // SAFETY: they were in the list.
            unsafe {
                let next = (*ending).next;
                keep(ending);
                ending = next;
            }
        }
        assert!(waiting < 10, "{waiting} of 50 threads are kept");
    }
}
