//! Many threads, and threads that come and go.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::support::{Pieces, Running, alone, busy, call, is_thread, sleep, spin};

#[test]
fn code_is_kept_until_sixty_four_threads_have_left_it() {
    let _alone = alone();
    let pieces = Pieces::new();
    let (calls, spins) = (pieces.call.at(), pieces.spin.at());
    let threads: Vec<_> = (0..64)
        .map(|number| {
            Running::start(move |flags| match number % 16 {
                0 => spin(spins, flags),
                1 => call(calls, busy, flags.as_argument()),
                _ => call(calls, sleep, flags.as_argument()),
            })
        })
        .collect();
    let scan = pieces.known();
    assert!(is_thread(scan.held[0].as_ref()) && is_thread(scan.held[1].as_ref()));
    drop(threads);
    pieces.assert_free();
}

/// One thread is always in the code, each for a while, and each begins before the last ends:
/// there is no moment at which it could be found free. Others come and go all the time.
#[test]
fn threads_come_and_go() {
    let _alone = alone();
    let pieces = Pieces::new();
    let (calls, spins) = (pieces.call.at(), pieces.spin.at());
    let over = Arc::new(AtomicBool::new(false));
    let started = Arc::new(AtomicU64::new(0));
    let (of_thread, count) = (over.clone(), started.clone());
    let others = std::thread::spawn(move || {
        while !of_thread.load(Ordering::SeqCst) {
            let short: Vec<_> = (0..4)
                .map(|_| {
                    Running::start(move |flags| call(calls, sleep_shortly, flags.as_argument()))
                })
                .collect();
            count.fetch_add(short.len() as u64, Ordering::SeqCst);
            drop(short);
        }
    });
    let of_thread = over.clone();
    let relay = std::thread::spawn(move || {
        let mut last = Running::start(move |flags| spin(spins, flags));
        while !of_thread.load(Ordering::SeqCst) {
            let next = Running::start(move |flags| spin(spins, flags));
            std::mem::replace(&mut last, next).stop();
        }
        last
    });
    std::thread::sleep(Duration::from_millis(5));
    let begun = Instant::now();
    let mut known = 0;
    for _ in 0..300 {
        let scan = pieces.scan();
        if scan.unknown.is_empty() {
            known += 1;
            assert!(scan.held[0].is_some(), "{scan:?}");
        }
        if begun.elapsed() > Duration::from_secs(30) {
            break;
        }
    }
    over.store(true, Ordering::SeqCst);
    others.join().unwrap();
    relay.join().unwrap().stop();
    assert!(known > 0);
    assert!(started.load(Ordering::SeqCst) > 0);
    pieces.assert_free();
}

extern "C" fn sleep_shortly(argument: *mut std::ffi::c_void) {
    // SAFETY: the test passes flags.
    unsafe { super::support::Flags::of(argument) }.enter();
    std::thread::sleep(Duration::from_micros(50));
}

/// What a scan costs: `cargo test -p rewire-memory --test it -- --ignored --nocapture costs`.
#[test]
#[ignore = "prints times, which depend on the machine"]
fn prints_what_a_look_costs() {
    let _alone = alone();
    let pieces = Pieces::new();
    let calls = pieces.call.at();
    for (count, running, what) in [
        (0, 0, "no other"),
        (2, 0, "asleep"),
        (64, 0, "asleep"),
        (1, 1, "running"),
        (64, 1, "asleep but one"),
        (64, 64, "running"),
    ] {
        let threads: Vec<_> = (0..count)
            .map(|number| {
                Running::start(move |flags| {
                    let work = if number < running { busy } else { sleep };
                    call(calls, work, flags.as_argument());
                })
            })
            .collect();
        let _ = pieces.scan();
        let mut times: Vec<_> = (0..20)
            .map(|_| {
                let begun = Instant::now();
                let scan = pieces.scan();
                (begun.elapsed(), scan.unknown.len())
            })
            .collect();
        times.sort_unstable();
        println!(
            "{count} threads, {what}: {:?} at best, {:?} in the middle, {:?} at worst; unknown {}",
            times[0].0,
            times[10].0,
            times[19].0,
            times.iter().map(|one| one.1).sum::<usize>()
        );
        drop(threads);
    }
}
