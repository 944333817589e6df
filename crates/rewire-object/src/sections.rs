//! Which sections take part in the link, and as what.

use object::elf;

use crate::graph::{SectionRole, Segment};

/// The largest alignment that is honoured: that of a large page.
pub(crate) const MAX_ALIGN: u64 = 2 << 20;
/// The largest zero-filled section.
pub(crate) const MAX_ZERO_FILL: u64 = 1 << 30;

/// What a section header says, as far as linking is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SectionClass {
    pub(crate) segment: Segment,
    pub(crate) role: SectionRole,
    pub(crate) zero_fill: bool,
}

/// The class of a section; `None` for one that isn't loaded. An error says why a section that is
/// to be loaded can't be.
pub(crate) fn classify(
    name: &str,
    kind: elf::SectionType,
    flags: elf::SectionFlags,
) -> Result<Option<SectionClass>, String> {
    let has = |flag: elf::SectionFlags| flags.0 & flag.0 != 0;
    if !has(elf::SHF_ALLOC) || has(elf::SHF_EXCLUDE) {
        return Ok(None);
    }
    // Features that the code claims to support (CET); the process is what it is.
    if name == ".note.gnu.property" {
        return Ok(None);
    }
    if has(elf::SHF_COMPRESSED) {
        return Err("a loaded section is compressed".to_owned());
    }
    let zero_fill = kind == elf::SHT_NOBITS;
    let plain_role = match kind {
        elf::SHT_PROGBITS | elf::SHT_NOBITS => role_by_name(name)?,
        elf::SHT_X86_64_UNWIND => SectionRole::EhFrame,
        elf::SHT_NOTE => SectionRole::Note,
        elf::SHT_INIT_ARRAY => SectionRole::InitArray,
        elf::SHT_FINI_ARRAY => SectionRole::FiniArray,
        elf::SHT_PREINIT_ARRAY => SectionRole::InitArray,
        other => {
            return Err(format!(
                "unsupported type {:#x} of a loaded section",
                other.0
            ));
        }
    };
    let class = |segment, role| {
        Ok(Some(SectionClass {
            segment,
            role,
            zero_fill,
        }))
    };
    if has(elf::SHF_TLS) {
        let role = if zero_fill {
            SectionRole::ThreadBss
        } else {
            SectionRole::ThreadData
        };
        return class(Segment::Data, role);
    }
    if has(elf::SHF_EXECINSTR) {
        if has(elf::SHF_WRITE) {
            return Err("the section is both writable and executable".to_owned());
        }
        if zero_fill {
            return Err("an executable section has no bytes in the file".to_owned());
        }
        return class(Segment::Code, plain_role);
    }
    if zero_fill {
        // Whatever the flags: only the data segment ends in zeros that aren't written.
        return class(Segment::Data, plain_role);
    }
    if !has(elf::SHF_WRITE) || is_relro(name, plain_role) {
        return class(Segment::ReadOnly, plain_role);
    }
    class(Segment::Data, plain_role)
}

/// Whether a writable section is written by nobody but the linker.
fn is_relro(name: &str, role: SectionRole) -> bool {
    matches!(
        role,
        SectionRole::InitArray | SectionRole::FiniArray | SectionRole::EhFrame
    ) || is_or_under(name, ".data.rel.ro")
        || is_or_under(name, ".ldata.rel.ro")
        || is_or_under(name, ".gcc_except_table")
}

fn is_or_under(name: &str, base: &str) -> bool {
    name.strip_prefix(base)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn role_by_name(name: &str) -> Result<SectionRole, String> {
    // These work only if all objects' pieces are joined in a fixed order, between crti.o's and
    // crtn.o's. To load them as plain sections would silently not run them.
    for base in [".init", ".fini"] {
        if is_or_under(name, base) {
            return Err(format!("code fragments in {base} are not supported"));
        }
    }
    let is_one_of = |bases: &[&str]| bases.iter().any(|base| is_or_under(name, base));
    Ok(if name == ".eh_frame" {
        SectionRole::EhFrame
    } else if is_or_under(name, ".gcc_except_table") {
        SectionRole::ExceptionTable
    } else if name == ".llvm_stackmaps" {
        SectionRole::StackMaps
    } else if is_one_of(&[".init_array", ".preinit_array", ".ctors"]) {
        SectionRole::InitArray
    } else if is_one_of(&[".fini_array", ".dtors"]) {
        SectionRole::FiniArray
    } else if name.starts_with(".debug_") {
        SectionRole::Debug
    } else {
        SectionRole::Plain
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: u64 = elf::SHF_ALLOC.0;
    const W: u64 = elf::SHF_WRITE.0;
    const X: u64 = elf::SHF_EXECINSTR.0;
    const T: u64 = elf::SHF_TLS.0;

    fn class(name: &str, kind: elf::SectionType, flags: u64) -> Option<(Segment, SectionRole)> {
        classify(name, kind, elf::SectionFlags(flags))
            .unwrap()
            .map(|class| (class.segment, class.role))
    }

    #[test]
    fn sections_go_where_their_flags_and_names_say() {
        use SectionRole as R;
        use Segment::{Code, Data, ReadOnly};
        let bits = elf::SHT_PROGBITS;
        for (name, kind, flags, expected) in [
            (".text.f", bits, A | X, Some((Code, R::Plain))),
            (".rodata", bits, A, Some((ReadOnly, R::Plain))),
            (".data", bits, A | W, Some((Data, R::Plain))),
            (".data.rel.ro.x", bits, A | W, Some((ReadOnly, R::Plain))),
            (".data.rel.rotten", bits, A | W, Some((Data, R::Plain))),
            (".bss", elf::SHT_NOBITS, A | W, Some((Data, R::Plain))),
            (".tdata.x", bits, A | W | T, Some((Data, R::ThreadData))),
            (
                ".tbss",
                elf::SHT_NOBITS,
                A | W | T,
                Some((Data, R::ThreadBss)),
            ),
            (
                ".eh_frame",
                elf::SHT_X86_64_UNWIND,
                A,
                Some((ReadOnly, R::EhFrame)),
            ),
            (
                ".gcc_except_table.f",
                bits,
                A,
                Some((ReadOnly, R::ExceptionTable)),
            ),
            (
                ".init_array.5",
                elf::SHT_INIT_ARRAY,
                A | W,
                Some((ReadOnly, R::InitArray)),
            ),
            (
                ".preinit_array",
                bits,
                A | W,
                Some((ReadOnly, R::InitArray)),
            ),
            (".ctors.65000", bits, A | W, Some((ReadOnly, R::InitArray))),
            (".dtors", bits, A | W, Some((ReadOnly, R::FiniArray))),
            (".debug_info", bits, 0, None),
            (".note.GNU-stack", bits, 0, None),
            (".note.gnu.property", elf::SHT_NOTE, A, None),
        ] {
            assert_eq!(class(name, kind, flags), expected, "{name}");
        }
    }

    #[test]
    fn what_cannot_be_loaded_is_refused() {
        for (name, kind, flags) in [
            (".x", elf::SectionType(0x7000_0042), A),
            (".wx", elf::SHT_PROGBITS, A | W | X),
            (".fini", elf::SHT_PROGBITS, A | X),
            (".init", elf::SHT_PROGBITS, A | X),
            (".z", elf::SHT_PROGBITS, A | elf::SHF_COMPRESSED.0),
        ] {
            assert!(
                classify(name, kind, elf::SectionFlags(flags)).is_err(),
                "{name}"
            );
        }
    }
}
