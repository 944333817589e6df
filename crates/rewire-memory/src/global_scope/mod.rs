//! Finds names as `dlsym(RTLD_DEFAULT, ...)` does, without the dynamic loader's lock.
//!
//! A thread in `dlopen` holds that lock while constructors of the library run, and one of them may
//! wait for a thread that calls a function for the first time. Natively that call finds its
//! function without the lock.
//!
//! The loader searches the objects of its global scope in order: the executable, what is preloaded,
//! what those were linked with, breadth first, and then what was opened for all to see, in the
//! order of opening. All but the last stay for as long as the process does, and their tables of
//! names are never written, so they can be read at any time. The order is that of the loader's
//! list. The scope that is known here ends before the first object that isn't certain to be
//! searched next; libraries that the engine opens extend it as long as no other object came in
//! between.
//!
//! What no object of the process defines, in that scope or not, nobody has to ask the loader for
//! either. For all else, a name that an object beyond the known scope has, it is asked.

mod image;
mod table;

use std::ffi::{CString, c_int, c_void};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};
use std::{iter, ptr};

use object::elf;

use crate::ExecAddr;
use image::{Hit, Image};
use table::{LE, Name, Sym};

/// What a name stands for in the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InProcess {
    /// A function, or data.
    Address(ExecAddr),
    /// The address is what the function here returns.
    Indirect(Resolver),
    /// A thread-local variable, as `__tls_get_addr` takes it.
    Thread {
        /// The loader's number of its object.
        module: u64,
        /// Where it is in the object's block.
        offset: u64,
    },
    /// Nothing.
    Nothing,
    /// The dynamic loader has to be asked.
    Unknown,
}

/// A function that chooses another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resolver(u64);

impl Resolver {
    /// What it chooses, as the loader has it choose. It is code of the object that defines the
    /// name: no lock may be held.
    pub fn resolve(self) -> ExecAddr {
        // SAFETY: an object that stays loaded has it as the resolver of an indirect function, which
        // takes nothing on x86-64 (glibc's `elf_ifunc_invoke`).
        unsafe {
            let resolver: extern "C" fn() -> u64 = std::mem::transmute(self.0);
            ExecAddr::new(resolver())
        }
    }
}

/// An object that is known to be searched, and what is searched next. Objects are only added, so
/// the list is read without a lock, by signal handlers and forked children too.
struct Searched {
    image: Image<'static>,
    next: Link,
}

type Link = AtomicPtr<Searched>;

/// The executable.
static FIRST: Link = Link::new(ptr::null_mut());

/// How many objects the loader had ever loaded when all that there were had been added to the list;
/// 0 once it has others.
static ALL: AtomicU64 = AtomicU64::new(0);

/// A thread adds to the list.
static IS_ADDING: AtomicBool = AtomicBool::new(false);

/// This process came by a fork: another thread may have held the lock of the loader's list.
static IS_CHILD: AtomicBool = AtomicBool::new(false);

fn searched() -> impl Iterator<Item = &'static Searched> {
    // SAFETY: what was added once stays, and is whole when it can be seen.
    let follow = |link: &Link| unsafe { link.load(Ordering::Acquire).as_ref() };
    iter::successors(follow(&FIRST), move |one| follow(&one.next))
}

/// Notes which objects the process was started with. Asks the loader, the first time, so nobody may
/// wait for the calling thread.
pub fn learn() {
    if searched().next().is_some() || IS_ADDING.swap(true, Ordering::AcqRel) {
        return;
    }
    // SAFETY: only those are kept that stay.
    let List { images, loaded } = unsafe { list() };
    let searches_otherwise = ["LD_DYNAMIC_WEAK", "LD_AUDIT"]
        .iter()
        .any(|name| std::env::var_os(name).is_some());
    if searched().next().is_none() && !searches_otherwise {
        let is_all = start_with(images);
        ALL.store(if is_all { loaded } else { 0 }, Ordering::Release);
    }
    IS_ADDING.store(false, Ordering::Release);
}

/// The calling process is the child of a fork.
pub fn forked() {
    IS_CHILD.store(true, Ordering::Relaxed);
    // What another thread had begun to add is not added.
    ALL.store(0, Ordering::Release);
    IS_ADDING.store(false, Ordering::Release);
}

/// What `dlsym(RTLD_DEFAULT, name)` would find.
pub fn find(name: &str) -> InProcess {
    find_from(0, name)
}

/// The address of what [`find`] found; the loader is asked where it has to be, and code of a
/// library may run.
pub fn address_of(found: InProcess, name: &str) -> Option<ExecAddr> {
    address_from(libc::RTLD_DEFAULT, found, name)
}

/// What the process has under a name.
pub fn address(name: &str) -> Option<ExecAddr> {
    address_of(find(name), name)
}

