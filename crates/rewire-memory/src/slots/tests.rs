//! First calls through real stubs, with an engine that knows bodies by number.

use std::collections::HashMap;
use std::sync::{Barrier, LazyLock};
use std::thread;

use super::*;
use crate::entry::{self, FirstCall};
use crate::memory::CodeMapping;

const BODIES: u32 = 64;
/// The body of a function that was called as often as its calls were counted.
const OFTEN: u32 = 40;
/// What a call through a slot of nobody's returns.
const LOST: u32 = u32::MAX;

/// As the engine is to slots: a lock, and for each function the number of its body.
struct Engine {
    slots: Slots,
    bodies: Vec<ExecAddr>,
    lost: ExecAddr,
    current: Mutex<HashMap<SlotId, u32>>,
    /// How many first calls entered it.
    entered: AtomicU64,
}

static ENGINES: Mutex<Vec<Arc<Engine>>> = Mutex::new(Vec::new());

fn handler(call: FirstCall) -> Option<ExecAddr> {
    let engines = ENGINES.lock().unwrap();
    let is_here = |engine: &&Arc<Engine>| engine.slots.stub_range().contains(&call.stub);
    let engine = engines.iter().find(is_here).cloned()?;
    drop(engines);
    engine.entered.fetch_add(1, Ordering::Relaxed);
    if let Some(slot) = engine.slots.of_counting_call(call.stub) {
        engine.slots.store_target(slot, engine.body(OFTEN));
        engine.slots.stop_counting(slot);
        return None;
    }
    let Some(slot) = engine.slots.of_first_call(call.stub) else {
        return Some(engine.lost);
    };
    let current = engine.current.lock().unwrap();
    if engine.slots.is_fresh(slot) {
        let body = current
            .get(&slot)
            .map_or(engine.lost, |one| engine.body(*one));
        engine.slots.store_target(slot, body);
    }
    None
}

impl Engine {
    fn new() -> Arc<Self> {
        static ENTRY: LazyLock<ExecAddr> = LazyLock::new(|| entry::install(handler));
        let memory = Arc::new(CodeMemory::reserve(CodeMapping::default()).unwrap());
        let body = |number: u32| {
            // mov $number, %eax; ret
            let mut code = vec![0xb8];
            code.extend(number.to_le_bytes());
            code.push(0xc3);
            let mut reserved = memory.allocate(RegionKind::Code, 6, 16).unwrap();
            reserved.write(&code).unwrap();
            reserved.keep().start
        };
        let engine = Arc::new(Self {
            bodies: (0..BODIES).map(body).collect(),
            lost: body(LOST),
            current: Mutex::default(),
            entered: AtomicU64::new(0),
            slots: Slots::new(memory.clone(), *ENTRY),
        });
        ENGINES.lock().unwrap().push(engine.clone());
        engine
    }

    fn body(&self, number: u32) -> ExecAddr {
        self.bodies[number as usize]
    }

    /// Calls a function by its canonical address.
    fn call(&self, slot: SlotId) -> u32 {
        let stub = self.slots.canonical(slot).get() as *const ();
        // SAFETY: all bodies are functions of this type.
        let function: extern "C" fn() -> u32 = unsafe { std::mem::transmute(stub) };
        function()
    }

    fn entered(&self) -> u64 {
        self.entered.load(Ordering::Relaxed)
    }
}

#[test]
fn a_ready_body_is_called_without_the_engine() {
    let engine = Engine::new();
    let slot = engine.slots.allocate().unwrap();
    assert!(engine.slots.is_fresh(slot));
    assert!(engine.slots.store_ready(slot, engine.body(1)));
    assert!(
        engine.slots.store_ready(slot, engine.body(2)),
        "nobody has it"
    );
    assert_eq!(engine.call(slot), 2);
    assert_eq!((engine.entered(), engine.slots.found_ready()), (0, 1));
    assert_eq!(engine.slots.target(slot), engine.body(2));
    assert!(!engine.slots.store_ready(slot, engine.body(3)));
    assert_eq!(engine.call(slot), 2);
}

#[test]
fn a_slot_that_was_reset_enters_the_engine() {
    let engine = Engine::new();
    let slot = engine.slots.allocate().unwrap();
    assert!(engine.slots.store_ready(slot, engine.body(1)));
    engine.slots.store_engine(slot);
    assert!(engine.slots.is_fresh(slot));
    assert_ne!(
        engine.slots.target(slot),
        engine.slots.canonical(slot) + NEW
    );
    assert_eq!(engine.slots.take_ready(slot), None);
    assert!(!engine.slots.store_ready(slot, engine.body(2)));
    assert!(!engine.slots.store_body(slot, engine.body(2), true));
    engine.current.lock().unwrap().insert(slot, 3);
    assert_eq!(engine.call(slot), 3);
    assert_eq!((engine.entered(), engine.slots.found_ready()), (1, 0));
}

