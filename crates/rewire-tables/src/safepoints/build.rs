//! Builds a [`SafepointTable`] from stack maps.

use rustc_hash::FxHashMap;

use super::root::{Root, RootLocation};
use super::{DEFAULT_ID, SafepointTable, coding};
use crate::error::{TableError, TableKind, TableProblem};
use crate::stack_map::{Location, MapRecord, StackMap};
use crate::statepoint::{BaseRegister, DeoptValue, StackSlot, Statepoint};

/// A pointer's bytes.
const POINTER: u16 = 8;

/// The largest vector of pointers that may be a root, in bytes. It bounds what a damaged size can
/// make of a few bytes.
const MOST_VECTOR: u16 = 2048;

/// About how many safepoints a bucket has.
const PER_BUCKET: u64 = 8;

/// What a table has of one safepoint.
struct Collected {
    address: u64,
    /// Where its root set begins among all sets.
    set: u32,
    /// Where its deoptimisation state begins among all states.
    deopt: Option<u32>,
    id: u64,
    /// Where its record begins in the section.
    record: usize,
}

impl SafepointTable {
    /// Builds the table of all statepoints in stack maps. Other records (of stack maps and patch
    /// points) have the same form, so the caller says which are of statepoints; if the code has no
    /// others, all are.
    ///
    /// # Errors
    ///
    /// If a record isn't a statepoint's, if a root isn't in a stack slot, and if addresses aren't
    /// what a linked section has: two are equal, or they lie more than 4 GiB apart.
    pub fn build(
        maps: &[StackMap<'_>],
        mut is_statepoint: impl FnMut(&MapRecord<'_>) -> bool,
    ) -> Result<Self, TableError> {
        let mut collector = Collector::default();
        for map in maps {
            for record in map.records() {
                if is_statepoint(&record) {
                    collector.add(&record)?;
                }
            }
        }
        collector.finish()
    }
}

#[derive(Default)]
struct Collector {
    safepoints: Vec<Collected>,
    known: FxHashMap<Vec<u8>, u32>,
    sets: Vec<u8>,
    states: Vec<u8>,
}

impl Collector {
    fn add(&mut self, record: &MapRecord<'_>) -> Result<(), TableError> {
        let statepoint = Statepoint::read(record)?;
        let at = |offset| move |problem| error(offset, problem);
        let address = record.address().ok_or(TableProblem::AddressOutOfRange);
        let address = address.map_err(at(record.bytes_offset()))?;
        let mut roots = Vec::new();
        for (place, (base, derived)) in statepoint.roots().enumerate() {
            let offset = statepoint.roots_at() + place * 2 * Location::SIZE;
            add_roots(&mut roots, base, derived).map_err(at(offset))?;
        }
        roots.sort_unstable();
        roots.dedup();
        let objects = statepoint
            .stack_objects()
            .map(|one| match DeoptValue::of(one)? {
                DeoptValue::Address(slot) => Ok(slot),
                _ => Err(TableProblem::NotAStatepoint(
                    "a variable is not on the stack",
                )),
            });
        let objects = objects.collect::<Result<Vec<StackSlot>, TableProblem>>();
        let objects = objects.map_err(at(record.bytes_offset()))?;
        let values = statepoint.deopt_state().map(DeoptValue::of);
        let values = values.collect::<Result<Vec<_>, TableProblem>>();
        let values = values.map_err(at(record.bytes_offset()))?;
        let set = self
            .set(coding::write_set(&roots, &objects))
            .map_err(at(0))?;
        let deopt = match values.is_empty() {
            true => None,
            false => Some(place_in(&self.states).map_err(at(0))?),
        };
        if deopt.is_some() {
            coding::write_number(&mut self.states, values.len() as u64);
        }
        for value in values {
            coding::write_deopt(&mut self.states, value);
        }
        self.safepoints.push(Collected {
            address,
            set,
            deopt,
            id: record.id(),
            record: record.bytes_offset(),
        });
        Ok(())
    }

    /// Where a set is, which is written unless it is known.
    fn set(&mut self, set: Vec<u8>) -> Result<u32, TableProblem> {
        if let Some(at) = self.known.get(&set) {
            return Ok(*at);
        }
        let at = place_in(&self.sets)?;
        self.sets.extend_from_slice(&set);
        self.known.insert(set, at);
        Ok(at)
    }

    fn finish(mut self) -> Result<SafepointTable, TableError> {
        let all = &mut self.safepoints;
        all.sort_by_key(|one| one.address);
        for pair in all.array_windows() {
            let [one, next] = pair;
            if one.address == next.address {
                return Err(error(next.record, TableProblem::SameAddress(next.address)));
            }
        }
        let first = all.first().map_or(0, |one| one.address);
        let last = all.last().map_or((0, 0), |one| (one.address, one.record));
        let span = u32::try_from(last.0 - first);
        let span = span.map_err(|_| error(last.1, TableProblem::AddressOutOfRange))?;
        let shift = bucket_shift(span, all.len() as u64);
        let width: u8 = match self.sets.len() {
            0..=0x100 => 1,
            0x101..=0x1_0000 => 2,
            _ => 4,
        };
        let mut data = bucket_starts(all, first, span, shift);
        let lows_at = data.len();
        let mask = (1_u64 << shift) - 1;
        for one in &*all {
            data.extend((((one.address - first) & mask) as u16).to_le_bytes());
        }
        for one in &*all {
            data.extend(&one.set.to_le_bytes()[..usize::from(width)]);
        }
        let sets_at = data.len();
        data.extend(&self.sets);
        let deopts_at = data.len();
        for (number, one) in (0_u32..).zip(&*all) {
            if let Some(deopt) = one.deopt {
                data.extend(number.to_le_bytes());
                data.extend(deopt.to_le_bytes());
            }
        }
        let ids_at = data.len();
        for (number, one) in (0_u32..).zip(&*all) {
            if one.id != DEFAULT_ID {
                data.extend(number.to_le_bytes());
                data.extend(one.id.to_le_bytes());
            }
        }
        let states_at = data.len();
        data.extend(&self.states);
        // All places of the table are within its bytes, so one check serves all.
        let place = |at: usize| at as u32;
        place_in(&data).map_err(|problem| error(0, problem))?;
        Ok(SafepointTable {
            first,
            span,
            count: all.len() as u32,
            shift,
            width,
            lows_at: place(lows_at),
            sets_at: place(sets_at),
            deopts_at: place(deopts_at),
            ids_at: place(ids_at),
            states_at: place(states_at),
            data: data.into_boxed_slice(),
        })
    }
}

fn error(offset: usize, problem: TableProblem) -> TableError {
    TableError {
        table: TableKind::StackMap,
        offset,
        problem,
    }
}

/// The place of what is written next.
fn place_in(bytes: &[u8]) -> Result<u32, TableProblem> {
    u32::try_from(bytes.len()).map_err(|_| TableProblem::TooLarge)
}

/// The logarithm of the bytes of code in a bucket, so that there is a bucket for about every eight
/// safepoints, and the distance of each from its bucket's start fits in 16 bits.
fn bucket_shift(span: u32, count: u64) -> u8 {
    let bytes = (u64::from(span) + 1) * PER_BUCKET / count.max(1);
    bytes.max(1).ilog2().min(16) as u8
}

/// The numbers of the first safepoint of each bucket, and behind the last one; nothing if there is
/// one bucket.
fn bucket_starts(all: &[Collected], first: u64, span: u32, shift: u8) -> Vec<u8> {
    let buckets = (span >> shift) + 1;
    let mut data = Vec::new();
    if buckets == 1 {
        return data;
    }
    let mut next = 0;
    for bucket in 0..=buckets {
        let start = first + (u64::from(bucket) << shift);
        while all.get(next).is_some_and(|one| one.address < start) {
            next += 1;
        }
        let number = if bucket == buckets { all.len() } else { next };
        data.extend((number as u32).to_le_bytes());
    }
    data
}

/// Adds the roots of a pair of locations: several, if it is a vector of pointers.
fn add_roots(roots: &mut Vec<Root>, base: Location, derived: Location) -> Result<(), TableProblem> {
    let (bases, deriveds) = (lanes(base)?, lanes(derived)?);
    let count = match (bases, deriveds) {
        (Some(one), Some(other)) if one != other => {
            return Err(TableProblem::NotAStatepoint(
                "a base and its derived pointers are of different sizes",
            ));
        }
        (Some(count), _) | (None, Some(count)) => count,
        (None, None) => 1,
    };
    for lane in 0..count {
        roots.push(Root {
            base: location_of_lane(base, lane)?,
            derived: location_of_lane(derived, lane)?,
        });
    }
    Ok(())
}

/// How many pointers lie at a location; `None` if it is a constant.
fn lanes(location: Location) -> Result<Option<u16>, TableProblem> {
    match location {
        Location::Indirect { size, .. } => {
            let is_fine = size != 0 && size % POINTER == 0 && size <= MOST_VECTOR;
            match is_fine {
                true => Ok(Some(size / POINTER)),
                false => Err(TableProblem::RootSize(size)),
            }
        }
        Location::Constant { .. } | Location::LargeConstant { .. } => Ok(None),
        Location::Register { register, .. } => Err(TableProblem::RootInRegister(register)),
        Location::Direct { .. } => Err(TableProblem::NotAStatepoint(
            "a root is the address of a variable on the stack",
        )),
    }
}

fn location_of_lane(location: Location, lane: u16) -> Result<RootLocation, TableProblem> {
    Ok(match location {
        Location::Indirect {
            register, offset, ..
        } => {
            let offset = offset.checked_add(i32::from(lane * POINTER));
            RootLocation::Slot(StackSlot {
                base: BaseRegister::of_dwarf(register)?,
                offset: offset.ok_or(TableProblem::AddressOutOfRange)?,
            })
        }
        other => RootLocation::Constant(other.constant().unwrap_or_default()),
    })
}
