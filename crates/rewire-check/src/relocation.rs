//! Checks one relocation: what do the linked bytes reach, and is that what the object asked for?

use std::ops::Range;

use object::elf;

use crate::entry;
use crate::formula::{Compute, Rule};
use crate::instruction::{self, Action, Instruction, Operand};
use crate::linked::Meaning;
use crate::memory::Memory;
use crate::object::{Relocation, Section};
use crate::report::UseKind;
use crate::symbols::{Stands, Symbols};

/// A relocation and where it stands.
#[derive(Debug)]
pub(crate) struct Site<'s> {
    pub(crate) section: &'s Section<'s>,
    /// The section's address.
    pub(crate) start: u64,
    /// The section's linked bytes.
    pub(crate) bytes: &'s [u8],
    pub(crate) relocation: &'s Relocation,
    pub(crate) rule: Rule,
    /// Whether it may be about discarded code: in the frame description of such, or in debug
    /// information.
    pub(crate) dead: bool,
}

impl Site<'_> {
    /// P
    fn place(&self) -> u64 {
        self.start.wrapping_add(self.relocation.offset)
    }

    /// A
    fn addend(&self) -> u64 {
        self.relocation.addend as u64
    }

    /// The field's offset in the section; it fits, for the field was found to be inside.
    fn offset(&self) -> usize {
        self.relocation.offset as usize
    }

    fn field(&self) -> Range<usize> {
        self.offset()..self.offset() + self.rule.field.width()
    }

    /// What the field holds.
    fn found(&self) -> u64 {
        let bytes = self.bytes.get(self.field()).unwrap_or_default();
        self.rule.field.value(bytes)
    }

    /// What a distance in the field leads to, if the addend makes up for where it is counted
    /// from.
    fn reached(&self) -> u64 {
        let distance = self.found().wrapping_sub(self.addend());
        distance.wrapping_add(self.place())
    }

    fn is_code(&self) -> bool {
        self.section.has(elf::SHF_EXECINSTR)
    }

    /// How the linked instruction (or datum) uses what the field leads to.
    fn kind(&self) -> UseKind {
        if !self.is_code() {
            return UseKind::Address;
        }
        let before = self.bytes.get(..self.offset()).unwrap_or_default();
        instruction::use_by_displacement(before, self.rule.field.width())
    }
}

/// What came out of one relocation.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// The bytes of the section that the relocation accounts for.
    pub(crate) accounted: Range<usize>,
    /// What was expected, and what was found.
    pub(crate) difference: Option<(String, String)>,
    /// The symbol that the bytes reach, and how.
    pub(crate) used: Option<(usize, UseKind)>,
}

/// Whether something is as it must be; if not, what was expected and found.
type Finding = Result<(), (String, String)>;

/// What relocations are checked against.
#[derive(Debug)]
pub(crate) struct Checker<'a> {
    pub(crate) memory: &'a Memory<'a>,
    pub(crate) symbols: &'a Symbols<'a>,
    /// The GOT's address, if it is known.
    pub(crate) got: Option<u64>,
    /// The address ranges of the object's sections, in order.
    pub(crate) taken: Vec<Range<u64>>,
}

