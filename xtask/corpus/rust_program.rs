//! A Rust program that leans on its run-time library: panics that unwind, threads, thread-locals
//! with destructors, collections, generics, traits, formatting.

mod rust_long;

use std::any::Any;
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, LinkedList, VecDeque};
use std::ffi::{c_int, c_void};
use std::fmt::{self, Debug, Display, Write as _};
use std::future::Future;
use std::hint::black_box;
use std::io::{BufRead, Read, Write};
use std::ops::{Add, Index, Mul};
use std::panic::{self, AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::process::ExitCode;
use std::rc::{Rc, Weak};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Condvar, LazyLock, Mutex, Once, OnceLock, RwLock, mpsc};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};
use std::thread;

/// Says when it goes.
struct Noisy(&'static str);

impl Drop for Noisy {
    fn drop(&mut self) {
        print!("-{} ", self.0);
    }
}

fn section(name: &str) {
    println!("\n[{name}]");
}

// --- panics

#[derive(Debug, PartialEq)]
struct Payload(u32);

fn deep(depth: u32, how: u32) -> u32 {
    let _local = Noisy(if depth == 0 { "deepest" } else { "frame" });
    if depth > 0 {
        return deep(depth - 1, how) + 1;
    }
    match how {
        0 => panic!("a formatted message: {how}"),
        1 => panic::panic_any(Payload(7)),
        2 => black_box(&[1, 2, 3][..])[black_box(3)],
        3 => black_box(1) / black_box(0),
        4 => black_box(None::<u32>).expect("nothing there"),
        5 => "x".parse::<u32>().unwrap(),
        6 => unreachable!("never"),
        7 => RefCell::new(1).try_borrow_mut().map_or(0, |mut one| {
            *one += 1;
            panic!("while borrowed {one}")
        }),
        _ => how,
    }
}

fn describe(payload: Box<dyn Any + Send>) -> String {
    match payload.downcast::<String>() {
        Ok(text) => format!("String {text:?}"),
        Err(payload) => match payload.downcast::<&str>() {
            Ok(text) => format!("str {text:?}"),
            Err(payload) => match payload.downcast::<Payload>() {
                Ok(payload) => format!("{payload:?}"),
                Err(_) => "something else".to_owned(),
            },
        },
    }
}

static LAST_LINE: AtomicUsize = AtomicUsize::new(0);

unsafe extern "C-unwind" {
    fn qsort(
        base: *mut c_void,
        count: usize,
        size: usize,
        compare: extern "C-unwind" fn(*const c_void, *const c_void) -> c_int,
    );
}

extern "C-unwind" fn compare(one: *const c_void, other: *const c_void) -> c_int {
    // SAFETY: `qsort` passes pointers to two of the numbers.
    let (one, other) = unsafe { (*one.cast::<i32>(), *other.cast::<i32>()) };
    assert!(one != 13 && other != 13, "unlucky");
    one - other
}

fn panics() {
    section("panics");
    panic::set_hook(Box::new(|info| {
        let line = info.location().map_or(0, |location| location.line());
        LAST_LINE.store(line as usize, Ordering::Relaxed);
    }));
    for how in 0..9 {
        match catch_unwind(|| deep(2, how)) {
            Ok(value) => println!("value {value}"),
            Err(payload) => {
                println!(
                    "{} at line {}",
                    describe(payload),
                    LAST_LINE.load(Ordering::Relaxed)
                );
            }
        }
    }
    let outer = catch_unwind(|| {
        let _outer = Noisy("outer");
        let inner = catch_unwind(|| {
            let _inner = Noisy("inner");
            deep(0, 6)
        });
        if let Err(payload) = inner {
            resume_unwind(payload)
        }
    });
    println!("{}", describe(outer.unwrap_err()));
    let mut numbers = [5, 1, 13, 4, 2];
    // SAFETY: there are five numbers, and `compare` reads two of them.
    let sorted = catch_unwind(AssertUnwindSafe(|| unsafe {
        qsort(numbers.as_mut_ptr().cast(), 5, 4, compare) // through the C library's frames
    }));
    println!("{}", describe(sorted.unwrap_err()));
    let mut caught = 0u64;
    for i in 0..2000u64 {
        if let Err(payload) = catch_unwind(|| {
            if i % 3 == 0 {
                panic::panic_any(i)
            }
        }) {
            caught += *payload.downcast::<u64>().unwrap();
        }
    }
    println!("caught {caught}");
    let result = thread::spawn(|| deep(1, 1)).join();
    println!("{}", describe(result.unwrap_err()));
    let mutex = Arc::new(Mutex::new(1));
    let shared = mutex.clone();
    let _ = thread::spawn(move || {
        let _guard = shared.lock().unwrap();
        panic!("poisons")
    })
    .join();
    println!(
        "poisoned {} {:?}",
        mutex.is_poisoned(),
        mutex.lock().is_err()
    );
    let _ = panic::take_hook();
}

// --- thread-locals

struct Counted(u32);

impl Drop for Counted {
    fn drop(&mut self) {
        let early = EARLY.try_with(|early| early.get()).ok();
        println!("gone after {} {early:?}", self.0);
    }
}

thread_local! {
    static EARLY: Cell<u32> = const { Cell::new(1) };
    static LAZY: RefCell<Vec<String>> = RefCell::new(vec!["made".to_owned()]);
    static COUNTED: RefCell<Counted> = const { RefCell::new(Counted(0)) };
    static PER_THREAD: Noisy = Noisy("per thread");
}

fn thread_locals() {
    section("thread-locals");
    for round in 0..3 {
        thread::spawn(move || {
            EARLY.set(EARLY.get() + round);
            LAZY.with_borrow_mut(|lazy| lazy.push(format!("round {round}")));
            COUNTED.with_borrow_mut(|counted| counted.0 += round);
            PER_THREAD.with(|noisy| print!("{} ", noisy.0));
            println!("{} {:?}", EARLY.get(), LAZY.take());
        })
        .join()
        .unwrap();
    }
    println!("{} {:?}", EARLY.get(), LAZY.with_borrow(Vec::clone));
}

// --- threads

static STARTED: AtomicU64 = AtomicU64::new(0);
static ONCE: Once = Once::new();
static TABLE: LazyLock<HashMap<&str, u32>> =
    LazyLock::new(|| ["one", "two", "three"].into_iter().zip(1..).collect());
static NAME: OnceLock<String> = OnceLock::new();

fn threads() {
    section("threads");
    let barrier = Barrier::new(4);
    let totals = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for i in 0..4u64 {
            let (barrier, totals) = (&barrier, &totals);
            scope.spawn(move || {
                STARTED.fetch_add(1, Ordering::SeqCst);
                barrier.wait();
                ONCE.call_once(|| {
                    NAME.set(format!("{} started", STARTED.load(Ordering::SeqCst)))
                        .unwrap();
                });
                let total = (0..1000).map(|n| n * i % 7).sum::<u64>();
                totals.lock().unwrap().insert(i, total);
            });
        }
    });
    println!(
        "{:?} {:?} {:?}",
        NAME.get(),
        totals.into_inner().unwrap(),
        TABLE.get("three")
    );
    let (sender, receiver) = mpsc::channel();
    for i in 0..3 {
        let sender = sender.clone();
        thread::spawn(move || (0..5).for_each(|n| sender.send(i * 10 + n).unwrap()));
    }
    drop(sender);
    let mut all: Vec<i32> = receiver.iter().collect();
    all.sort_unstable_by(|a, b| b.cmp(a));
    println!("{all:?}");
    let pair = Arc::new((Mutex::new(false), Condvar::new()));
    let other = pair.clone();
    let waiter = thread::spawn(move || {
        let (flag, changed) = &*other;
        drop(
            changed
                .wait_while(flag.lock().unwrap(), |flag| !*flag)
                .unwrap(),
        );
        "woken"
    });
    *pair.0.lock().unwrap() = true;
    pair.1.notify_all();
    println!("{}", waiter.join().unwrap());
    let lock = RwLock::new(vec![1]);
    lock.write().unwrap().push(2);
    println!(
        "{:?} {}",
        lock.read().unwrap(),
        thread::Builder::new()
            .name("named".into())
            .spawn(|| thread::current().name().map(str::to_owned))
            .unwrap()
            .join()
            .unwrap()
            .unwrap()
    );
}

