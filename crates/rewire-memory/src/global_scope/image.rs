//! An object that the dynamic loader has loaded, as it lies in memory.

use std::ffi::CStr;
use std::marker::PhantomData;
use std::ops::Range;

use object::elf::{self, DynamicTag};
use object::pod;

use super::table::{Hash, LE, Name, NameTable, Sym, string};

/// An object that stays in memory for `'m`.
#[derive(Debug)]
pub(super) struct Image<'m> {
    /// What the object's own addresses are counted from.
    pub(super) base: u64,
    /// Where its dynamic section is; identifies it.
    pub(super) dynamic: u64,
    /// The loader's number for its thread-local variables; 0 if it has none.
    pub(super) tls_module: u64,
    /// What it calls itself.
    soname: Option<Vec<u8>>,
    /// The path that it was loaded from.
    path: Vec<u8>,
    /// The objects that it was linked with.
    pub(super) needed: Vec<Vec<u8>>,
    /// Where it lies.
    segments: Vec<Range<u64>>,
    /// Whether the loader searches others before it, on its behalf (`DT_FILTER`, `DT_AUXILIARY`).
    pub(super) is_filter: bool,
    names: Names<'m>,
}

#[derive(Debug)]
enum Names<'m> {
    /// It has no table: the loader passes over it.
    None,
    Table(NameTable<'m>),
    /// Its table isn't in memory that nobody writes, or not of a form that is known.
    Unreadable,
}

/// What an object has under a name.
#[derive(Debug)]
pub(super) enum Hit<'m> {
    Nothing,
    Symbol(&'m Sym),
    Unreadable,
}

/// Memory of a loaded object that is readable and that nobody writes.
struct Readable<'m> {
    segments: Vec<Range<u64>>,
    lives: PhantomData<&'m [u8]>,
}

impl<'m> Readable<'m> {
    /// # Safety
    ///
    /// The caller must ensure that the object stays loaded for `'m`.
    unsafe fn new(base: u64, headers: &[libc::Elf64_Phdr]) -> Self {
        let of_file = |header: &libc::Elf64_Phdr| {
            let is_constant = header.p_flags & (libc::PF_R | libc::PF_W) == libc::PF_R;
            is_constant.then_some(header.p_filesz)
        };
        Self {
            segments: segments(base, headers, of_file),
            lives: PhantomData,
        }
    }

    /// What lies from an address on to the end of its segment.
    fn from(&self, address: u64) -> Option<&'m [u8]> {
        let mut segments = self.segments.iter();
        let segment = segments.find(|segment| segment.contains(&address))?;
        let size = usize::try_from(segment.end - address).ok()?;
        // SAFETY: the loader has mapped the segment's bytes of the file there, readable and not
        // writable, and they stay for `'m` (`new`).
        Some(unsafe { std::slice::from_raw_parts(address as *const u8, size) })
    }
}

/// The entries of a dynamic section that are of use here.
struct Dynamic {
    entries: Vec<(DynamicTag, u64)>,
    base: u64,
}

impl Dynamic {
    fn value(&self, tag: DynamicTag) -> Option<u64> {
        let mut entries = self.entries.iter();
        entries.find(|entry| entry.0 == tag).map(|entry| entry.1)
    }

    /// The loader has added the base to what it reads there, where it could write.
    fn table<'m>(&self, tag: DynamicTag, memory: &Readable<'m>) -> Option<&'m [u8]> {
        let value = self.value(tag)?;
        let moved = memory.from(value);
        moved.or_else(|| memory.from(self.base.wrapping_add(value)))
    }
}

impl<'m> Image<'m> {
    /// Reads what the loader tells of an object; `None` if it has no dynamic section.
    ///
    /// # Safety
    ///
    /// The caller must ensure that `info` came from the loader, and that the object stays loaded
    /// for `'m`.
    pub(super) unsafe fn read(info: &libc::dl_phdr_info) -> Option<Self> {
        let base = info.dlpi_addr;
        // SAFETY: the loader says how many headers there are.
        let headers =
            unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
        let header = headers.iter().find(|it| it.p_type == libc::PT_DYNAMIC)?;
        let at = base.wrapping_add(header.p_vaddr);
        // SAFETY: as the caller promises.
        let memory = unsafe { Readable::new(base, headers) };
        // SAFETY: the section is there, of this size; the loader has done with it.
        let dynamic = unsafe { read_dynamic(at, header.p_memsz, base) };
        let strings = dynamic.table(elf::DT_STRTAB, &memory).unwrap_or_default();
        let needed = dynamic.entries.iter().filter(|it| it.0 == elf::DT_NEEDED);
        let soname = dynamic.value(elf::DT_SONAME);
        let is_filter = |tag| tag == elf::DT_FILTER || tag == elf::DT_AUXILIARY;
        // SAFETY: the loader gives a C string, or null.
        let path = (!info.dlpi_name.is_null()).then(|| unsafe { CStr::from_ptr(info.dlpi_name) });
        Some(Self {
            base,
            dynamic: at,
            tls_module: info.dlpi_tls_modid as u64,
            soname: soname.and_then(|offset| Some(string(strings, offset)?.to_vec())),
            path: path.map_or(Vec::new(), |path| path.to_bytes().to_vec()),
            needed: needed
                .filter_map(|it| Some(string(strings, it.1)?.to_vec()))
                .collect(),
            segments: segments(base, headers, |header| Some(header.p_memsz)),
            is_filter: dynamic.entries.iter().any(|it| is_filter(it.0)),
            names: Names::read(&dynamic, &memory),
        })
    }