impl Checker<'_> {
    pub(crate) fn check(&self, site: &Site<'_>) -> Verdict {
        if site.rule.compute == Compute::Nothing {
            return Verdict::default();
        }
        let symbol = site.relocation.symbol;
        let stands = match site.rule.compute {
            Compute::EntryDistance(_) | Compute::EntryOffset => self.symbols.stands_in_got(symbol),
            _ => self.symbols.stands(symbol, site.section),
        };
        if stands == Stands::Discarded && site.dead {
            let finding = self.value(site, 0, "0, for its code is discarded");
            return self.verdict(site, finding, None);
        }
        match site.rule.compute {
            Compute::Nothing => Verdict::default(),
            Compute::Address => self.check_address(site, stands),
            Compute::Distance => self.check_distance(site, stands),
            Compute::CallDistance => self.check_call(site, stands),
            Compute::EntryDistance(prefixes) => self.check_entry(site, stands, prefixes),
            Compute::EntryOffset => {
                let entry = self.got.map(|got| {
                    let offset = site.found().wrapping_sub(site.addend());
                    got.wrapping_add(offset)
                });
                self.check_entry_at(site, stands, entry, UseKind::GotLoad)
            }
            Compute::GotOffset | Compute::CallGotOffset => self.check_got_offset(site, stands),
            Compute::GotDistance => {
                let finding = match self.got {
                    Some(got) => {
                        let value = got.wrapping_add(site.addend()).wrapping_sub(site.place());
                        self.value(site, value, "the GOT's start + A - P")
                    }
                    None => Err(no_got(site)),
                };
                self.verdict(site, finding, None)
            }
            Compute::Size => {
                let finding = match self.symbols.size(site.relocation.symbol) {
                    Some(size) => self.value(site, size.wrapping_add(site.addend()), "Z + A"),
                    None => Err(nothing(site, "a symbol whose size the object tells")),
                };
                self.verdict(site, finding, None)
            }
            Compute::ThreadPair
            | Compute::ThreadModule
            | Compute::ThreadBlock
            | Compute::ThreadWord
            | Compute::ThreadOffset => self.check_thread(site, stands),
        }
    }

    fn check_address(&self, site: &Site<'_>, stands: Stands) -> Verdict {
        let finding = self.address(site, stands).and_then(|address| {
            let value = address.wrapping_add(site.addend());
            self.value(site, value, "S + A")
        });
        let target = if self.symbols.is_section(site.relocation.symbol) {
            site.found()
        } else {
            site.found().wrapping_sub(site.addend())
        };
        let used = self.reached(site, finding.is_ok(), target, UseKind::Address);
        self.verdict(site, finding, used)
    }

    fn check_distance(&self, site: &Site<'_>, stands: Stands) -> Verdict {
        // `call *f.slot(%rip)`, where the linker knows what the word will hold for ever.
        if let Some(change) = self.rewritten(site, 0)
            && matches!(change.before.action, Action::Call | Action::Jump)
        {
            let wanted = match stands {
                Stands::Address { address, call } => [self.memory.word(address), call]
                    .into_iter()
                    .flatten()
                    .collect(),
                _ => Vec::new(),
            };
            return self.check_rewritten(site, &change, &wanted);
        }
        let finding = self.address(site, stands).and_then(|address| {
            let value = address
                .wrapping_add(site.addend())
                .wrapping_sub(site.place());
            self.value(site, value, "S + A - P")
        });
        let kind = site.kind();
        let used = self.reached(site, finding.is_ok(), self.target(site), kind);
        self.verdict(site, finding, used)
    }

    fn check_call(&self, site: &Site<'_>, stands: Stands) -> Verdict {
        let reached = site.reached();
        let finding = self.callable(site, stands).and_then(|wanted| {
            if self.leads(reached, &wanted) {
                Ok(())
            } else {
                Err((
                    format!("a way to {}", list(&wanted)),
                    self.describe_way(reached),
                ))
            }
        });
        let target = entry::leads_to(self.memory, reached)
            .filter(|_| self.is_foreign(reached, 1))
            .unwrap_or_else(|| self.target(site));
        let used = self.reached(site, finding.is_ok(), target, site.kind());
        self.verdict(site, finding, used)
    }

    /// G + GOT + A - P, unless the instruction was rewritten so as to do without the entry.
    fn check_entry(&self, site: &Site<'_>, stands: Stands, prefixes: Option<usize>) -> Verdict {
        // Where the number of prefixes isn't told, linkers only ever change `mov` to `lea`,
        // which leaves the prefixes as they are.
        if let Some(change) = self.rewritten(site, prefixes.unwrap_or(0))
            && (prefixes.is_some() || change.before.action == Action::Move)
        {
            let transfer = matches!(change.before.action, Action::Call | Action::Jump);
            let wanted = if transfer {
                self.callable(site, stands)
            } else {
                self.address(site, stands).map(|address| vec![address])
            };
            return match wanted {
                Ok(wanted) => self.check_rewritten(site, &change, &wanted),
                Err(difference) => Verdict {
                    accounted: change.window,
                    difference: Some(difference),
                    used: None,
                },
            };
        }
        let kind = match site.kind() {
            UseKind::SlotCall => UseKind::GotCall,
            _ => UseKind::GotLoad,
        };
        self.check_entry_at(site, stands, Some(site.reached()), kind)
    }

    /// The GOT entry at an address must hold S, or for a call what leads to S.
    fn check_entry_at(
        &self,
        site: &Site<'_>,
        stands: Stands,
        entry: Option<u64>,
        kind: UseKind,
    ) -> Verdict {
        let Some(entry) = entry else {
            return self.verdict(site, Err(no_got(site)), None);
        };
        let word = self.entry_word(entry);
        let wanted = match kind {
            UseKind::GotCall => self.callable(site, stands),
            _ => self.address(site, stands).map(|address| vec![address]),
        };
        let finding = wanted.and_then(|wanted| {
            if word.is_some_and(|word| wanted.contains(&word)) {
                return Ok(());
            }
            let expected = format!("a GOT entry that holds {}", list(&wanted));
            Err((expected, describe_entry(entry, word)))
        });
        let used = word.and_then(|word| self.reached(site, finding.is_ok(), word, kind));
        self.verdict(site, finding, used)
    }

    fn check_got_offset(&self, site: &Site<'_>, stands: Stands) -> Verdict {
        let Some(got) = self.got else {
            return self.verdict(site, Err(no_got(site)), None);
        };
        let reached = site.found().wrapping_sub(site.addend()).wrapping_add(got);
        let finding = if site.rule.compute == Compute::CallGotOffset {
            self.callable(site, stands).and_then(|wanted| {
                if self.leads(reached, &wanted) {
                    return Ok(());
                }
                let expected = format!("the distance from the GOT to {}", list(&wanted));
                Err((expected, self.describe_way(reached)))
            })
        } else {
            self.address(site, stands).and_then(|address| {
                let value = address.wrapping_add(site.addend()).wrapping_sub(got);
                self.value(site, value, "S + A - GOT")
            })
        };
        let target = if self.symbols.is_section(site.relocation.symbol) {
            reached.wrapping_add(site.addend())
        } else {
            reached
        };
        let used = self.reached(site, finding.is_ok(), target, UseKind::Address);
        self.verdict(site, finding, used)
    }

    fn check_thread(&self, site: &Site<'_>, stands: Stands) -> Verdict {
        let entry = site.reached();
        let pair = self
            .entry_word(entry)
            .zip(self.entry_word(entry.wrapping_add(8)));
        let in_field = site.found().wrapping_sub(site.addend());
        // What the bytes say, as a question to each symbol's meaning.
        let says = |meaning: &Meaning| match (site.rule.compute, *meaning) {
            (Compute::ThreadPair, Meaning::Thread { module, offset }) => {
                pair == Some((module, offset))
            }
            (Compute::ThreadModule, Meaning::Thread { module, .. }) => pair == Some((module, 0)),
            (Compute::ThreadBlock, Meaning::Thread { offset, .. }) => site
                .rule
                .field
                .holds(site.found(), offset.wrapping_add(site.addend())),
            (Compute::ThreadWord, Meaning::ThreadOffset(offset)) => {
                self.entry_word(entry) == Some(offset as u64)
            }
            (Compute::ThreadOffset, Meaning::ThreadOffset(offset)) => {
                let value = (offset as u64).wrapping_add(site.addend());
                site.rule.field.holds(site.found(), value)
            }
            _ => false,
        };
        let meaning = match stands {
            Stands::Thread { module, offset } => Meaning::Thread { module, offset },
            Stands::ThreadOffset(offset) => Meaning::ThreadOffset(offset),
            _ => Meaning::Unbound,
        };
        let finding = if says(&meaning) {
            Ok(())
        } else {
            let expected = match (site.rule.compute, meaning) {
                (Compute::ThreadPair, Meaning::Thread { module, offset }) => {
                    format!("a GOT entry with the pair ({module:#x}, {offset:#x})")
                }
                (Compute::ThreadModule, Meaning::Thread { module, .. }) => {
                    format!("a GOT entry with the pair ({module:#x}, 0)")
                }
                (Compute::ThreadBlock, Meaning::Thread { offset, .. }) => {
                    format!("{offset:#x} + A in the thread-local block")
                }
                (Compute::ThreadWord, Meaning::ThreadOffset(offset)) => {
                    format!("a GOT entry that holds {:#x}", offset as u64)
                }
                (Compute::ThreadOffset, Meaning::ThreadOffset(offset)) => {
                    format!("{offset} + A from the thread pointer")
                }
                (Compute::ThreadWord | Compute::ThreadOffset, _) => {
                    "a symbol bound to an offset from the thread pointer".to_owned()
                }
                _ => "a symbol bound to a module and an offset of a thread-local".to_owned(),
            };
            let found = match site.rule.compute {
                Compute::ThreadBlock | Compute::ThreadOffset => {
                    format!("{:#x} ({in_field:#x} + A)", site.found())
                }
                Compute::ThreadWord => describe_entry(entry, self.entry_word(entry)),
                _ => match pair {
                    Some((module, offset)) => {
                        format!("one at {entry:#x} with ({module:#x}, {offset:#x})")
                    }
                    None => format!("{entry:#x}, where there is none"),
                },
            };
            Err((expected, found))
        };
        let symbol = match finding {
            Ok(()) => Some(site.relocation.symbol),
            Err(_) => self.symbols.thread(says),
        };
        let used = symbol.map(|symbol| (symbol, UseKind::Thread));
        self.verdict(site, finding, used)
    }

    /// What was done to the instruction that the field is in; `None` if it is as it was.
    fn rewritten(&self, site: &Site<'_>, prefixes: usize) -> Option<Change> {
        let from = site.offset().checked_sub(prefixes + 2)?;
        let window = from..site.offset().checked_add(4)?;
        let old = site.section.data.get(window.clone())?;
        let new = site.bytes.get(window.clone())?;
        if !site.is_code() || old.get(..prefixes + 2)? == new.get(..prefixes + 2)? {
            return None;
        }
        let address = site.start.wrapping_add(from as u64);
        Some(Change {
            before: instruction::decode(old, prefixes, address)?,
            // Prefixes that change in a way that no rewriting asks for make it another one.
            after: instruction::decode(new, prefixes, address)
                .filter(|after| instruction::keeps_prefixes(old, new, prefixes, after)),
            window,
        })
    }

    /// The new instruction must do the same to the same register, with one of the `wanted`
    /// values in place of the word.
    fn check_rewritten(&self, site: &Site<'_>, change: &Change, wanted: &[u64]) -> Verdict {
        let before = &change.before;
        let same = |after: &Instruction| {
            after.action == before.action
                && after.register == before.register
                && after.wide == before.wide
        };
        let Some(after) = change.after.filter(same) else {
            return Verdict {
                accounted: change.window.clone(),
                difference: Some((
                    format!("an instruction that does the same as {before:x?}"),
                    format!("{:x?}", change.after),
                )),
                used: None,
            };
        };
        let (value, kind, right) = match (after.operand, after.action) {
            (Operand::Address(to), Action::Call | Action::Jump) => {
                (to, UseKind::Call, self.leads(to, wanted))
            }
            (Operand::Address(to), _) => (to, UseKind::Address, wanted.contains(&to)),
            (Operand::Number(number), _) => {
                let is =
                    |want: &u64| number == *want || (!after.wide && number as u32 == *want as u32);
                (number, UseKind::Address, wanted.iter().any(is))
            }
            // Still a load from memory, but of another shape.
            (Operand::Word(at), _) => (at, UseKind::GotLoad, false),
        };
        let used = self.reached(site, right, value, kind);
        Verdict {
            accounted: change.window.clone(),
            difference: (!right).then(|| {
                (
                    format!("{} in a rewritten instruction", list(wanted)),
                    self.describe_way(value),
                )
            }),
            used,
        }
    }

    /// S, or why there is none.
    fn address(&self, site: &Site<'_>, stands: Stands) -> Result<u64, (String, String)> {
        match stands {
            Stands::Address { address, .. } => Ok(address),
            Stands::Null => Ok(0),
            Stands::GotBase => self.got.ok_or_else(|| no_got(site)),
            Stands::Thread { .. } | Stands::ThreadOffset(_) => Err(nothing(
                site,
                "a symbol that has an address (it is bound to a thread-local)",
            )),
            Stands::Discarded => Err(nothing(site, "a symbol whose section is loaded")),
            Stands::Nothing(reason) => Err(nothing(site, reason)),
        }
    }

    /// The addresses that a call may go to.
    fn callable(&self, site: &Site<'_>, stands: Stands) -> Result<Vec<u64>, (String, String)> {
        let mut wanted = vec![self.address(site, stands)?];
        if let Stands::Address { call, .. } = stands {
            wanted.extend(call);
        }
        Ok(wanted)
    }

    /// Whether control that goes to `to` comes to one of the `wanted` addresses.
    fn leads(&self, to: u64, wanted: &[u64]) -> bool {
        wanted.contains(&to)
            || (self.is_foreign(to, 1)
                && entry::leads_to(self.memory, to).is_some_and(|end| wanted.contains(&end)))
    }

    /// Whether no section of the object has any of these bytes: what a linker adds (GOT, entries)
    /// can't lie in what the object itself may write or mean for something else.
    fn is_foreign(&self, address: u64, length: u64) -> bool {
        let end = address.saturating_add(length);
        let next = self.taken.partition_point(|range| range.end <= address);
        self.taken.get(next).is_none_or(|range| end <= range.start)
    }

    /// The word of a GOT entry, if there can be one at `address`.
    fn entry_word(&self, address: u64) -> Option<u64> {
        let fits = address.is_multiple_of(8) && self.is_foreign(address, 8);
        self.memory.word(address).filter(|_| fits)
    }

    /// Compares the field with a value.
    fn value(&self, site: &Site<'_>, value: u64, formula: &str) -> Finding {
        if site.rule.field.holds(site.found(), value) {
            return Ok(());
        }
        let fits = match value.to_le_bytes().get(..site.rule.field.width()) {
            Some(bytes) => {
                let shown = site.rule.field.value(bytes);
                site.rule.field.holds(shown, value)
            }
            None => false,
        };
        let note = if fits {
            ""
        } else {
            ", which the field can't hold"
        };
        Err((
            format!("{value:#x} ({formula}){note}"),
            format!("{:#x}", site.found()),
        ))
    }

    /// The address that a PC-relative field leads to: for section symbols, counted as the
    /// processor counts if the field ends its instruction.
    fn target(&self, site: &Site<'_>) -> u64 {
        if !self.symbols.is_section(site.relocation.symbol) {
            return site.reached();
        }
        let counted_from = if site.is_code() {
            site.rule.field.width() as u64
        } else {
            0
        };
        let end = site.place().wrapping_add(counted_from);
        end.wrapping_add(site.found())
    }

    /// The symbol that the bytes reach: the relocation's own if it is `right`, else whichever
    /// lies at `target`.
    fn reached(
        &self,
        site: &Site<'_>,
        right: bool,
        target: u64,
        kind: UseKind,
    ) -> Option<(usize, UseKind)> {
        let own = site.relocation.symbol;
        let symbol = if !right {
            self.symbols.at(target)?
        } else if own == 0 {
            return None;
        } else if self.symbols.is_section(own) && matches!(kind, UseKind::Call | UseKind::Address) {
            let calls = kind == UseKind::Call;
            self.symbols.exactly_at(target, calls).unwrap_or(own)
        } else {
            own
        };
        Some((symbol, kind))
    }

    fn verdict(
        &self,
        site: &Site<'_>,
        finding: Finding,
        used: Option<(usize, UseKind)>,
    ) -> Verdict {
        Verdict {
            accounted: site.field(),
            difference: finding.err(),
            used,
        }
    }

    fn describe_way(&self, to: u64) -> String {
        match entry::leads_to(self.memory, to) {
            Some(end) => format!("{to:#x}, which leads to {end:#x}"),
            None => format!("{to:#x}"),
        }
    }
}

/// An instruction before and after it was rewritten.
#[derive(Debug)]
struct Change {
    /// Where it is in its section.
    window: Range<usize>,
    before: Instruction,
    after: Option<Instruction>,
}

fn list(addresses: &[u64]) -> String {
    let all: Vec<String> = addresses.iter().map(|a| format!("{a:#x}")).collect();
    if all.is_empty() {
        "nothing that is known".to_owned()
    } else {
        all.join(" or ")
    }
}

fn describe_entry(entry: u64, word: Option<u64>) -> String {
    match word {
        Some(word) => format!("one at {entry:#x} that holds {word:#x}"),
        None => format!("{entry:#x}, where there can be none"),
    }
}

fn nothing(site: &Site<'_>, need: &str) -> (String, String) {
    (
        need.to_owned(),
        format!("a link, with {:#x} in the field", site.found()),
    )
}

fn no_got(site: &Site<'_>) -> (String, String) {
    nothing(site, "an address of the GOT that is known")
}
