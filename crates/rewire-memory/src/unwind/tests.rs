//! Entering and removing while others ask.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::thread;

use super::*;

/// Addresses that nothing else has: non-canonical ones, a range for each test.
fn range(test: u64) -> Range<ExecAddr> {
    let start = ExecAddr::new(0x1234_0000_0000_0000 + (test << 32));
    start..start + (1 << 26)
}

/// What an `.eh_frame` section at `at` describes of functions of `size` bytes from `start` on.
fn section(at: ExecAddr, start: ExecAddr, size: u64, count: u64) -> Vec<Frame> {
    let frame = |one| Frame {
        start: start + one * size,
        size,
        description: at + (24 + 20 * one),
    };
    (0..count).map(frame).collect()
}

/// What the unwinder gets for an address: where the function starts, and its description.
fn ask(address: ExecAddr) -> Option<(u64, u64)> {
    let mut bases = Bases {
        text: std::ptr::null_mut(),
        data: std::ptr::null_mut(),
        function: std::ptr::null_mut(),
    };
    // SAFETY: the structure is what libgcc would pass.
    let found = unsafe { answer(address.get() as *mut c_void, &raw mut bases) };
    (!found.is_null()).then_some((bases.function as u64, found as u64))
}

#[test]
fn what_is_registered_is_answered_until_it_is_dropped() {
    let range = range(1);
    let table = UnwindTable::new(range.clone()).unwrap();
    let (code, frames) = (range.start + 0x1000, range.start + 0x10_0000);
    let bytes = section(frames, code, 64, 10);
    assert!(ask(code).is_none());
    let registration = table.register(&bytes);
    assert_eq!((registration.len(), table.len()), (10, 10));
    for one in 0..10 {
        let start = code + 64 * one;
        let expected = (start.get(), frames.get() + 24 + 20 * one);
        assert_eq!(ask(start), Some(expected));
        assert_eq!(ask(start + 63), Some(expected));
    }
    assert!(ask(code + 640).is_none());
    // Below what was entered before: addresses come in any order.
    let below = table.register(&section(frames + 0x1000, range.start, 64, 1));
    assert!(ask(range.start).is_some());
    drop(registration);
    assert_eq!(table.len(), 1);
    assert!(ask(code).is_none() && ask(range.start).is_some());
    drop(table);
    assert!(ask(range.start).is_none());
    drop(below);
}

#[test]
fn a_million_changes_leave_nothing_behind() {
    let range = range(3);
    let table = UnwindTable::new(range.clone()).unwrap();
    let at = range.start;
    let keep: Vec<_> = (0..100)
        .map(|one| {
            let bytes = section(at, at + 0x1000 + one * 256, 64, 1);
            table.register(&bytes)
        })
        .collect();
    let arrays = table.entered.index().arrays();
    let sections: Vec<_> = (0..1000)
        .map(|one| section(at, at + 0x1040 + one * 256, 64, 1))
        .collect();
    for round in 0..1_000_000 {
        drop(table.register(&sections[round % 1000]));
    }
    assert_eq!(table.len(), 100);
    assert_eq!(table.entered.index().arrays(), arrays);
    // Other tests may be asking right now; when they have, nothing is left.
    while {
        let mut limbo = lock(&table.entered.writer);
        limbo.collect(&READERS);
        limbo.len() > 0
    } {
        thread::yield_now();
    }
    drop(keep);
    assert_eq!(table.entered.index().arrays(), (0, 0));
}

#[test]
fn readers_see_whole_records_while_others_come_and_go() {
    let range = range(4);
    let table = UnwindTable::new(range.clone()).unwrap();
    // Permanent functions and changing ones alternate in the same pages.
    let code = range.start + 0x1000;
    let at = |one: u64| range.start + 0x20_0000 + one * 64;
    let enter = |one: u64| {
        let bytes = section(at(one), code + one * 32, 32, 1);
        table.register(&bytes)
    };
    let _stay: Vec<_> = (0..600).step_by(2).map(enter).collect();
    let done = AtomicBool::new(false);
    let start = Barrier::new(4);
    thread::scope(|scope| {
        for reader in 0..2u64 {
            let (done, start) = (&done, &start);
            scope.spawn(move || {
                start.wait();
                let mut one = reader;
                while !done.load(Ordering::Relaxed) {
                    one = (one + 7) % 600;
                    let expected = ((code + one * 32).get(), at(one).get() + 24);
                    let found = ask(code + one * 32 + 5);
                    if one % 2 == 0 {
                        assert_eq!(found, Some(expected));
                    } else {
                        assert!(found.is_none_or(|found| found == expected));
                    }
                }
            });
        }
        let writers: Vec<_> = (0..2u64)
            .map(|writer| {
                let (enter, start) = (&enter, &start);
                scope.spawn(move || {
                    start.wait();
                    for round in 0..5_000u64 {
                        let one = (round * 4 + writer * 2) % 600 + 1;
                        drop(enter(one));
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.join().unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_signal_handler_may_ask_while_its_thread_registers() {
    static ASKED: AtomicU64 = AtomicU64::new(0);
    static WRONG: AtomicU64 = AtomicU64::new(0);
    extern "C" fn handler(_: libc::c_int) {
        let start = range(5).start;
        if ask(start + 0x1000) != Some((start.get() + 0x1000, start.get() + 24)) {
            WRONG.fetch_add(1, Ordering::Relaxed);
        }
        ASKED.fetch_add(1, Ordering::Relaxed);
    }
    let range = range(5);
    let table = UnwindTable::new(range.clone()).unwrap();
    let at = range.start;
    let _stay = table.register(&section(at, at + 0x1000, 16, 1));
    let other = section(at, at + 0x1010, 16, 8);
    // SAFETY: the handler only does what is tested here to be allowed; no other test of this
    // crate uses the signal.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as *const () as usize;
        action.sa_flags = libc::SA_RESTART;
        assert_eq!(
            libc::sigaction(libc::SIGUSR2, &raw const action, std::ptr::null_mut()),
            0
        );
    }
    // SAFETY: it has no precondition.
    let writer = unsafe { libc::pthread_self() };
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                // SAFETY: the thread lives until `done` is set and this one is joined.
                unsafe { libc::pthread_kill(writer, libc::SIGUSR2) };
                thread::yield_now();
            }
        });
        while ASKED.load(Ordering::Relaxed) < 500 {
            drop(table.register(&other));
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(WRONG.load(Ordering::Relaxed), 0);
}

#[test]
fn engines_come_and_go_while_others_ask() {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let start = range(6).start;
            while !done.load(Ordering::Relaxed) {
                let found = ask(start + 0x1000);
                assert!(found.is_none_or(|found| found.1 == start.get() + 24));
            }
        });
        for _ in 0..2000 {
            let range = range(6);
            let table = UnwindTable::new(range.clone()).unwrap();
            let bytes = section(range.start, range.start + 0x1000, 16, 1);
            let registration = table.register(&bytes);
            drop(table);
            drop(registration);
        }
        done.store(true, Ordering::Relaxed);
    });
    while {
        let mut dead = lock(&DEAD);
        dead.collect(&READERS);
        dead.len() > 0
    } {
        thread::yield_now();
    }
}
