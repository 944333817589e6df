//! The files that the programs are run on, where they are generated or come from a crate.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use super::recipe::listed;
use super::{Program, make_dir, write};
use crate::error::{Context, Result};
use crate::paths::shown;

/// Writes the files that a program is run on. `folder` has its sources.
pub(super) fn make(program: Program, folder: &Path) -> Result<()> {
    match program {
        Program::Lua => Ok(()),
        Program::QuickJs => copy_scripts(&folder.join("tests"), &quickjs_tests()),
        Program::MiniSat => {
            write(&pigeons(), pigeonhole(7).as_bytes())?;
            write(&many_pigeons(), pigeonhole(9).as_bytes())?;
            write(&satisfiable(), clauses(140, 574).as_bytes())
        }
        Program::Cxx | Program::Rust => write(&numbers(program), b"1 2 3\n40\n"),
        Program::Sqlite => {
            write(&bench_sql(), inserts().as_bytes())?;
            write(&long_sql(), QUERIES.as_bytes())
        }
        Program::Bzip2 => {
            for name in ["sample1", "sample2", "sample3"] {
                for extension in ["ref", "bz2"] {
                    let name = format!("{name}.{extension}");
                    let to = program.file(&name);
                    // Written and not copied: the mode of the crate's file may be read-only.
                    let bytes = fs::read(folder.join(&name))
                        .context(|| format!("read {name} of bzip2's sources"))?;
                    write(&to, &bytes)?;
                }
            }
            write_text(&long_text(), 24 << 20)
        }
    }
}

/// A thousand inserts and a query.
pub(crate) fn bench_sql() -> PathBuf {
    Program::Sqlite.file("bench.sql")
}

/// Inserting, querying and changing: a good half second.
pub(crate) fn long_sql() -> PathBuf {
    Program::Sqlite.file("long.sql")
}

const QUERIES: &str = "
CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, value REAL);
CREATE INDEX by_name ON t(name);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400000)
  INSERT INTO t SELECT i, 'name ' || (i * 7919 % 100003), i * 37 % 1009 / 8.0 FROM n;
SELECT count(*), sum(value), max(name) FROM t WHERE name LIKE '%77%';
SELECT name, count(*), sum(value) FROM t GROUP BY name HAVING count(*) > 4 ORDER BY 3 DESC LIMIT 5;
UPDATE t SET value = value + 1 WHERE id % 3 = 0;
SELECT sum(a.value * b.value) FROM t a JOIN t b ON a.id = b.id + 1;
DELETE FROM t WHERE id % 5 = 0;
SELECT count(*), total(value) FROM t ORDER BY name;
DROP TABLE t;
";

/// A file that bzip2 needs a second or two for.
pub(crate) fn long_text() -> PathBuf {
    Program::Bzip2.file("long.ref")
}

fn inserts() -> String {
    let mut sql = String::from("CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, value REAL);\n");
    for i in 0..1000 {
        let value = f64::from(i * 37 % 1009) / 8.0;
        // Writing into a string can't fail.
        let _ = writeln!(
            sql,
            "INSERT INTO t VALUES({i}, 'name {}', {value});",
            i % 13
        );
    }
    sql.push_str(
        "SELECT name, count(*), sum(value), max(id) FROM t WHERE value > 20 GROUP BY name \
         ORDER BY 3 DESC;\n",
    );
    sql
}

/// Writes text with the redundancy of text: words drawn from a small vocabulary, the same on every
/// run.
fn write_text(path: &Path, size: u64) -> Result<()> {
    if fs::metadata(path).is_ok_and(|found| found.len() == size) {
        return Ok(());
    }
    let mut random = random();
    let words: Vec<Vec<u8>> = (0..4000)
        .map(|_| {
            let length = 2 + random() % 9;
            (0..length)
                .map(|_| b"etaoinshrdlucmfw"[(random() % 16) as usize])
                .collect()
        })
        .collect();
    let file = File::create(path).context(|| format!("make {}", shown(path)))?;
    let mut out = BufWriter::new(file);
    let mut left = size as usize;
    while left > 0 {
        // The product of two draws makes some words frequent and most of them rare.
        let pick = (random() % 64) * (random() % 63);
        let mut word = words[pick as usize % words.len()].clone();
        word.push(if random().is_multiple_of(12) {
            b'\n'
        } else {
            b' '
        });
        word.truncate(left);
        left -= word.len();
        out.write_all(&word)
            .context(|| format!("write {}", shown(path)))?;
    }
    out.flush().context(|| format!("write {}", shown(path)))
}

/// The folder of QuickJS's own tests. They write files where they stand.
pub(crate) fn quickjs_tests() -> PathBuf {
    Program::QuickJs.file("tests")
}

/// Copies the tests and what they load.
fn copy_scripts(from: &Path, to: &Path) -> Result<()> {
    make_dir(to)?;
    for path in listed(from)? {
        let target = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy_scripts(&path, &target)?;
        } else {
            let bytes = fs::read(&path).context(|| format!("read {}", path.display()))?;
            write(&target, &bytes)?;
        }
    }
    Ok(())
}

/// One line of numbers and another, for standard input.
pub(crate) fn numbers(program: Program) -> PathBuf {
    program.file("numbers.txt")
}

/// A formula without a solution: more pigeons than holes.
pub(crate) fn pigeons() -> PathBuf {
    Program::MiniSat.file("pigeons.cnf")
}

/// The same, that takes two seconds.
pub(crate) fn many_pigeons() -> PathBuf {
    Program::MiniSat.file("many_pigeons.cnf")
}

/// A formula with a solution.
pub(crate) fn satisfiable() -> PathBuf {
    Program::MiniSat.file("satisfiable.cnf")
}

fn pigeonhole(holes: usize) -> String {
    let variable = |pigeon: usize, hole: usize| pigeon * holes + hole + 1;
    let mut clauses = Vec::new();
    for pigeon in 0..=holes {
        let somewhere = (0..holes).map(|hole| variable(pigeon, hole).to_string());
        clauses.push(somewhere.collect::<Vec<_>>().join(" "));
        for hole in 0..holes {
            for other in 0..pigeon {
                let (one, other) = (variable(pigeon, hole), variable(other, hole));
                clauses.push(format!("-{one} -{other}"));
            }
        }
    }
    dimacs(holes * (holes + 1), &clauses)
}

/// Random clauses of three literals, each of which a hidden assignment satisfies.
fn clauses(variables: usize, count: usize) -> String {
    let mut random = random();
    let hidden: Vec<bool> = (0..variables).map(|_| random().is_multiple_of(2)).collect();
    let mut clauses = Vec::new();
    while clauses.len() < count {
        let mut literals = Vec::new();
        let mut is_satisfied = false;
        for _ in 0..3 {
            let variable = (random() % variables as u64) as usize;
            let positive = random().is_multiple_of(2);
            is_satisfied |= hidden[variable] == positive;
            let sign = if positive { "" } else { "-" };
            literals.push(format!("{sign}{}", variable + 1));
        }
        if is_satisfied {
            clauses.push(literals.join(" "));
        }
    }
    dimacs(variables, &clauses)
}

fn dimacs(variables: usize, clauses: &[String]) -> String {
    let mut text = format!("p cnf {variables} {}\n", clauses.len());
    for clause in clauses {
        text.push_str(clause);
        text.push_str(" 0\n");
    }
    text
}

/// Numbers that are the same on every run.
fn random() -> impl FnMut() -> u64 {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    }
}
