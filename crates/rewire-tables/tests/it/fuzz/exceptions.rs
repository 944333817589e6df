//! Exception tables as data, written by the format's description.

use arbitrary::Arbitrary;
use rewire_fuzz::{Damage, list};
use rewire_tables::{Action, ExceptionTable, Protection, TableError, TypeInfo, frame_table};

#[derive(Arbitrary, Clone, Debug)]
pub(crate) struct Handlers {
    function: u32,
    /// Where landing pads are counted from, if that isn't the function's start.
    landing_pads: Option<u32>,
    /// Whether call sites are of 4 bytes rather than of variable length.
    is_wide: bool,
    encoding: TypeEncoding,
    #[arbitrary(with = list::<_, 4>)]
    types: Vec<Option<u16>>,
    #[arbitrary(with = list::<_, 3>)]
    filters: Vec<Filter>,
    #[arbitrary(with = list::<_, 8>)]
    call_sites: Vec<Site>,
}

/// Types that may pass, by their numbers.
#[derive(Arbitrary, Clone, Debug)]
struct Filter {
    #[arbitrary(with = list::<_, 3>)]
    types: Vec<u8>,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum TypeEncoding {
    Absolute,
    Unsigned4,
    RelativeIndirect4,
    Relative8,
}

#[derive(Arbitrary, Clone, Debug)]
struct Site {
    gap: u8,
    size: u8,
    /// 0 for none.
    landing_pad: u16,
    #[arbitrary(with = list::<_, 4>)]
    actions: Vec<Selector>,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Selector {
    Cleanup,
    Type(u8),
    Filter(u8),
}

/// An action as it has to be read.
#[derive(Debug, PartialEq)]
enum Decoded {
    Cleanup,
    Catch(u64, TypeInfo),
    Filter(i64, Vec<TypeInfo>),
}

const ADDRESS: u64 = 0x7f00_0000_0000;

impl TypeEncoding {
    fn code(self) -> u8 {
        match self {
            Self::Absolute => 0x00,
            Self::Unsigned4 => 0x03,
            Self::RelativeIndirect4 => 0x9b,
            Self::Relative8 => 0x1c,
        }
    }

    fn size(self) -> usize {
        match self {
            Self::Absolute | Self::Relative8 => 8,
            Self::Unsigned4 | Self::RelativeIndirect4 => 4,
        }
    }

