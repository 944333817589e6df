//! Taking, giving back and taking again.

use super::*;
use crate::maps::count_maps;

mod mirrored;

const MAPPINGS: [CodeMapping; 2] = [CodeMapping::Mirrored, CodeMapping::Anonymous];

fn memory() -> CodeMemory {
    CodeMemory::reserve(CodeMapping::default()).unwrap()
}

#[test]
fn code_is_written_and_runs() {
    for mapping in MAPPINGS {
        code_runs(&CodeMemory::reserve(mapping).unwrap());
    }
}

fn code_runs(memory: &CodeMemory) {
    // mov $42, %eax; ret
    let code = [0xb8, 42, 0, 0, 0, 0xc3];
    let mut reserved = memory.allocate(RegionKind::Code, 6, 16).unwrap();
    reserved.write(&code).unwrap();
    let range = reserved.keep();
    // SAFETY: the bytes are a function of this type.
    let function: extern "C" fn() -> i32 =
        unsafe { std::mem::transmute(range.start.get() as *const ()) };
    assert_eq!(function(), 42);
    assert_eq!(memory.read_bytes(range.start, 6).unwrap(), code);
    assert_eq!(memory.read_bytes(range.end, 1), None);
    let maps = memory.count_maps().unwrap();
    assert_eq!(maps.writable_executable, 0);
}

#[test]
fn what_is_dropped_is_taken_again() {
    let memory = memory();
    let first = memory.allocate(RegionKind::Data, 100, 8).unwrap().start();
    let again = memory.allocate(RegionKind::Data, 8, 8).unwrap();
    assert!((first..first + 100).contains(&again.start()));
    again.keep();
    assert_eq!(memory.usage().data, 8);
}

#[test]
fn what_is_dropped_in_any_order_is_taken_again() {
    let memory = memory();
    let first = memory.allocate(RegionKind::Data, 64, 64).unwrap();
    let second = memory.allocate(RegionKind::Data, 64, 64).unwrap();
    let start = first.start();
    drop(first);
    second.keep();
    assert_eq!(memory.usage().data, 64);
    let again = memory.allocate(RegionKind::Data, 64, 64).unwrap();
    assert_eq!(again.start(), start);
}

fn kept(memory: &CodeMemory, kind: RegionKind, bytes: &[u8]) -> Range<ExecAddr> {
    let mut reserved = memory.allocate(kind, bytes.len() as u64, 16).unwrap();
    reserved.write(bytes).unwrap();
    reserved.keep()
}

fn free(memory: &CodeMemory, kind: RegionKind, range: &Range<ExecAddr>) {
    // SAFETY: the tests' memory is used by nobody else.
    unsafe { memory.free(kind, range.clone()) }.unwrap();
}

fn peek(range: &Range<ExecAddr>) -> Vec<u8> {
    let size = (range.end.get() - range.start.get()) as usize;
    // SAFETY: memory that was given out stays mapped and readable.
    unsafe { std::slice::from_raw_parts(range.start.get() as *const u8, size) }.to_vec()
}

#[test]
fn what_is_freed_is_poisoned_quarantined_and_given_out_again() {
    for mapping in MAPPINGS {
        is_given_out_again(&CodeMemory::reserve(mapping).unwrap());
    }
}

fn is_given_out_again(memory: &CodeMemory) {
    for (kind, poison) in [
        (RegionKind::Code, 0xcc),
        (RegionKind::ReadOnly, 0xdb),
        (RegionKind::Data, 0xdb),
    ] {
        let range = kept(memory, kind, &[1; 100]);
        let neighbour = kept(memory, kind, &[2; 100]);
        free(memory, kind, &range);
        assert_eq!(peek(&range), [poison; 100]);
        assert_eq!(peek(&neighbour), [2; 100]);
        assert_eq!(memory.read_bytes(range.start, 1), None);
        assert_eq!(memory.usage().quarantined, 100);
        let other = kept(memory, kind, &[3; 100]);
        assert_ne!(other.start, range.start);
        // SAFETY: nothing happens.
        let twice = unsafe { memory.free(kind, range.clone()) };
        assert!(twice.is_err());
        assert_eq!(memory.end_quarantine(), 100);
        assert_eq!(memory.usage().quarantined, 0);
        let again = memory.allocate(kind, 100, 16).unwrap();
        assert_eq!(again.start(), range.start);
        if kind == RegionKind::Data {
            assert_eq!(peek(&range), [0; 100]);
        }
    }
}

#[test]
fn slots_and_wrong_ranges_are_not_freed() {
    let memory = memory();
    let slots = kept(&memory, RegionKind::Slots, &[0; 8]);
    let code = kept(&memory, RegionKind::Code, &[0xc3; 8]);
    let beyond = code.start..code.end + 1;
    let backwards = code.end..code.start;
    for (kind, range) in [
        (RegionKind::Slots, slots),
        (RegionKind::Data, code.clone()),
        (RegionKind::Code, beyond),
        (RegionKind::Code, backwards),
    ] {
        // SAFETY: nothing happens.
        let error = unsafe { memory.free(kind, range) }.unwrap_err();
        assert!(matches!(error, MemoryError::NotInUse { .. }), "{error}");
    }
    assert_eq!(peek(&code), [0xc3; 8]);
}

