//! The address range of the executable or library that the engine is linked into.

use std::ffi::{c_int, c_void};
use std::ops::Range;

use rewire_sync::OnceLock;

/// Where the code lies that this is part of: frames of the engine and its client are never left.
pub(super) fn own() -> &'static Range<u64> {
    static IMAGE: OnceLock<Range<u64>> = OnceLock::new();
    IMAGE.get_or_init(|| {
        extern "C" fn visit(
            info: *mut libc::dl_phdr_info,
            _size: libc::size_t,
            data: *mut c_void,
        ) -> c_int {
            // SAFETY: the loader passes a valid entry, and `data` is what went in below.
            let (info, found) = unsafe { (&*info, &mut *data.cast::<Range<u64>>()) };
            // SAFETY: the loader says how many headers there are.
            let headers =
                unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
            let here = own as *const () as u64;
            let loaded = headers.iter().filter(|it| it.p_type == libc::PT_LOAD);
            let ranges = loaded.map(|it| {
                let start = info.dlpi_addr + it.p_vaddr;
                start..start + it.p_memsz
            });
            let ours = ranges.clone().any(|range| range.contains(&here));
            if !ours {
                return 0;
            }
            let starts = ranges.clone().map(|range| range.start).min();
            let ends = ranges.map(|range| range.end).max();
            *found = starts.unwrap_or(0)..ends.unwrap_or(0);
            1
        }
        let mut found = 0..0;
        // SAFETY: `visit` fits the data, which outlives the call.
        unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut found).cast()) };
        found
    })
}