#[test]
fn a_first_call_with_a_removed_body_goes_to_the_engine() {
    let engine = Engine::new();
    let slot = engine.slots.allocate().unwrap();
    engine.current.lock().unwrap().insert(slot, 9);
    engine.slots.store_engine(slot);
    // As if the body had been taken just before: a real first call takes it, and can't store it.
    let table = engine.slots.table();
    let ready = table.ready.word(0, (HEAD / STUB) as usize + slot.index());
    ready.store(engine.body(1).get(), Ordering::Release);
    drop(table);
    assert_eq!(engine.call(slot), 9);
    assert_eq!((engine.entered(), engine.slots.found_ready()), (1, 1));
    assert_eq!(engine.slots.target(slot), engine.body(9));
}

#[test]
fn a_body_is_not_left_when_a_first_call_has_got_the_former() {
    let engine = Engine::new();
    let slot = engine.slots.allocate().unwrap();
    assert!(engine.slots.store_body(slot, engine.body(1), true));
    // A first call takes it, and is interrupted there.
    let table = engine.slots.table();
    let ready = table.ready.word(0, (HEAD / STUB) as usize + slot.index());
    assert_eq!(ready.swap(0, Ordering::AcqRel), engine.body(1).get());
    drop(table);
    assert!(!engine.slots.store_body(slot, engine.body(2), true));
    assert_eq!(engine.slots.target(slot), engine.body(2));
}

#[test]
fn slots_are_given_back() {
    let engine = Engine::new();
    let slots = &engine.slots;
    let many: Vec<SlotId> = (0..600).map(|_| slots.allocate().unwrap()).collect();
    assert_eq!(slots.in_use(), 600);
    let (first, second) = (many[3], many[500]);
    slots.store_target(first, engine.body(1));
    assert!(slots.free(first) && slots.free(second));
    assert!(!slots.free(first), "twice");
    assert!(!slots.free(SlotId::new(100_000)), "never given out");
    assert_eq!(slots.in_use(), 598);
    let stub = slots.canonical(first);
    assert_eq!(
        (slots.at_canonical(stub), slots.at_stub(stub + 5)),
        (None, None)
    );
    assert_eq!(engine.call(first), LOST);
    assert_eq!(slots.allocate().unwrap(), first);
    assert_eq!(slots.at_canonical(stub), Some(first));
    assert_eq!(slots.target(first), stub + NEW);
    assert!(slots.store_ready(first, engine.body(2)));
    assert_eq!(engine.call(first), 2);
    assert_eq!(slots.allocate().unwrap(), second);
    for _ in 0..1_000_000 {
        let slot = slots.allocate().unwrap();
        assert!(slots.free(slot));
    }
    assert_eq!(slots.table().known.len(), 601);
}

#[test]
fn callers_never_go_back_to_an_older_or_a_removed_body() {
    const CALLERS: usize = 3;
    const ROUNDS: usize = 500;
    const CALLS: usize = 100;
    let engine = Engine::new();
    let meet = Barrier::new(CALLERS + 1);
    let slot = Mutex::new(None);
    // Bodies up to this number are removed.
    let removed = AtomicU64::new(0);
    // Told at the end: a thread that stops early would keep the others waiting.
    let wrong = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..CALLERS {
            scope.spawn(|| {
                for _ in 0..ROUNDS {
                    meet.wait();
                    let slot = slot.lock().unwrap().unwrap();
                    let mut newest = 0;
                    for _ in 0..CALLS {
                        let floor = removed.load(Ordering::Acquire);
                        let body = u64::from(engine.call(slot));
                        if body <= floor || body < newest {
                            wrong.lock().unwrap().push((body, floor, newest));
                        }
                        newest = body;
                    }
                    meet.wait();
                }
            });
        }
        for round in 0..ROUNDS {
            let new = engine.slots.allocate().unwrap();
            *slot.lock().unwrap() = Some(new);
            removed.store(0, Ordering::Relaxed);
            engine.current.lock().unwrap().insert(new, 1);
            if round % 2 == 0 {
                engine.slots.store_body(new, engine.body(1), true);
            }
            meet.wait();
            for number in 2..8 {
                let mut current = engine.current.lock().unwrap();
                current.insert(new, number);
                match (round + number as usize) % 3 {
                    0 => {
                        engine.slots.store_engine(new);
                        removed.store(u64::from(number) - 1, Ordering::Release);
                    }
                    1 => {
                        engine.slots.store_body(new, engine.body(number), true);
                    }
                    _ => engine.slots.store_target(new, engine.body(number)),
                }
                drop(current);
                thread::yield_now();
            }
            meet.wait();
            engine.current.lock().unwrap().remove(&new);
            engine.slots.free(new);
        }
    });
    assert_eq!(wrong.into_inner().unwrap(), []);
    assert_eq!(engine.slots.in_use(), 0);
}