/// The same, passing over the executable: what the C library has, where the executable may have
/// taken its name.
pub fn address_in_libraries(name: &str) -> Option<ExecAddr> {
    address_from(libc::RTLD_NEXT, find_from(1, name), name)
}

fn address_from(place: *mut c_void, found: InProcess, name: &str) -> Option<ExecAddr> {
    match found {
        InProcess::Address(address) => Some(address),
        InProcess::Indirect(resolver) => Some(resolver.resolve()),
        InProcess::Nothing => None,
        InProcess::Thread { .. } | InProcess::Unknown => {
            let name = CString::new(name).ok()?;
            // SAFETY: the name is a C string.
            let found = unsafe { libc::dlsym(place, name.as_ptr()) };
            (!found.is_null()).then(|| ExecAddr::new(found as u64))
        }
    }
}

/// The name of the symbol that `dladdr` finds for an address, if there is one; `None` if the
/// dynamic loader has to be asked.
pub fn symbol_at(address: ExecAddr) -> Option<Option<String>> {
    let address = address.get();
    let in_image = |image: &Image<'_>| {
        let name = image.symbol_at(address);
        name.map(|name| String::from_utf8_lossy(name).into_owned())
    };
    if let Some(one) = searched().find(|one| one.image.contains(address)) {
        return Some(in_image(&one.image));
    }
    if IS_CHILD.load(Ordering::Relaxed) {
        return None;
    }
    let mut found = None;
    visit_objects(&mut |info| {
        // SAFETY: the loader passes it, and no object leaves before this returns.
        let image = unsafe { Image::read(info) };
        let image = image.filter(|image| image.contains(address));
        found = image.as_ref().and_then(in_image);
        image.is_some()
    });
    Some(found)
}

fn find_from(first: usize, name: &str) -> InProcess {
    let name = Name::new(name);
    // Before the list is read: what it says is in the list that is seen afterwards.
    let all = ALL.load(Ordering::Acquire);
    let mut is_known = false;
    for (number, one) in searched().enumerate() {
        is_known = true;
        if number >= first {
            match one.image.find(name) {
                Hit::Nothing => {}
                Hit::Unreadable => return InProcess::Unknown,
                Hit::Symbol(symbol) => return meaning(&one.image, symbol),
            }
        }
    }
    if !is_known || IS_CHILD.load(Ordering::Relaxed) {
        return InProcess::Unknown;
    }
    let mut may_be_there = false;
    let mut number = 0;
    visit_objects(&mut |info| {
        if all == info.dlpi_adds {
            return true;
        }
        number += 1;
        if number > first {
            // SAFETY: the loader passes it, and no object leaves before this returns.
            let image = unsafe { Image::read(info) };
            let hit = image.map_or(Hit::Nothing, |image| image.find(name));
            may_be_there = !matches!(hit, Hit::Nothing);
        }
        may_be_there
    });
    if may_be_there {
        InProcess::Unknown
    } else {
        InProcess::Nothing
    }
}

fn meaning(image: &Image<'_>, symbol: &Sym) -> InProcess {
    let value = symbol.st_value.get(LE);
    let address = match symbol.st_shndx.get(LE) {
        elf::SHN_ABS => value,
        _ => image.base.wrapping_add(value),
    };
    // A unique symbol is that of the first object that was asked for it, which is the first in the
    // scope: others came later.
    match symbol.st_type() {
        elf::STT_TLS if image.tls_module != 0 => InProcess::Thread {
            module: image.tls_module,
            offset: value,
        },
        elf::STT_TLS => InProcess::Unknown,
        elf::STT_GNU_IFUNC => InProcess::Indirect(Resolver(address)),
        _ => InProcess::Address(ExecAddr::new(address)),
    }
}

/// Adds what the process's start has loaded, the beginning of the loader's list; whether that is
/// all.
fn start_with(images: Vec<Image<'static>>) -> bool {
    let needed = images.first().map_or(Vec::new(), |it| it.needed.clone());
    // What is preloaded lies before the first object that the executable needs.
    let is_needed = |image: &Image<'_>| needed.iter().any(|name| image.is_called(name));
    let libraries = images.get(1..).unwrap_or_default();
    let preloaded = libraries.iter().position(is_needed).unwrap_or(0);
    append(images, 1 + preloaded, needed)
}

/// Goes on with what follows in the loader's list: the first so many, those that are wanted, and
/// those that one of these needs; whether that is all.
fn append(images: Vec<Image<'static>>, first: usize, wanted: Vec<Vec<u8>>) -> bool {
    let mut wanted = wanted;
    let mut last = searched().last().map_or(&FIRST, |one| &one.next);
    for (number, image) in images.into_iter().enumerate() {
        let named = wanted.iter().position(|name| image.is_called(name));
        let is_next = number < first || named.is_some();
        if !is_next || image.is_filter {
            return false;
        }
        if let Some(named) = named {
            wanted.swap_remove(named);
        }
        wanted.extend(image.needed.iter().cloned());
        let added: &'static Searched = Box::leak(Box::new(Searched {
            image,
            next: Link::new(ptr::null_mut()),
        }));
        last.store(ptr::from_ref(added).cast_mut(), Ordering::Release);
        last = &added.next;
    }
    true
}

