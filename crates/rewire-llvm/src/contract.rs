//! What a function promises and demands, beyond its type.
//!
//! Bitcode that was optimised elsewhere has such facts about functions built into their callers
//! (LangRef, "Function Attributes", "Parameter Attributes"). A new body has to keep the promises
//! of the old one, and may demand no more.

use crate::type_id::TypeId;

/// A function's contract with its callers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contract {
    /// How values are passed.
    abi: Vec<Passing>,
    /// What callers may rely on.
    promises: Vec<Box<str>>,
    /// What callers have to see to.
    demands: Vec<Box<str>>,
}

/// One thing about how a value is passed.
#[derive(Clone, Debug)]
struct Passing {
    /// As IR writes it: `argument 1 byval(%pair)`.
    text: Box<str>,
    /// The type that it names.
    of: Option<TypeId>,
}

impl Passing {
    fn parse(line: &str) -> Self {
        let (text, id) = line.split_once('\t').unwrap_or((line, ""));
        Self {
            text: text.into(),
            of: TypeId::parse(id),
        }
    }

    /// The text without the type's name, where a type tells more.
    fn attribute(&self) -> &str {
        match self.of {
            Some(_) => self.text.split('(').next().unwrap_or_default(),
            None => &self.text,
        }
    }
}

impl PartialEq for Passing {
    fn eq(&self, other: &Self) -> bool {
        self.of == other.of && self.attribute() == other.attribute()
    }
}

impl Eq for Passing {}

/// How the text of a calling convention that isn't C's begins; its number follows.
const CONVENTION: &str = "calling convention ";

/// The calling conventions by which functions can be called as C's (LLVM's `CallingConv.h`):
/// `fastcc`, `coldcc`, `preserve_mostcc`, `preserve_allcc`, `swiftcc` and `x86_64_sysvcc`.
const LIKE_C: &[&str] = &["8", "9", "14", "15", "16", "78"];

/// What makes a function that takes or gives a value in a way of which function pointers know
/// nothing.
const UNUSUAL: &[&str] = &[
    "byval",
    "inalloca",
    "inreg",
    "nest",
    "preallocated",
    "swiftasync",
    "swifterror",
    "swiftself",
];

/// The promise that a body may keep without being declared with it.
const NO_UNWIND: &str = "nounwind";

impl Contract {
    pub(crate) fn parse(text: &str) -> Self {
        let mut contract = Self::default();
        for line in text.lines() {
            let (kind, rest) = line.split_at(line.len().min(1));
            let rest = rest.trim_start();
            match kind {
                "a" => contract.abi.push(Passing::parse(rest)),
                "p" => contract.promises.push(rest.into()),
                _ => contract.demands.push(rest.into()),
            }
        }
        contract
    }

    /// The text that [`Contract::parse`] reads.
    pub(crate) fn to_text(&self) -> String {
        let mut text = String::new();
        for one in &self.abi {
            let id = one
                .of
                .map(|id| format!("\t{:032x}", u128::from_be_bytes(id.bytes())));
            text += &format!("a {}{}\n", one.text, id.unwrap_or_default());
        }
        for (kind, list) in [('p', &self.promises), ('d', &self.demands)] {
            for one in list {
                text += &format!("{kind} {one}\n");
            }
        }
        text
    }

    /// The first value that isn't passed as C passes one of its type, such as
    /// `argument 1 byval(%pair)`; `None` if all are passed as in C.
    #[must_use]
    pub fn unusual_passing(&self) -> Option<&str> {
        let mut texts = self.abi.iter().map(|one| &*one.text);
        texts.find(|text| {
            if let Some(number) = text.strip_prefix(CONVENTION) {
                return !LIKE_C.contains(&number);
            }
            let mut words = text.split([' ', '(']);
            words.any(|word| UNUSUAL.contains(&word))
        })
    }

    /// Says that the function doesn't throw.
    pub(crate) fn promise_not_to_unwind(&mut self) {
        if !self.promises.iter().any(|one| &**one == NO_UNWIND) {
            self.promises.push(NO_UNWIND.into());
        }
    }

    /// Whether both say the same of how values are passed.
    #[must_use]
    pub fn passes_as(&self, other: &Self) -> bool {
        self.abi == other.abi
    }

    /// Why callers that know this contract can't do with another; `None` if they can.
    #[must_use]
    pub fn broken_by(&self, new: &Self) -> Option<String> {
        if self.abi != new.abi {
            let show = |list: &[Passing]| match list {
                [] => "plainly".to_owned(),
                some => {
                    let texts: Vec<&str> = some.iter().map(|one| &*one.text).collect();
                    texts.join(", ")
                }
            };
            let (before, now) = (show(&self.abi), show(&new.abi));
            return Some(match before == now {
                true => format!("a type in this has other fields now: {now}"),
                false => format!("values were passed so: {before}; and now so: {now}"),
            });
        }
        if let Some(lost) = self.promises.iter().find(|one| !new.promises.contains(one)) {
            return Some(format!(
                "callers may rely on this, which the new one doesn't promise: {lost}"
            ));
        }
        let more = new.demands.iter().find(|one| !self.demands.contains(one));
        more.map(|more| format!("callers don't know that it demands this: {more}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_weaker_is_told() {
        let old = Contract::parse(
            "p nounwind\np it never writes memory of kind 0\nd argument 1 nonnull\n",
        );
        assert_eq!(old.broken_by(&old), None);
        let throws = Contract::parse("p it never writes memory of kind 0\n");
        assert!(old.broken_by(&throws).unwrap().contains("nounwind"));
        let stronger =
            Contract::parse("p nounwind\np it never writes memory of kind 0\np willreturn\n");
        assert_eq!(old.broken_by(&stronger), None);
        let demands = Contract::parse(
            "p nounwind\np it never writes memory of kind 0\nd argument 1 nonnull\nd argument 2 nonnull",
        );
        assert!(old.broken_by(&demands).unwrap().contains("argument 2"));
        let other = Contract::parse("a argument 1 byval(i64)\np nounwind");
        assert!(old.broken_by(&other).unwrap().contains("byval"));
    }

    #[test]
    fn types_that_values_are_passed_as_are_told_by_their_identities() {
        let old = Contract::parse("a argument 1 byval(%s)\t0a");
        let renamed = Contract::parse("a argument 1 byval(%t)\t0a");
        assert_eq!(old.broken_by(&renamed), None);
        let grown = Contract::parse("a argument 1 byval(%s)\t0b");
        assert!(old.broken_by(&grown).unwrap().contains("other fields"));
        let by_address = Contract::parse("a argument 1 byref(%s)\t0a");
        assert!(old.broken_by(&by_address).unwrap().contains("byref(%s)"));
        assert_eq!(old.unusual_passing(), Some("argument 1 byval(%s)"));
        assert_eq!(by_address.unusual_passing(), None);
        let fast = Contract::parse("a calling convention 8");
        assert_eq!(fast.unusual_passing(), None);
        assert!(
            Contract::parse("a calling convention 10")
                .unusual_passing()
                .is_some()
        );
    }
}