// --- collections and strings

fn collections() {
    section("collections");
    let text = "the quick brown fox jumps over the lazy dog and the cat";
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for word in text.split_whitespace() {
        *counts.entry(word).or_default() += 1;
    }
    let mut sorted: Vec<_> = counts.into_iter().collect();
    sorted.sort_by_key(|&(word, count)| (std::cmp::Reverse(count), word));
    println!("{:?}", &sorted[..4]);
    let evens: BTreeSet<u32> = (0..20).filter(|n| n % 2 == 0).collect();
    let threes: BTreeSet<u32> = (0..20).step_by(3).collect();
    println!(
        "{:?} {:?}",
        &evens & &threes,
        evens.range(5..11).collect::<Vec<_>>()
    );
    let mut heap: BinaryHeap<_> = [3, 1, 4, 1, 5, 9, 2, 6].into();
    let largest: Vec<i32> = std::iter::from_fn(|| heap.pop()).take(3).collect();
    let mut deque: VecDeque<i32> = largest.iter().rev().copied().collect();
    deque.rotate_left(1);
    deque.push_front(0);
    let list: LinkedList<String> = deque.iter().map(|n| format!("<{n}>")).collect();
    println!(
        "{largest:?} {deque:?} {}",
        list.into_iter().collect::<String>()
    );
    let unique: HashSet<char> = "mississippi".chars().collect();
    println!("{}", unique.len());
    let words: Vec<Cow<str>> = ["tea", "Gruß", "naïve", "日本"]
        .iter()
        .map(|word| {
            if word.is_ascii() {
                Cow::Borrowed(*word)
            } else {
                word.to_uppercase().into()
            }
        })
        .collect();
    println!(
        "{words:?} {}",
        words.join("-").chars().rev().collect::<String>()
    );
    let mut numbers: Vec<u64> = (0..1000).map(|n| n * 7919 % 1009).collect();
    numbers.sort();
    numbers.dedup();
    let (small, large): (Vec<u64>, Vec<u64>) = numbers.iter().partition(|&&n| n < 500);
    println!(
        "{} {} {:?}",
        small.len(),
        large.len(),
        numbers.binary_search(&777)
    );
    println!(
        "{:?}",
        numbers
            .chunks(300)
            .map(|c| c.iter().sum::<u64>())
            .collect::<Vec<_>>()
    );
    println!(
        "{:?}",
        "a=1;b=2;c"
            .split(';')
            .map(|kv| kv.split_once('='))
            .collect::<Vec<_>>()
    );
}

