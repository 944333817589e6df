//! Objects that are cut off or damaged give an error or differences, never a panic.

use crate::link::Link;
use crate::sources::{c, fixed, shared};

fn links() -> [Link; 3] {
    let pic = ["gcc", "-O1", "-fPIC", "-ffunction-sections"];
    [fixed(&[]), shared(), c(&pic, &["-shared", "-Bsymbolic"])]
}

/// Numbers that look random and are the same each time (xorshift64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

#[test]
fn cut_off() {
    for link in links() {
        for part in 0..64 {
            let mut cut = link.clone();
            cut.object.truncate(link.object.len() * part / 64);
            // The section headers come last.
            assert!(cut.try_check().is_err(), "{part}/64");
        }
    }
}

#[test]
fn damaged() {
    let (mut errors, mut differences, mut same) = (0, 0, 0);
    for link in links() {
        let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
        for _ in 0..3000 {
            let mut damaged = link.clone();
            for _ in 0..=numbers.below(8) {
                let at = numbers.below(damaged.object.len());
                damaged.object[at] ^= 1 << numbers.below(8);
            }
            match damaged.try_check() {
                Err(error) => {
                    assert!(!error.to_string().is_empty());
                    errors += 1;
                }
                Ok(outcome) if outcome.differences.is_empty() => same += 1,
                Ok(outcome) => {
                    assert!(
                        outcome
                            .differences
                            .iter()
                            .all(|d| !d.to_string().is_empty())
                    );
                    differences += 1;
                }
            }
        }
    }
    // What is damaged may be of no importance: names, section headers' sizes of other tables.
    assert!(
        errors > 500 && differences > 500,
        "{errors} {differences} {same}"
    );
}

/// Every value of every byte of the headers and of the first relocations.
#[test]
fn headers() {
    let link = shared();
    let tail = link.object.len() - 12 * 64..link.object.len();
    for at in (0..64).chain(tail) {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut damaged = link.clone();
            damaged.object[at] = value;
            let _ = damaged.try_check();
        }
    }
}

#[test]
fn damaged_memory() {
    for link in links() {
        let mut numbers = Numbers(0x2545_f491_4f6c_dd1d);
        for _ in 0..500 {
            let mut damaged = link.clone();
            damaged.memory.retain(|(_, bytes)| !bytes.is_empty());
            let span = numbers.below(damaged.memory.len());
            let bytes = &mut damaged.memory[span].1;
            let at = numbers.below(bytes.len());
            bytes[at] ^= 1 << numbers.below(8);
            bytes.truncate(at + numbers.below(64));
            damaged.check();
        }
    }
}

#[test]
fn what_the_caller_says_is_looked_at() {
    let link = fixed(&[]);
    let mut wrong = link.clone();
    wrong.sections.insert(9999, 0);
    assert_eq!(
        wrong.try_check().unwrap_err().to_string(),
        "section 9999: the object has no such section"
    );
    let mut wrong = link.clone();
    wrong.symbols.insert(9999, rewire_check::Meaning::Null);
    assert_eq!(
        wrong.try_check().unwrap_err().to_string(),
        "symbol 9999: the object has no such symbol"
    );
    let mut wrong = link.clone();
    let first = wrong.memory[0].clone();
    wrong.memory.push((first.0 + 1, first.1));
    assert!(
        wrong
            .try_check()
            .unwrap_err()
            .to_string()
            .contains("overlaps")
    );
    let mut wrong = link.clone();
    wrong.memory.push((u64::MAX - 3, vec![0; 8]));
    assert!(wrong.try_check().unwrap_err().to_string().contains("wraps"));
}
