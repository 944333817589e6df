//! Code that is written through a second view of it.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;

use super::*;

/// `mov $value, %eax; ret`
fn returns(value: u8) -> [u8; 6] {
    [0xb8, value, 0, 0, 0, 0xc3]
}

fn call(function: &Range<ExecAddr>) -> i32 {
    // SAFETY: the bytes are a function of this type.
    let function: extern "C" fn() -> i32 =
        unsafe { std::mem::transmute(function.start.get() as *const ()) };
    function()
}

/// Writes to code as a debugger does.
fn poke(at: ExecAddr, bytes: &[u8]) {
    let mem = OpenOptions::new()
        .write(true)
        .open("/proc/self/mem")
        .unwrap();
    mem.write_all_at(bytes, at.get()).unwrap();
}

#[test]
fn no_page_is_private_that_nobody_pokes() {
    let memory = memory();
    let code = kept(&memory, RegionKind::Code, &returns(1));
    assert!(memory.mirror.is_some(), "this kernel has no such files");
    assert!(!is_private(&code), "it was written by force");
    poke(code.start, &returns(2));
    assert!(is_private(&code));
    assert_eq!(call(&code), 2);
}

/// Whether the process has a page of its own there: one that is not the file's
/// (`/proc/self/pagemap`, bit 61).
fn is_private(code: &Range<ExecAddr>) -> bool {
    let pages = OpenOptions::new()
        .read(true)
        .open("/proc/self/pagemap")
        .unwrap();
    let mut entry = [0; 8];
    pages
        .read_exact_at(&mut entry, code.start.get() / 4096 * 8)
        .unwrap();
    u64::from_le_bytes(entry) >> 61 & 1 == 0
}

#[test]
fn code_beside_a_breakpoint_is_seen() {
    let memory = memory();
    let first = kept(&memory, RegionKind::Code, &returns(1));
    poke(first.start, &[0xcc]);
    let second = kept(&memory, RegionKind::Code, &returns(2));
    assert_eq!(first.start.get() / 4096, second.start.get() / 4096);
    assert_eq!(call(&second), 2);
    free(&memory, RegionKind::Code, &second);
    assert_eq!(peek(&second), [0xcc; 6]);
    poke(first.start, &returns(1)[..1]);
    assert_eq!(call(&first), 1);
}

/// What a child's exit status says of what it does.
fn in_child(work: impl FnOnce() -> bool) -> bool {
    // SAFETY: the child does what needs no other thread, and ends without running handlers.
    unsafe {
        let child = libc::fork();
        assert!(child >= 0);
        if child == 0 {
            libc::_exit(i32::from(!work()));
        }
        let mut status = 0;
        assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
        status == 0
    }
}

#[test]
fn parent_and_child_change_their_own_code() {
    let memory = memory();
    let old = kept(&memory, RegionKind::Code, &returns(1));
    let [mut to_child, mut to_parent] = [[0; 2]; 2];
    // SAFETY: the arrays have room for two descriptors each.
    unsafe {
        assert_eq!(libc::pipe(to_child.as_mut_ptr()), 0);
        assert_eq!(libc::pipe(to_parent.as_mut_ptr()), 0);
    }
    let tell = |pipe: [i32; 2]| {
        // SAFETY: one byte.
        unsafe { libc::write(pipe[1], [0u8].as_ptr().cast(), 1) == 1 }
    };
    let wait = |pipe: [i32; 2]| {
        // SAFETY: one byte.
        unsafe { libc::read(pipe[0], [0u8].as_mut_ptr().cast(), 1) == 1 }
    };
    memory.leave_to_child();
    let parent = std::thread::scope(|scope| {
        let child = scope.spawn(|| {
            in_child(|| {
                // Before the child has written anything, and so has pages of its own.
                let keeps = tell(to_parent) && wait(to_child) && call(&old) == 1;
                // The same addresses as the parent's.
                let mine = kept(&memory, RegionKind::Code, &returns(3));
                let seen = call(&mine) == 3 && tell(to_parent) && wait(to_child);
                keeps && seen && call(&mine) == 3 && call(&old) == 1
            })
        });
        assert!(wait(to_parent));
        free(&memory, RegionKind::Code, &old);
        memory.end_quarantine();
        let again = kept(&memory, RegionKind::Code, &returns(4));
        let new = kept(&memory, RegionKind::Code, &returns(5));
        assert_eq!(again.start, old.start);
        assert_eq!((call(&again), call(&new)), (4, 5));
        assert!(tell(to_child) && wait(to_parent));
        let last = kept(&memory, RegionKind::Code, &returns(6));
        assert_eq!((call(&again), call(&new), call(&last)), (4, 5, 6));
        assert!(tell(to_child));
        child.join().unwrap()
    });
    assert!(parent, "the child's code changed");
}

#[test]
fn a_child_does_not_touch_what_it_mapped_itself() {
    let memory = memory();
    kept(&memory, RegionKind::Code, &returns(1));
    let view = memory.mirror.as_ref().unwrap().view();
    let size = (view.end.get() - view.start.get()) as usize;
    let is_left_alone = in_child(|| {
        // SAFETY: the child has nothing there.
        let page = unsafe {
            libc::mmap(
                view.start.get() as *mut libc::c_void,
                size,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE,
                -1,
                0,
            )
        };
        let code = kept(&memory, RegionKind::Code, &[0xc3; 8192]);
        // SAFETY: just mapped.
        let bytes = unsafe { std::slice::from_raw_parts(page.cast::<u8>(), 16384) };
        let is_clean = bytes.iter().all(|byte| *byte == 0);
        drop(memory);
        // SAFETY: mapped by the child, and not by the memory that has gone.
        let stays = unsafe { page.cast::<u8>().read_volatile() == 0 };
        !page.is_null() && !code.is_empty() && is_clean && stays
    });
    assert!(is_left_alone);
}

#[test]
fn the_views_are_counted() {
    let memory = memory();
    kept(&memory, RegionKind::Code, &returns(1));
    let inside = count_maps(&memory.reach()).unwrap();
    let all = memory.count_maps().unwrap();
    assert!(
        (1..=2).contains(&(all.all - inside.all)),
        "{all:?} {inside:?}"
    );
    assert_eq!(all.writable_executable, 0);
}