/// Before a library is opened for all to see: what will have come by that.
#[derive(Clone, Copy, Debug)]
pub struct BeforeOpening {
    /// How many objects there are, if all are known.
    objects: Option<usize>,
}

/// Notes what is loaded before a library is opened.
pub fn before_opening() -> BeforeOpening {
    learn();
    let is_all = ALL.load(Ordering::Acquire) != 0;
    let objects = is_all.then(|| searched().count());
    // SAFETY: nothing is kept.
    let listed = unsafe { list() }.images.len();
    BeforeOpening {
        objects: objects.filter(|objects| *objects == listed),
    }
}

/// Notes what came with a library that was opened for all to see, and that stays.
///
/// # Safety
///
/// The caller must ensure that `handle` is what `dlopen` returned, with `RTLD_GLOBAL` and
/// `RTLD_NODELETE`, after [`before_opening`] returned `before`.
pub unsafe fn opened(handle: *mut c_void, before: BeforeOpening) {
    /// What glibc shows of an object (`link.h`).
    #[repr(C)]
    struct LinkMap {
        base: u64,
        name: *const u8,
        dynamic: u64,
    }
    // SAFETY: only those are kept that the library needs, and it stays.
    let List { mut images, loaded } = unsafe { list() };
    let mut map: *const LinkMap = std::ptr::null();
    // SAFETY: the handle is the loader's, and the answer goes to where it is kept.
    let status = unsafe {
        libc::dlinfo(
            handle,
            libc::RTLD_DI_LINKMAP,
            (&raw mut map).cast::<c_void>(),
        )
    };
    let dynamic = (status == 0 && !map.is_null())
        // SAFETY: the loader says that it is there; the library stays.
        .then(|| unsafe { (*map).dynamic });
    if IS_ADDING.swap(true, Ordering::AcqRel) {
        // Nobody knows which of the two came first.
        ALL.store(0, Ordering::Release);
        return;
    }
    let is_known = |it: &(&Searched, &Image<'_>)| it.0.image.dynamic == it.1.dynamic;
    let known = searched().count();
    let is_all = ALL.load(Ordering::Acquire) != 0
        && before.objects == Some(known)
        && searched().zip(&images).take_while(is_known).count() == known
        && images
            .get(known)
            .is_none_or(|first| Some(first.dynamic) == dynamic)
        && append(images.split_off(known), 1, Vec::new());
    ALL.store(if is_all { loaded } else { 0 }, Ordering::Release);
    IS_ADDING.store(false, Ordering::Release);
}

/// The loader's list of objects but for the kernel's.
struct List {
    images: Vec<Image<'static>>,
    /// How many objects it has ever loaded.
    loaded: u64,
}

/// # Safety
///
/// The caller must drop those images of the answer that may be unloaded.
unsafe fn list() -> List {
    let mut list = List {
        images: Vec::new(),
        loaded: 0,
    };
    visit_objects(&mut |info| {
        list.loaded = info.dlpi_adds;
        // SAFETY: the loader passes it; as the caller promises.
        list.images.extend(unsafe { Image::read(info) });
        false
    });
    list
}

/// Calls `visit` for each object until it says that it is enough.
fn visit_objects(visit: &mut dyn FnMut(&libc::dl_phdr_info) -> bool) {
    type Visit<'v> = &'v mut dyn FnMut(&libc::dl_phdr_info) -> bool;
    extern "C" fn one(info: *mut libc::dl_phdr_info, _: usize, visit: *mut c_void) -> c_int {
        // SAFETY: the loader passes a valid entry, and what went in below.
        let (info, visit) = unsafe { (&*info, &mut *visit.cast::<Visit<'_>>()) };
        // The kernel's object is in no scope.
        c_int::from(!is_vdso(info) && visit(info))
    }
    let mut visit: Visit<'_> = visit;
    // SAFETY: the callback fits, and the closure outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(one), (&raw mut visit).cast()) };
}

fn is_vdso(info: &libc::dl_phdr_info) -> bool {
    // SAFETY: it only reads what the kernel has passed.
    let start = unsafe { libc::getauxval(libc::AT_SYSINFO_EHDR) };
    // SAFETY: the loader says how many headers there are.
    let headers =
        unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
    let mut segments = headers.iter().filter(|it| it.p_type == libc::PT_LOAD);
    start != 0
        && segments.any(|it| {
            let from = info.dlpi_addr.wrapping_add(it.p_vaddr);
            (from..from + it.p_memsz).contains(&start)
        })
}

#[cfg(test)]
mod tests;