    /// The type that the raw value stands for at a place.
    fn type_info(self, raw: u16, place: usize) -> TypeInfo {
        let (raw, here) = (u64::from(raw), ADDRESS + place as u64);
        match self {
            _ if raw == 0 => TypeInfo::Any,
            Self::Absolute | Self::Unsigned4 => TypeInfo::At(raw),
            Self::Relative8 => TypeInfo::At(here + raw),
            Self::RelativeIndirect4 => TypeInfo::Through(here + raw),
        }
    }
}

fn uleb(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn sleb(bytes: &mut Vec<u8>, mut value: i64) {
    while !(-0x40..0x40).contains(&value) {
        bytes.push(value as u8 & 0x7f | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8 & 0x7f);
}

impl Handlers {
    /// Where filters begin, and the bytes of all.
    fn filter_bytes(&self) -> (Vec<usize>, Vec<u8>) {
        let (mut places, mut bytes) = (Vec::new(), Vec::new());
        for filter in &self.filters {
            places.push(bytes.len());
            for one in self.filter_types(filter) {
                uleb(&mut bytes, one);
            }
            bytes.push(0);
        }
        (places, bytes)
    }

    fn filter_types<'a>(&'a self, filter: &'a Filter) -> impl Iterator<Item = u64> + 'a {
        let types = self.types.len() as u64;
        let numbers = filter.types.iter().filter(move |_| types > 0);
        numbers.map(move |one| u64::from(*one) % types + 1)
    }

    /// The numbers of a site's actions, as the table has them.
    fn selectors(&self, site: &Site, filters: &[usize]) -> Vec<i64> {
        let known = site.actions.iter().filter_map(|one| match *one {
            Selector::Cleanup => Some(0),
            Selector::Type(one) => {
                let types = self.types.len();
                (types > 0).then(|| (usize::from(one) % types + 1) as i64)
            }
            Selector::Filter(one) => {
                let count = filters.len();
                (count > 0).then(|| -(filters[usize::from(one) % count] as i64) - 1)
            }
        });
        known.collect()
    }

    /// The table, and where its types end.
    fn write(&self) -> (Vec<u8>, usize) {
        let (filters, filter_bytes) = self.filter_bytes();
        let (mut sites, mut actions) = (Vec::new(), Vec::new());
        let mut at = 0_u64;
        for site in &self.call_sites {
            at += u64::from(site.gap);
            let selectors = self.selectors(site, &filters);
            let first = match selectors.is_empty() {
                true => 0,
                false => actions.len() as u64 + 1,
            };
            for (place, selector) in selectors.iter().enumerate() {
                sleb(&mut actions, *selector);
                let is_last = place + 1 == selectors.len();
                // The next action follows the one byte of this distance.
                actions.push(u8::from(!is_last));
            }
            for number in [at, site.size.into(), site.landing_pad.into()] {
                match self.is_wide {
                    true => sites.extend((number as u32).to_le_bytes()),
                    false => uleb(&mut sites, number),
                }
            }
            uleb(&mut sites, first);
            at += u64::from(site.size);
        }
        let mut behind = vec![if self.is_wide { 0x03 } else { 0x01 }];
        uleb(&mut behind, sites.len() as u64);
        behind.extend(sites);
        behind.extend(actions);
        let mut bytes = match self.landing_pads {
            None => vec![0xff],
            Some(start) => [&[0x03][..], &start.to_le_bytes()].concat(),
        };
        bytes.push(self.encoding.code());
        let types = self.types.len() * self.encoding.size();
        uleb(&mut bytes, (behind.len() + types) as u64);
        bytes.extend(behind);
        for raw in self.types.iter().rev() {
            let word = u64::from(raw.unwrap_or(0)).to_le_bytes();
            bytes.extend(&word[..self.encoding.size()]);
        }
        let end = bytes.len();
        bytes.extend(filter_bytes);
        (bytes, end)
    }

    fn type_info(&self, number: u64, end: usize) -> TypeInfo {
        let place = end - number as usize * self.encoding.size();
        let raw = self.types[number as usize - 1].unwrap_or(0);
        self.encoding.type_info(raw, place)
    }
}

fn decoded(action: Action<'_>) -> Decoded {
    match action {
        Action::Cleanup => Decoded::Cleanup,
        Action::Catch {
            selector,
            type_info,
        } => Decoded::Catch(selector, type_info),
        Action::Filter { selector, types } => {
            Decoded::Filter(selector, types.map(Result::unwrap).collect())
        }
    }
}

/// Asks for every byte of the function.
pub(crate) fn ask_all(handlers: &Handlers) {
    let (bytes, end) = handlers.write();
    let function = u64::from(handlers.function);
    let table = ExceptionTable::parse(&bytes, ADDRESS, function).unwrap();
    table.verify().unwrap();
    let (filters, _) = handlers.filter_bytes();
    let mut at = function;
    for site in &handlers.call_sites {
        for address in at..at + u64::from(site.gap) {
            let protection = table.protection(address).unwrap();
            assert!(matches!(protection, Protection::Terminate));
        }
        at += u64::from(site.gap);
        let expected: Vec<Decoded> = match handlers.selectors(site, &filters) {
            none if none.is_empty() => vec![Decoded::Cleanup],
            selectors => {
                let decode = |selector: &i64| match *selector {
                    0 => Decoded::Cleanup,
                    1.. => {
                        let number = selector.unsigned_abs();
                        Decoded::Catch(number, handlers.type_info(number, end))
                    }
                    _ => {
                        let place = (-selector - 1) as usize;
                        let filter = filters.iter().position(|one| *one == place).unwrap();
                        let types = handlers.filter_types(&handlers.filters[filter]);
                        let types = types.map(|number| handlers.type_info(number, end));
                        Decoded::Filter(*selector, types.collect())
                    }
                };
                selectors.iter().map(decode).collect()
            }
        };
        for address in at..at + u64::from(site.size) {
            match table.protection(address).unwrap() {
                Protection::None => assert_eq!(site.landing_pad, 0),
                Protection::LandingPad {
                    address: pad,
                    actions,
                } => {
                    let base = handlers.landing_pads.map_or(function, u64::from);
                    assert_eq!(pad, base + u64::from(site.landing_pad));
                    let actions: Vec<_> = actions.map(|one| decoded(one.unwrap())).collect();
                    assert_eq!(actions, expected);
                }
                Protection::Terminate => panic!("{address:#x} is in a call site"),
            }
        }
        at += u64::from(site.size);
    }
    assert!(matches!(table.protection(at), Ok(Protection::Terminate)));
}

#[derive(Arbitrary, Clone, Debug)]
pub(crate) struct DamagedExceptions {
    handlers: Handlers,
    damage: Damage,
}

impl DamagedExceptions {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.handlers.write().0;
        self.damage.apply(&mut bytes);
        bytes
    }
}

/// Reads everything that can be read. Errors are fine if they say what is wrong.
pub(crate) fn take_through(bytes: &[u8]) {
    let check = |error: TableError| {
        assert!(
            error.to_string().starts_with(".gcc_except_table+0x"),
            "{error}"
        );
    };
    // Whatever the bytes are meant for.
    for entry in 0..bytes.len().min(32) {
        let _ = frame_table(bytes, ADDRESS, entry);
    }
    let table = match ExceptionTable::parse(bytes, ADDRESS, 0x1000) {
        Ok(table) => table,
        Err(error) => return check(error),
    };
    if let Err(error) = table.verify() {
        check(error);
    }
    for address in [0, 0xfff, 0x1000, 0x1010, u64::MAX] {
        if let Ok(Protection::LandingPad { actions, .. }) = table.protection(address) {
            let _ = actions.count();
        }
    }
}