#[test]
fn slots_of_functions_that_left_lead_to_the_engine_until_they_lead_somewhere() {
    let engine = Engine::new();
    let slots = &engine.slots;
    let all: Vec<SlotId> = (0..3 * STUBS_PER_PAGE)
        .map(|_| slots.allocate().unwrap())
        .collect();
    for (number, slot) in all.iter().enumerate() {
        if number % 2 == 0 {
            assert!(slots.store_ready(*slot, engine.body(1)));
        } else {
            slots.store_target(*slot, engine.body(2));
        }
    }
    // Two pages of stubs have a page of words together.
    for slot in &all {
        slots.store_engine_for_ever(*slot);
        assert!(slots.is_fresh(*slot));
        assert_eq!(slots.at_canonical(slots.canonical(*slot)), Some(*slot));
        assert_eq!(slots.take_ready(*slot), None);
    }
    for slot in &all {
        slots.store_body(*slot, engine.body(3), false);
        assert_eq!(slots.target(*slot), engine.body(3));
        slots.store_engine_for_ever(*slot);
    }
    assert_eq!(slots.in_use(), all.len());
}

#[test]
fn the_engine_is_called_after_as_many_calls_as_were_counted() {
    let engine = Engine::new();
    let slots = &engine.slots;
    // More than a page of counting stubs.
    let ids: Vec<SlotId> = (0..300).map(|_| slots.allocate().unwrap()).collect();
    for (calls, id) in (1..).zip(&ids) {
        let counting = slots.count_calls(*id, engine.body(1), calls).unwrap();
        assert!(slots.stub_range().contains(&counting));
        assert!(slots.ways_in(*id).iter().any(|way| way.contains(&counting)));
        slots.store_target(*id, counting);
    }
    for (calls, id) in (1..).zip(&ids) {
        for _ in 0..calls {
            assert_eq!(engine.call(*id), 1);
        }
        let entered = engine.entered();
        // The engine retargets the slot, and the call that was one too many still gets the body
        // that it was on its way to: through the function's stub.
        assert_eq!(engine.call(*id), OFTEN);
        assert_eq!(engine.entered(), entered + 1);
        assert_eq!(engine.call(*id), OFTEN);
        assert_eq!(engine.entered(), entered + 1);
    }
}

#[test]
fn a_thread_in_a_counting_stub_goes_where_its_function_is() {
    let engine = Engine::new();
    let slots = &engine.slots;
    let id = slots.allocate().unwrap();
    let counting = slots.count_calls(id, engine.body(1), 100).unwrap();
    slots.store_target(id, counting);
    assert_eq!(run(counting), 1);
    slots.store_target(id, engine.body(2));
    slots.stop_counting(id);
    assert_eq!(run(counting), 2, "as if it had been in the stub since");
    // Counted anew, at the same place.
    assert_eq!(slots.count_calls(id, engine.body(3), 5).unwrap(), counting);
    assert_eq!(run(counting), 3);
    assert_eq!(slots.calls_left(id), Some(4));
    slots.free(id);
    assert_eq!(slots.calls_left(id), None);
    // The counting stub is given to the next function, and tells its slot.
    let next = slots.allocate().unwrap();
    assert_eq!(
        slots.count_calls(next, engine.body(4), 1).unwrap(),
        counting
    );
    slots.store_target(next, counting);
    assert_eq!([engine.call(next), engine.call(next)], [4, OFTEN]);
}

/// Calls the code at an address.
fn run(code: ExecAddr) -> u32 {
    // SAFETY: it leads to bodies, which are functions of this type.
    let function: extern "C" fn() -> u32 = unsafe { std::mem::transmute(code.get() as *const ()) };
    function()
}