    /// Whether it is what a name in another object's `DT_NEEDED` stands for.
    pub(super) fn is_called(&self, needed: &[u8]) -> bool {
        self.soname.as_deref() == Some(needed) || file_name(&self.path) == file_name(needed)
    }

    /// What it has under a name; as glibc's `dlsym`, of the versions that are not hidden, and only
    /// if there is one.
    pub(super) fn find(&self, name: Name<'_>) -> Hit<'m> {
        match &self.names {
            Names::None => Hit::Nothing,
            Names::Unreadable => Hit::Unreadable,
            Names::Table(table) => table.find(name).map_or(Hit::Nothing, Hit::Symbol),
        }
    }

    /// Whether an address lies in it.
    pub(super) fn contains(&self, address: u64) -> bool {
        self.segments
            .iter()
            .any(|segment| segment.contains(&address))
    }

    /// The name of what is at an address, as `dladdr` finds it: of symbols that reach there, the
    /// one that begins last.
    pub(super) fn symbol_at(&self, address: u64) -> Option<&'m [u8]> {
        let Names::Table(table) = &self.names else {
            return None;
        };
        table.symbol_at(address.wrapping_sub(self.base))
    }

    /// The names that it defines.
    #[cfg(test)]
    pub(super) fn defined(&self) -> Vec<&'m str> {
        let Names::Table(table) = &self.names else {
            return Vec::new();
        };
        table.defined()
    }
}

impl<'m> Names<'m> {
    fn read(dynamic: &Dynamic, memory: &Readable<'m>) -> Self {
        let gnu = dynamic.value(elf::DT_GNU_HASH);
        if gnu.or(dynamic.value(elf::DT_HASH)).is_none() {
            return Self::None;
        }
        let hash = match gnu {
            Some(_) => dynamic
                .table(elf::DT_GNU_HASH, memory)
                .and_then(Hash::read_gnu),
            None => dynamic
                .table(elf::DT_HASH, memory)
                .and_then(Hash::read_sysv),
        };
        let table = || {
            let symbols = dynamic.table(elf::DT_SYMTAB, memory)?;
            let count = symbols.len() / size_of::<Sym>();
            let versions = match dynamic.value(elf::DT_VERSYM) {
                Some(_) => {
                    let bytes = dynamic.table(elf::DT_VERSYM, memory)?;
                    Some(pod::slice_from_bytes(bytes, bytes.len() / 2).ok()?.0)
                }
                None => None,
            };
            Some(NameTable {
                hash: hash?,
                symbols: pod::slice_from_bytes(symbols, count).ok()?.0,
                strings: dynamic.table(elf::DT_STRTAB, memory)?,
                versions,
            })
        };
        table().map_or(Self::Unreadable, Self::Table)
    }
}

/// Where segments lie, as far as `size` tells.
fn segments(
    base: u64,
    headers: &[libc::Elf64_Phdr],
    size: impl Fn(&libc::Elf64_Phdr) -> Option<u64>,
) -> Vec<Range<u64>> {
    let loaded = headers.iter().filter(|it| it.p_type == libc::PT_LOAD);
    let ranges = loaded.filter_map(|it| {
        let start = base.wrapping_add(it.p_vaddr);
        Some(start..start.saturating_add(size(it)?))
    });
    ranges.collect()
}

/// # Safety
///
/// The caller must ensure that a dynamic section of at most this size is at this address, and that
/// nobody writes to it.
unsafe fn read_dynamic(at: u64, size: u64, base: u64) -> Dynamic {
    type Entry = elf::Dyn64<object::LittleEndian>;
    let count = size as usize / size_of::<Entry>();
    // SAFETY: as the caller promises; the type has no alignment.
    let all = (0..count).map(|index| unsafe { (at as *const Entry).add(index).read_unaligned() });
    let entries = all
        .map(|entry| (entry.d_tag.get(LE), entry.d_val.get(LE)))
        .take_while(|entry| entry.0 != elf::DT_NULL);
    Dynamic {
        entries: entries.collect(),
        base,
    }
}

fn file_name(path: &[u8]) -> &[u8] {
    let start = path.iter().rposition(|byte| *byte == b'/');
    start
        .and_then(|slash| path.get(slash + 1..))
        .unwrap_or(path)
}