// --- traits and generics

trait Shape {
    fn area(&self) -> f64;
    fn name(&self) -> String {
        format!("shape of {:.2}", self.area())
    }
}

#[derive(Clone, Debug, Default, PartialEq, PartialOrd)]
struct Square(f64);
struct Circle {
    radius: f64,
}

impl Shape for Square {
    fn area(&self) -> f64 {
        self.0 * self.0
    }
}

impl Shape for Circle {
    fn area(&self) -> f64 {
        std::f64::consts::PI * self.radius.powi(2)
    }
    fn name(&self) -> String {
        "circle".into()
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Matrix<const R: usize, const C: usize>([[i64; C]; R]);

impl<const R: usize, const C: usize, const K: usize> Mul<Matrix<C, K>> for Matrix<R, C> {
    type Output = Matrix<R, K>;
    fn mul(self, other: Matrix<C, K>) -> Matrix<R, K> {
        let mut result = [[0; K]; R];
        for (r, row) in result.iter_mut().enumerate() {
            for (k, cell) in row.iter_mut().enumerate() {
                *cell = (0..C).map(|c| self.0[r][c] * other.0[c][k]).sum();
            }
        }
        Matrix(result)
    }
}

impl<const R: usize, const C: usize> Index<(usize, usize)> for Matrix<R, C> {
    type Output = i64;
    fn index(&self, (row, column): (usize, usize)) -> &i64 {
        &self.0[row][column]
    }
}

impl Display for Square {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("[{}]", self.0))
    }
}

fn total<T: Add<Output = T> + Default + Copy>(values: &[T]) -> T {
    values.iter().fold(T::default(), |sum, value| sum + *value)
}

struct Node {
    name: &'static str,
    parent: RefCell<Weak<Node>>,
    children: RefCell<Vec<Rc<Node>>>,
}

impl Drop for Node {
    fn drop(&mut self) {
        let parent = self.parent.borrow().upgrade().map(|parent| parent.name);
        println!("{} goes, below {parent:?}", self.name);
    }
}

fn compose<A, B, C>(f: impl Fn(A) -> B, g: impl Fn(B) -> C) -> impl Fn(A) -> C {
    move |x| g(f(x))
}

fn traits() {
    section("traits");
    let shapes: Vec<Box<dyn Shape>> = vec![Box::new(Square(3.0)), Box::new(Circle { radius: 1.5 })];
    for shape in &shapes {
        println!("{} {:.3}", shape.name(), shape.area());
    }
    let fibonacci = Matrix([[1, 1], [1, 0]]);
    let power = (0..40).fold(Matrix([[1, 0], [0, 1]]), |power, _| power * fibonacci);
    println!("{} {:?}", power[(0, 1)], fibonacci * Matrix([[2], [3]]));
    println!(
        "{} {} {:?}",
        total(&[1.5, 2.5]),
        total(&[1u128 << 100, 3]),
        total::<i8>(&[])
    );
    let steps: Vec<Box<dyn Fn(i32) -> i32>> = vec![
        Box::new(|x| x + 1),
        Box::new(compose(|x| x * 2, |x: i32| x - 3)),
    ];
    println!("{}", steps.iter().fold(10, |x, step| step(x)));
    let root = Rc::new(Node {
        name: "root",
        parent: Weak::new().into(),
        children: vec![].into(),
    });
    for name in ["left", "right"] {
        let parent = RefCell::new(Rc::downgrade(&root));
        root.children.borrow_mut().push(Rc::new(Node {
            name,
            parent,
            children: vec![].into(),
        }));
    }
    println!("{} {}", Rc::strong_count(&root), Rc::weak_count(&root));
    let any: Vec<Box<dyn Any>> = vec![Box::new(1u8), Box::new("text"), Box::new(Square(1.0))];
    let kinds = any
        .iter()
        .map(|one| (one.is::<u8>(), one.downcast_ref::<Square>()));
    println!("{:?}", kinds.collect::<Vec<_>>());
}

