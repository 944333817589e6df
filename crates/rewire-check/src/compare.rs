//! Goes through the sections: where they lie, their relocations, and all their other bytes.

use std::ops::Range;

use object::elf;

use crate::error::CheckError;
use crate::formula::{self, Compute};
use crate::frames;
use crate::got_base::{self, Election};
use crate::linked::Linked;
use crate::memory::Memory;
use crate::object::{Object, Section};
use crate::relocation::{Checker, Site};
use crate::report::{Difference, Outcome, Use};
use crate::symbols::{Stands, Symbols};

/// As [`crate::check()`].
pub(crate) fn check(linked: &Linked<'_>) -> Result<Outcome, CheckError> {
    let object = Object::parse(linked.object)?;
    let memory = Memory::new(linked.memory)?;
    let symbols = Symbols::new(&object, linked)?;
    if let Some((&section, _)) = linked.sections.range(object.sections.len()..).next() {
        return Err(CheckError::Section {
            section,
            reason: "the object has no such section".to_owned(),
        });
    }
    let placed: Vec<(&Section<'_>, u64)> = linked
        .sections
        .iter()
        .filter_map(|(index, start)| Some((object.sections.get(*index)?, *start)))
        .filter(|(section, _)| section.has(elf::SHF_ALLOC))
        .collect();
    for (section, _) in &placed {
        validate(section)?;
    }
    let mut outcome = Outcome::default();
    let taken = check_places(&placed, &mut outcome.differences);
    let mut election = Election::default();
    for (section, start) in &placed {
        election.add(&symbols, &memory, section, *start);
    }
    let checker = Checker {
        memory: &memory,
        symbols: &symbols,
        got: got_base::given(&object, linked).or_else(|| election.winner()),
        taken,
    };
    for (section, start) in &placed {
        check_section(&checker, section, *start, &mut outcome);
    }
    Ok(outcome)
}

/// Whether each relocation is of a known type, and inside its section.
fn validate(section: &Section<'_>) -> Result<(), CheckError> {
    for relocation in &section.relocations {
        let fail = |reason: &str| CheckError::Relocation {
            section: section.name.clone().into_owned(),
            offset: relocation.offset,
            reason: reason.to_owned(),
        };
        let rule = formula::rule(relocation.code)
            .map_err(|reason| fail(&format!("type {}: {reason}", relocation.code)))?;
        let end = relocation.offset.checked_add(rule.field.width() as u64);
        let inside = end.is_some_and(|end| end <= section.data.len() as u64);
        if rule.compute != Compute::Nothing && !inside {
            return Err(fail("the field is not inside the section"));
        }
    }
    Ok(())
}

/// Checks that sections are aligned (gABI, `sh_addralign`) and apart from one another. Gives the
/// address ranges that they take, in order.
fn check_places(
    placed: &[(&Section<'_>, u64)],
    differences: &mut Vec<Difference>,
) -> Vec<Range<u64>> {
    let mut taken: Vec<(Range<u64>, &Section<'_>)> = Vec::new();
    for &(section, start) in placed {
        let thread = section.has(elf::SHF_TLS);
        if !thread && section.align > 1 && start % section.align != 0 {
            let expected = format!("an address that is a multiple of {:#x}", section.align);
            differences.push(whole(section, expected, format!("{start:#x}")));
        }
        // Zero-filled thread-local data takes no room but in each thread's own block.
        if section.size == 0 || (thread && section.zero_fill()) {
            continue;
        }
        match start.checked_add(section.size) {
            Some(end) => taken.push((start..end, section)),
            None => {
                let expected = "an address that leaves room for its size".to_owned();
                differences.push(whole(section, expected, format!("{start:#x}")));
            }
        }
    }
    taken.sort_by_key(|(range, _)| (range.start, range.end));
    let mut before: Option<&(Range<u64>, &Section<'_>)> = None;
    for this in &taken {
        if let Some((range, other)) = before.filter(|(range, _)| this.0.start < range.end) {
            let found = format!(
                "{:#x}, inside {}, which takes {range:#x?}",
                this.0.start, other.name
            );
            differences.push(whole(this.1, "an address of its own".to_owned(), found));
        }
        if before.is_none_or(|(range, _)| range.end < this.0.end) {
            before = Some(this);
        }
    }
    taken.into_iter().map(|(range, _)| range).collect()
}

fn check_section(checker: &Checker<'_>, section: &Section<'_>, start: u64, outcome: &mut Outcome) {
    outcome.relocations += section.relocations.len();
    if section.zero_fill() {
        check_zeros(checker.memory, section, start, &mut outcome.differences);
        return;
    }
    if section.data.is_empty() {
        return;
    }
    let Some(bytes) = checker.memory.read(start, section.data.len()) else {
        let expected = format!("{:#x} bytes at {start:#x}", section.data.len());
        let found = "memory that doesn't hold them all".to_owned();
        outcome.differences.push(whole(section, expected, found));
        return;
    };
    let dead = dead_frames(checker.symbols, section);
    // Which bytes belong to a field, or to an instruction that was rewritten.
    let mut accounted = vec![false; bytes.len()];
    for relocation in &section.relocations {
        // `validate` has looked at all of them.
        let Ok(rule) = formula::rule(relocation.code) else {
            continue;
        };
        let site = Site {
            section,
            start,
            bytes,
            relocation,
            rule,
            dead: is_in(&dead, relocation.offset) || section.name.starts_with(".debug_"),
        };
        let verdict = checker.check(&site);
        if let Some(part) = accounted.get_mut(verdict.accounted) {
            part.fill(true);
        }
        if let Some((expected, found)) = verdict.difference {
            outcome.differences.push(Difference {
                section: section.name.clone().into_owned(),
                offset: relocation.offset,
                relocation: Some(rule.name),
                symbol: Some(checker.symbols.name(relocation.symbol).to_owned()),
                expected,
                found,
            });
        }
        if let Some((symbol, kind)) = verdict.used {
            outcome.uses.push(Use {
                symbol,
                name: checker.symbols.name(symbol).to_owned(),
                at: start.wrapping_add(relocation.offset),
                kind,
            });
        }
    }
    check_rest(section, bytes, &accounted, &mut outcome.differences);
}

/// The frame descriptions of discarded code, if the section is `.eh_frame`.
fn dead_frames(symbols: &Symbols<'_>, section: &Section<'_>) -> Vec<Range<u64>> {
    if section.name != ".eh_frame" {
        return Vec::new();
    }
    let mut gone: Vec<u64> = section
        .relocations
        .iter()
        .filter(|relocation| symbols.stands(relocation.symbol, section) == Stands::Discarded)
        .map(|relocation| relocation.offset)
        .collect();
    gone.sort_unstable();
    frames::dead(section.data, |offset| gone.binary_search(&offset).is_ok())
}

/// Whether one of the ranges, which are in order and apart, holds the offset.
fn is_in(ranges: &[Range<u64>], offset: u64) -> bool {
    let next = ranges.partition_point(|range| range.end <= offset);
    ranges
        .get(next)
        .is_some_and(|range| range.contains(&offset))
}

/// Every byte that isn't accounted for must be the object's; a run of others is one difference.
fn check_rest(
    section: &Section<'_>,
    bytes: &[u8],
    accounted: &[bool],
    differences: &mut Vec<Difference>,
) {
    let differs = |at: usize| {
        let same = section.data.get(at) == bytes.get(at);
        !same && accounted.get(at) == Some(&false)
    };
    let mut at = 0;
    while at < bytes.len() {
        if !differs(at) {
            at += 1;
            continue;
        }
        let first = at;
        while differs(at) {
            at += 1;
        }
        let show = |bytes: &[u8]| {
            let run = bytes.get(first..at).unwrap_or_default();
            let dots = if run.len() > 16 { " .." } else { "" };
            let run: Vec<String> = run.iter().take(16).map(|b| format!("{b:02x}")).collect();
            format!("the bytes {}{dots}", run.join(" "))
        };
        differences.push(Difference {
            offset: first as u64,
            ..whole(section, show(section.data), show(bytes))
        });
    }
}

/// What there is in memory of a zero-filled section must be zeros.
fn check_zeros(
    memory: &Memory<'_>,
    section: &Section<'_>,
    start: u64,
    differences: &mut Vec<Difference>,
) {
    // In each thread's own block, not here.
    if section.has(elf::SHF_TLS) {
        return;
    }
    let end = start.saturating_add(section.size);
    for span in memory.spans() {
        let from = start.max(span.address);
        let to = end.min(span.address.saturating_add(span.bytes.len() as u64));
        let Some(length) = to.checked_sub(from) else {
            continue;
        };
        let bytes = memory.read(from, length as usize).unwrap_or_default();
        if let Some(at) = bytes.iter().position(|byte| *byte != 0) {
            differences.push(Difference {
                offset: from - start + at as u64,
                ..whole(
                    section,
                    "zeros".to_owned(),
                    format!("the byte {:02x}", bytes[at]),
                )
            });
        }
    }
}

fn whole(section: &Section<'_>, expected: String, found: String) -> Difference {
    Difference {
        section: section.name.clone().into_owned(),
        offset: 0,
        relocation: None,
        symbol: None,
        expected,
        found,
    }
}