#[test]
fn large_variables_are_zero_again_and_their_pages_go_back() {
    let memory = memory();
    let size = 1 << 20;
    let range = kept(&memory, RegionKind::Data, &vec![7; size]);
    free(&memory, RegionKind::Data, &range);
    assert_eq!(peek(&range)[size / 2], 0xdb);
    memory.end_quarantine();
    assert_eq!(peek(&range)[size / 2], 0, "its pages went back");
    let again = kept(&memory, RegionKind::Data, &vec![7; size]);
    assert_eq!(again, range);
    // What is dropped unseen isn't quarantined, so its pages still hold what was written.
    let mut dropped = memory.allocate(RegionKind::Data, size as u64, 1).unwrap();
    let (start, end) = (dropped.start(), dropped.start() + dropped.size());
    dropped.write(&vec![9; size]).unwrap();
    drop(dropped);
    let zero = memory.allocate(RegionKind::Data, size as u64, 1).unwrap();
    assert_eq!(zero.start(), start);
    assert!(peek(&(start..end)).iter().all(|byte| *byte == 0));
}

#[test]
fn code_stays_quarantined_where_threads_cannot_be_synchronised() {
    let mut memory = memory();
    memory.barrier = Barrier::missing();
    let code = kept(&memory, RegionKind::Code, &[0xc3; 32]);
    let data = kept(&memory, RegionKind::Data, &[1; 32]);
    free(&memory, RegionKind::Code, &code);
    free(&memory, RegionKind::Data, &data);
    assert_eq!(memory.end_quarantine(), 32);
    assert_eq!(memory.usage().quarantined, 32);
    assert_ne!(kept(&memory, RegionKind::Code, &[0xc3; 32]), code);
}

#[test]
fn pieces_taken_at_the_end_lie_together() {
    let memory = memory();
    let holes: Vec<_> = (0..8)
        .map(|_| kept(&memory, RegionKind::Data, &[1; 64]))
        .collect();
    for hole in holes.iter().step_by(2) {
        free(&memory, RegionKind::Data, hole);
    }
    memory.end_quarantine();
    let mut end = None;
    for _ in 0..4 {
        let piece = memory.allocate_at_end(RegionKind::Data, 24, 8).unwrap();
        assert!(end.is_none_or(|end| end == piece.start()));
        end = Some(piece.keep().end);
    }
}

#[test]
fn code_is_replaced_a_hundred_thousand_times_in_the_same_memory() {
    let memory = memory();
    let mut highest = ExecAddr::NULL;
    for round in 0..100_000u32 {
        // mov $round, %eax; ret
        let mut code = vec![0xb8];
        code.extend(round.to_le_bytes());
        code.push(0xc3);
        code.resize(6 + (round % 57) as usize, 0xcc);
        let mut reserved = memory
            .allocate(RegionKind::Code, code.len() as u64, 16)
            .unwrap();
        reserved.write(&code).unwrap();
        let range = reserved.keep();
        // SAFETY: the bytes are a function of this type.
        let function: extern "C" fn() -> u32 =
            unsafe { std::mem::transmute(range.start.get() as *const ()) };
        assert_eq!(function(), round);
        highest = highest.max(range.end);
        free(&memory, RegionKind::Code, &range);
        if round % 16 == 0 {
            memory.end_quarantine();
        }
    }
    let start = memory.region(RegionKind::Code).start;
    assert!(highest.get() - start.get() < 4096);
    assert_eq!(memory.usage().code, 0);
}

#[test]
fn many_allocations_stay_few_mappings() {
    let memory = memory();
    for _ in 0..5000 {
        for kind in [RegionKind::Code, RegionKind::ReadOnly, RegionKind::Data] {
            let mut block = memory.allocate(kind, 1000, 16).unwrap();
            block.write(&[1; 1000]).unwrap();
            block.keep();
        }
    }
    let maps = count_maps(&memory.reach()).unwrap();
    assert!(maps.all <= 12, "{maps:?}");
    assert!(memory.allocate(RegionKind::Data, 1 << 30, 1).is_err());
}

#[test]
fn pages_are_replaced_where_nothing_can_be_forced() {
    for kind in [RegionKind::Code, RegionKind::ReadOnly] {
        let memory = CodeMemory::reserve(CodeMapping::Anonymous).unwrap();
        memory.writer.forbid_force();
        // Longer than a page, and none of it where a page begins.
        let pieces: Vec<(Range<ExecAddr>, Vec<u8>)> = (1..=20_u8)
            .map(|number| {
                let bytes = vec![number; 700 * usize::from(number)];
                (kept(&memory, kind, &bytes), bytes)
            })
            .collect();
        for (range, bytes) in &pieces {
            let found = memory.read_bytes(range.start, bytes.len());
            assert_eq!(found.as_ref(), Some(bytes));
        }
        let maps = memory.count_maps().unwrap();
        assert_eq!(maps.writable_executable, 0);
    }
}

#[test]
fn code_runs_on_while_pages_beside_it_are_replaced() {
    let memory = CodeMemory::reserve(CodeMapping::Anonymous).unwrap();
    // mov $42, %eax; ret
    let range = kept(&memory, RegionKind::Code, &[0xb8, 42, 0, 0, 0, 0xc3]);
    memory.writer.forbid_force();
    // SAFETY: the bytes are a function of this type.
    let function: extern "C" fn() -> i32 =
        unsafe { std::mem::transmute(range.start.get() as *const ()) };
    let is_over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                assert_eq!(function(), 42);
            }
        });
        for number in 0..500_u32 {
            let beside = kept(&memory, RegionKind::Code, &[number as u8; 5]);
            assert_eq!(beside.start.get() / 4096, range.start.get() / 4096);
            // SAFETY: nobody uses it.
            unsafe { memory.free(RegionKind::Code, beside).unwrap() };
            memory.end_quarantine();
        }
        is_over.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}
