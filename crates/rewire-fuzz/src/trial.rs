//! Trying inputs: what the process does that a target is run in, and how it is started.

use std::env;
use std::fmt::Debug;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use arbitrary::Arbitrary;

use crate::bytes;

/// What a process is to try: the name of this variable, and of the file that says what.
const ONE: &str = "REWIRE_FUZZ_ONE";
const MANY: &str = "REWIRE_FUZZ_MANY";
const SEED: &str = "REWIRE_FUZZ_SEED";
const SECONDS: &str = "REWIRE_FUZZ_SECONDS";

/// Says in the file of [`MANY`] that nothing was tried yet.
const NONE_YET: u64 = u64::MAX;

/// What a process is to try.
pub(crate) enum Job {
    /// The bytes in this file.
    One(PathBuf),
    /// The inputs of a seed until the time is up. Which one is being tried stands in the file.
    Many(PathBuf, Settings),
}

/// Which inputs, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) seed: u64,
    pub(crate) time: Duration,
}

impl Settings {
    /// # Panics
    ///
    /// If a variable isn't a number.
    pub(crate) fn from_environment() -> Self {
        let number = |name| {
            let value = env::var(name).ok()?;
            let number = value.parse().ok();
            Some(number.unwrap_or_else(|| panic!("{name} is {value:?}, which is not a number")))
        };
        Self {
            seed: number(SEED).unwrap_or(1),
            time: Duration::from_secs(number(SECONDS).unwrap_or(1)),
        }
    }
}

impl Job {
    /// What this process is for; `None` for the one that starts the others.
    pub(crate) fn from_environment() -> Option<Self> {
        let one = env::var_os(ONE).map(|path| Self::One(path.into()));
        one.or_else(|| {
            let many = env::var_os(MANY)?;
            Some(Self::Many(many.into(), Settings::from_environment()))
        })
    }

    /// Does it. Ends early, in whatever way, if an input fails.
    pub(crate) fn run<T>(self, check: impl Fn(&T))
    where
        T: for<'a> Arbitrary<'a> + Debug,
    {
        match self {
            Self::One(path) => {
                let bytes = fs::read(path).expect("the file of bytes is there");
                if let Some(input) = bytes::input(&bytes) {
                    check(&input);
                }
            }
            Self::Many(path, Settings { seed, time }) => {
                let file = File::options().write(true).open(path);
                let file = file.expect("the file for numbers is there");
                let end = Instant::now() + time;
                for number in 0.. {
                    let written = file.write_all_at(&u64::to_le_bytes(number), 0);
                    written.expect("the number can be noted");
                    if let Some(input) = bytes::input(&bytes::bytes(seed, number)) {
                        check(&input);
                    }
                    if Instant::now() >= end {
                        break;
                    }
                }
            }
        }
    }
}

/// How a process that tried inputs failed.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What it wrote to standard error.
    pub(crate) said: String,
    /// What tells this failure from others: how the process ended, and where it panicked.
    pub(crate) kind: String,
}

/// Starts processes that try the inputs of one target.
pub(crate) struct Starter<'a> {
    /// The test's path.
    pub(crate) test: &'a str,
    /// Where files go.
    pub(crate) folder: &'a Path,
}

impl Starter<'_> {
    /// Tries the inputs of a seed; how many there were, and how the last one failed, if it did.
    /// `hang` is how long one input may take.
    pub(crate) fn many(
        &self,
        settings: Settings,
        hang: Duration,
    ) -> io::Result<(u64, Option<Failure>)> {
        let numbers = self.folder.join("number");
        fs::write(&numbers, NONE_YET.to_le_bytes())?;
        let number = || -> io::Result<u64> {
            let bytes = fs::read(&numbers)?;
            Ok(u64::from_le_bytes(bytes.try_into().unwrap_or_default()))
        };
        let mut last = NONE_YET;
        let failure = self.start(MANY, &numbers, settings, hang, || {
            let now = number().unwrap_or(last);
            std::mem::replace(&mut last, now) != now
        })?;
        match number()? {
            NONE_YET => Err(io::Error::other(format!(
                "no input was tried: is {} a test that calls `rewire_fuzz::run`? {failure:?}",
                self.test
            ))),
            last => Ok((last + 1, failure)),
        }
    }

    /// Tries the input that the bytes stand for; how it failed, if it did.
    pub(crate) fn one(&self, bytes: &[u8], hang: Duration) -> io::Result<Option<Failure>> {
        let path = self.folder.join("bytes");
        fs::write(&path, bytes)?;
        self.start(ONE, &path, Settings::from_environment(), hang, || false)
    }

    /// Starts a process and waits for it. It hangs if nothing `moves` for so long.
    fn start(
        &self,
        job: &str,
        path: &Path,
        settings: Settings,
        hang: Duration,
        mut moves: impl FnMut() -> bool,
    ) -> io::Result<Option<Failure>> {
        let said = self.folder.join("said");
        let mut child = Command::new(env::current_exe()?)
            .args([self.test, "--exact", "--nocapture", "--include-ignored"])
            .env(job, path)
            .env(SEED, settings.seed.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&said)?)
            .spawn()?;
        let status = wait(&mut child, hang, &mut moves)?;
        let said = String::from_utf8_lossy(&fs::read(&said)?).into_owned();
        let end = match status {
            Some(status) if status.success() => return Ok(None),
            Some(status) => status.to_string(),
            None => "it hangs".to_owned(),
        };
        let place = said.split_once("panicked at ").map(|(_, rest)| rest);
        let place = place
            .and_then(|rest| rest.lines().next())
            .unwrap_or_default();
        Ok(Some(Failure {
            kind: format!("{end} {place}"),
            said: format!("{end}\n{said}"),
        }))
    }
}

/// Waits for a process; `None` if it had to be killed.
fn wait(
    child: &mut Child,
    hang: Duration,
    moves: &mut impl FnMut() -> bool,
) -> io::Result<Option<ExitStatus>> {
    let mut since = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if moves() {
            since = Instant::now();
        }
        if since.elapsed() > hang {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        sleep(Duration::from_millis(2));
    }
}