// --- formatting and numbers

#[derive(Debug)]
#[allow(dead_code)]
enum Event {
    Quit,
    Key {
        code: u32,
        name: Option<&'static str>,
    },
    Moved(i32, i32),
}

fn formatting() {
    section("formatting");
    println!(
        "{:>8.3}|{:<8}|{:^8}|{:+}|{:#x}|{:#010b}|{:e}",
        1.23456, "ab", 'c', 5, 255, 5, 12345.678
    );
    println!(
        "{:?} {:?} {:?}",
        f64::NAN,
        -0.0,
        [f32::MAX, f32::MIN_POSITIVE, 0.1 + 0.2]
    );
    println!(
        "{:#?}",
        [
            Event::Quit,
            Event::Key {
                code: 3,
                name: Some("x")
            },
            Event::Moved(-1, 2)
        ]
    );
    println!(
        "{:>6}|{:*<6}|{:width$.prec$}",
        Square(2.0),
        Square(1.0),
        2.71828,
        width = 7,
        prec = 2
    );
    println!(
        "{} {} {}",
        u128::MAX / 3,
        i128::MIN % 1_000_007,
        u64::MAX.leading_zeros()
    );
    println!(
        "{:?} {:?}",
        200u8.checked_add(100),
        i32::MAX.overflowing_mul(3)
    );
    println!(
        "{:?} {:?}",
        "1e3".parse::<f64>(),
        "300".parse::<u8>().map_err(|e| e.to_string())
    );
    let mut out = String::new();
    write!(out, "{:?}", "quote \" tab \t é \u{7f}").unwrap();
    println!("{out} {:.3} {:.3}", 2f64.sqrt().sin(), (1e10f32).ln());
}

// --- futures, driven by hand

struct Steps(u32);

impl Future for Steps {
    type Output = &'static str;
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.0 == 0 {
            return Poll::Ready("done");
        }
        self.0 -= 1;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

static WAKES: AtomicUsize = AtomicUsize::new(0);

fn run<F: Future>(future: F) -> F::Output {
    const VTABLE: RawWakerVTable = RawWakerVTable::new(
        |data| RawWaker::new(data, &VTABLE),
        |_| {},
        |_| {
            WAKES.fetch_add(1, Ordering::Relaxed);
        },
        |_| {},
    );
    // SAFETY: the table's functions do nothing with the pointer.
    let waker = unsafe { Waker::from_raw(RawWaker::new(std::ptr::null(), &VTABLE)) };
    let mut future = std::pin::pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return value;
        }
    }
}

fn futures() {
    section("futures");
    let text = run(async {
        let _local = Noisy("async local");
        let first = Steps(3).await;
        let second = async { Steps(2).await.len() }.await;
        format!("{first} {second}")
    });
    println!("{text} after {} wakes", WAKES.load(Ordering::Relaxed));
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    if let [_, long, rounds] = &args[..]
        && long == "long"
    {
        rust_long::run(rounds.parse().unwrap());
        return ExitCode::SUCCESS;
    }
    let _last = Noisy("main's local");
    PER_THREAD.with(|_| ());
    println!("{:?}", std::env::args().skip(1).collect::<Vec<_>>());
    panics();
    thread_locals();
    threads();
    collections();
    traits();
    formatting();
    futures();
    section("input");
    let stdin = std::io::stdin();
    let mut first = String::new();
    stdin.lock().read_line(&mut first).unwrap();
    let mut rest = Vec::new();
    stdin.lock().read_to_end(&mut rest).unwrap();
    println!("{first:?} {}", rest.len());
    let said = std::process::Command::new("sh")
        .args(["-c", "echo from a child; exit 3"])
        .output();
    let said = said.unwrap();
    println!(
        "{:?} {:?}",
        String::from_utf8_lossy(&said.stdout),
        said.status.code()
    );
    std::io::stderr().write_all(b"to standard error\n").unwrap();
    ExitCode::from(41)
}
