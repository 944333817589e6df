//! Runs long enough that compiling does not matter: collections, strings, trait objects, iterators,
//! generics.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

trait Shape {
    fn area(&self) -> f64;
    fn grow(&mut self, by: f64);
}

struct Square(f64);

struct Disc(f64);

impl Shape for Square {
    fn area(&self) -> f64 {
        self.0 * self.0
    }

    fn grow(&mut self, by: f64) {
        self.0 += by;
    }
}

impl Shape for Disc {
    fn area(&self) -> f64 {
        3.25 * self.0 * self.0
    }

    fn grow(&mut self, by: f64) {
        self.0 += by / 2.0;
    }
}

fn shapes(count: usize, rounds: usize) -> f64 {
    let mut all: Vec<Box<dyn Shape>> = (0..count)
        .map(|i| -> Box<dyn Shape> {
            if i % 3 == 0 {
                Box::new(Disc((i % 17) as f64))
            } else {
                Box::new(Square((i % 23) as f64))
            }
        })
        .collect();
    let mut sum = 0.0;
    for _ in 0..rounds {
        for shape in &mut all {
            shape.grow(0.25);
            sum += shape.area();
        }
    }
    sum
}

fn random(seed: u32) -> impl Iterator<Item = u32> {
    std::iter::successors(Some(seed), |state| {
        let mut state = *state;
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        Some(state)
    })
}

/// The same on every run, unlike the standard library's.
#[derive(Default)]
struct Fnv(u64);

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

fn words(count: usize) -> u64 {
    let mut sorted: BTreeMap<String, usize> = BTreeMap::new();
    let mut hashed: HashMap<String, usize, BuildHasherDefault<Fnv>> = HashMap::default();
    for (i, number) in random(12345).take(count).enumerate() {
        let word = format!("word {}", number % 5000);
        *sorted.entry(word.clone()).or_default() += 1;
        *hashed.entry(word).or_default() += i;
    }
    sorted.iter().fold(0, |sum: u64, (word, times)| {
        let more = times + word.len() + hashed[word];
        sum.wrapping_mul(31).wrapping_add(more as u64)
    })
}

fn sorting(count: usize) -> u64 {
    let mut numbers: Vec<u32> = random(777).take(count).collect();
    numbers.sort_unstable_by_key(|number| (number % 1_000_003, *number));
    numbers[..count / 2].sort();
    numbers.iter().fold(0, |sum: u64, number| {
        sum.wrapping_mul(33).wrapping_add(u64::from(*number))
    })
}

fn matrices(rounds: usize) -> f64 {
    const SIZE: usize = 64;
    let fill = |cell: &dyn Fn(usize, usize) -> f64| -> Vec<Vec<f64>> {
        (0..SIZE)
            .map(|row| (0..SIZE).map(|column| cell(row, column)).collect())
            .collect()
    };
    let mut one = fill(&|row, column| ((row * 7 + column) % 5) as f64 / 8.0);
    let step = fill(&|row, column| match row == column {
        true => 1.0,
        false if (row + column) % SIZE == 1 => 0.5,
        false => 0.0,
    });
    for _ in 0..rounds {
        let mut product = vec![vec![0.0; SIZE]; SIZE];
        for (row, out) in one.iter().zip(&mut product) {
            for (factor, from) in row.iter().zip(&step) {
                for (cell, value) in out.iter_mut().zip(from) {
                    *cell += factor * value;
                }
            }
        }
        one = product;
    }
    one.iter().flatten().sum()
}

fn parsing(rounds: usize) -> Result<i64, std::num::ParseIntError> {
    let mut sum = 0;
    for round in 0..rounds {
        let text = format!("{}, {}, -{}", round, round * 7, round % 1000);
        for part in text.split(", ") {
            sum += part.parse::<i64>()?;
        }
    }
    Ok(sum)
}

pub fn run(rounds: usize) {
    for _ in 0..rounds {
        println!(
            "{:.6e} {} {} {:.6e} {:?}",
            shapes(20_000, 800),
            words(600_000),
            sorting(1_500_000),
            matrices(700),
            parsing(400_000),
        );
    }
}
