//! Prints what the cache costs: `cargo run --release -p rewire-cache --example figures`.
//!
//! Each figure is the median of several rounds, each with a store that has read nothing yet. Cold
//! means that the kernel has dropped what it held of the files; the folders' entries stay.

use std::error::Error;
use std::fs::{self, File};
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rewire_cache::{
    Cache, Disk, DiskOptions, Entry, Image, Key, Kind, Origin, PartKind, Recipe, Value,
};
use rustix::fs::{Advice, fadvise};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const ROUNDS: usize = 15;

/// What a function's code depends on, as the engine would say it: the body, a dozen imported ones,
/// options, CPU and versions.
fn recipe(number: u64) -> Recipe {
    let mut recipe = Recipe::new(Kind::Function)
        .with(
            PartKind::Body,
            &format!("function{number}"),
            Value::Number(number),
        )
        .with(PartKind::Option, "level", Value::Number(2))
        .with(PartKind::Cpu, "", Value::Text("x86-64"))
        .with(PartKind::Version, "LLVM", Value::Text("22.1.0"))
        .with(PartKind::Version, "Rewire", Value::Text("0.1.0"));
    for import in 0..number % 12 {
        let hash = *blake3::hash(&import.to_le_bytes()).as_bytes();
        recipe.add(
            PartKind::ImportedBody,
            &format!("import{import}"),
            Value::Hash(hash),
        );
    }
    recipe
}

fn entry(number: u64, size: usize) -> Entry {
    let origin = Origin::new("program.bc", &format!("function{number}"), "2");
    let bytes: Vec<u8> = (0..size as u64)
        .map(|at| (at * number).to_le_bytes()[0])
        .collect();
    Entry::new(&recipe(number), Some(&origin), &bytes)
}

fn open(folder: &Path) -> Result<Cache> {
    Ok(Cache::new(Arc::new(Disk::open(
        folder,
        DiskOptions::default(),
    )?)))
}

fn print(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let (best, median) = (times[0], times[times.len() / 2]);
    println!("{what:58} {median:>10.1?}  (best {best:.1?})");
}

fn measure(what: &str, mut once: impl FnMut() -> Result<Duration>) -> Result<()> {
    let times: Result<Vec<_>> = (0..ROUNDS).map(|_| once()).collect();
    print(what, times?);
    Ok(())
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files(&path, found)?;
        } else {
            found.push(path);
        }
    }
    Ok(())
}

/// Has the kernel write the files and drop what it holds of them.
fn make_cold(folder: &Path) -> Result<()> {
    let mut paths = Vec::new();
    files(folder, &mut paths)?;
    for path in paths {
        let file = File::open(path)?;
        file.sync_all()?;
        fadvise(&file, 0, None, Advice::DontNeed)?;
    }
    Ok(())
}

/// What is kept, and looked for.
struct Program {
    folder: PathBuf,
    functions: Vec<Entry>,
    image_key: Key,
    image: Image,
}

fn keeping(program: &Program) -> Result<()> {
    let folder = &program.folder;
    measure("put 848 functions into an empty cache", || {
        fs::remove_dir_all(folder).ok();
        let cache = open(folder)?;
        let start = Instant::now();
        cache.put(&program.functions);
        Ok(start.elapsed())
    })?;
    one_more(folder)?;
    measure("put an image", || {
        let cache = open(folder)?;
        let start = Instant::now();
        cache.put_image(&program.image);
        Ok(start.elapsed())
    })
}

fn one_more(folder: &Path) -> Result<()> {
    measure("put one more function", || {
        let cache = open(folder)?;
        let one = [entry(1_000_000, 2048)];
        let start = Instant::now();
        cache.put(&one);
        Ok(start.elapsed())
    })
}

fn looking(program: &Program, state: &str) -> Result<()> {
    let folder = &program.folder;
    let prepare = || {
        if state == "cold" {
            make_cold(folder)
        } else {
            Ok(())
        }
    };
    measure(&format!("open, {state}"), || {
        prepare()?;
        let start = Instant::now();
        open(folder)?;
        Ok(start.elapsed())
    })?;
    measure(&format!("open, and an image, {state}"), || {
        prepare()?;
        let start = Instant::now();
        let found = open(folder)?.image(&program.image_key);
        let time = start.elapsed();
        assert!(found.is_some());
        Ok(time)
    })?;
    for (what, count) in [("one lookup", 1), ("848 lookups", 848)] {
        measure(&format!("open, and {what}, {state}"), || {
            prepare()?;
            let start = Instant::now();
            let cache = open(folder)?;
            let functions = program.functions[..count].iter();
            let found = functions
                .filter(|entry| cache.get(entry.key()).is_some())
                .count();
            let time = start.elapsed();
            assert_eq!(found, count);
            Ok(time)
        })?;
    }
    measure(
        &format!("open, and 1,000 lookups of what isn't there, {state}"),
        || {
            prepare()?;
            let keys: Vec<_> = (5000..6000).map(|number| recipe(number).key()).collect();
            let start = Instant::now();
            let cache = open(folder)?;
            assert!(keys.iter().all(|key| cache.get(key).is_none()));
            Ok(start.elapsed())
        },
    )
}

fn main() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let functions: Vec<Entry> = (0..848).map(|number| entry(number, 2048)).collect();
    let image_recipe =
        Recipe::new(Kind::Image).with(PartKind::Module, "program", Value::Text("program"));
    let image = Image::new(
        Entry::new(&image_recipe, None, &vec![7; 300 << 10]),
        &functions,
    );
    println!(
        "image: {} KB, {} functions",
        image.sealed().len() >> 10,
        functions.len()
    );
    let folder = temporary.path().join("cache");
    let program = Program {
        folder,
        functions,
        image_key: image_recipe.key(),
        image,
    };

    let start = Instant::now();
    for number in 0..1000 {
        black_box(recipe(number).key());
    }
    println!("{:58} {:>10.1?}", "1,000 recipes and keys", start.elapsed());
    keeping(&program)?;
    looking(&program, "warm")?;
    looking(&program, "cold")?;

    for number in 0..99 {
        let more: Vec<_> = (0..1000)
            .map(|at| entry(10_000 + 1000 * number + at, 64))
            .collect();
        open(&program.folder)?.put(&more);
    }
    println!("with 100,000 functions:");
    looking(&program, "warm")?;
    one_more(&program.folder)
}
