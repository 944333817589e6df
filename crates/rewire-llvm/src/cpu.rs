//! Processors that code is generated for.

use std::ffi::{CStr, CString, c_char, c_void};
use std::fmt;
use std::str::FromStr;

use crate::error::LlvmError;
use crate::ffi;
use crate::level::Level;
use crate::start;

/// The processor that code is generated for, and its features. Functions whose IR names a processor
/// or features of its own keep to these.
///
/// The default is the baseline: every x86-64 runs its code. Others are made from text, as
/// [`FromStr`] describes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cpu {
    name: CString,
    features: CString,
}

const BASELINE: &str = "x86-64";

impl Default for Cpu {
    fn default() -> Self {
        Self {
            name: CString::from(c"x86-64"),
            features: CString::default(),
        }
    }
}

impl fmt::Display for Cpu {
    /// The processor's name in LLVM, then its features, which all have a `+` or a `-`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name.to_string_lossy())?;
        if !self.features.is_empty() {
            write!(f, ",{}", self.features.to_string_lossy())?;
        }
        Ok(())
    }
}

impl FromStr for Cpu {
    type Err = LlvmError;

    /// Reads `NAME[,+FEATURE,-FEATURE]`. NAME is `baseline`, `host` for the processor that this
    /// process runs on with all its features, or a name of LLVM's, as features are. Unknown names
    /// are errors.
    fn from_str(text: &str) -> Result<Self, LlvmError> {
        let (name, features) = match text.split_once(',') {
            Some((name, features)) => (name, features),
            None => (text, ""),
        };
        let mut wanted: Vec<&str> = features.split(',').filter(|one| !one.is_empty()).collect();
        if name == "baseline" && wanted.is_empty() {
            return Ok(Self::default());
        }
        let known = KnownCpus::list()?;
        let of_host;
        let name = match name {
            "baseline" => BASELINE,
            "host" => {
                of_host = start::host();
                wanted.splice(0..0, of_host.1.split(',').filter(|one| !one.is_empty()));
                &of_host.0
            }
            other if known.cpus.iter().any(|cpu| cpu == other) => other,
            other => return Err(unknown("processor", other)),
        };
        for feature in &wanted {
            let stem = feature.strip_prefix(['+', '-']);
            if !stem.is_some_and(|stem| known.features.iter().any(|one| one == stem)) {
                return Err(unknown("feature", feature));
            }
        }
        // Known names have no zero byte.
        Ok(Self {
            name: CString::new(name).unwrap_or_default(),
            features: CString::new(wanted.join(",")).unwrap_or_default(),
        })
    }
}

fn unknown(what: &'static str, name: &str) -> LlvmError {
    LlvmError::UnknownCpu {
        what,
        name: name.to_owned(),
    }
}

impl Cpu {
    pub(crate) fn name(&self) -> &CStr {
        &self.name
    }

    pub(crate) fn features(&self) -> &CStr {
        &self.features
    }
}

/// The names that LLVM knows of this kind of processor, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownCpus {
    /// Processors.
    pub cpus: Vec<String>,
    /// Features.
    pub features: Vec<String>,
}

impl KnownCpus {
    /// Asks LLVM.
    ///
    /// # Errors
    ///
    /// LLVM was built without support for this machine.
    pub fn list() -> Result<Self, LlvmError> {
        extern "C" fn note(data: *mut c_void, is_feature: bool, name: *const c_char, len: usize) {
            // SAFETY: `list` passes a `KnownCpus`, and LLVM a text of this length.
            let (known, name) = unsafe {
                let bytes = std::slice::from_raw_parts(name.cast::<u8>(), len);
                (&mut *data.cast::<KnownCpus>(), bytes)
            };
            let name = String::from_utf8_lossy(name).into_owned();
            match is_feature {
                true => known.features.push(name),
                false => known.cpus.push(name),
            }
        }
        let mut known = Self::default();
        let baseline = Cpu::default();
        let codegen = start::codegen(Level::O0, baseline.name(), baseline.features())?;
        // SAFETY: the code generator is valid and ours to free.
        unsafe {
            ffi::rewire_known_cpus(codegen, note, (&raw mut known).cast());
            ffi::rewire_codegen_free(codegen);
        }
        known.cpus.sort_unstable();
        known.features.sort_unstable();
        Ok(known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_baseline_has_two_names() {
        let baseline: Cpu = "baseline".parse().unwrap();
        assert_eq!(baseline, Cpu::default());
        assert_eq!(baseline.to_string(), "x86-64");
        assert_eq!("x86-64".parse::<Cpu>().unwrap(), baseline);
    }

    #[test]
    fn the_host_has_features_which_others_follow() {
        let host: Cpu = "host".parse().unwrap();
        assert!(host.to_string().contains(",+sse2"), "{host}");
        let less: Cpu = "host,-avx,+sse2".parse().unwrap();
        assert_eq!(less.to_string(), format!("{host},-avx,+sse2"));
    }

    #[test]
    fn unknown_names_are_errors() {
        let cases = [
            ("nosuch", "processor", "nosuch"),
            ("", "processor", ""),
            ("skylake,+nosuch", "feature", "+nosuch"),
            ("skylake,avx", "feature", "avx"),
            ("host,+", "feature", "+"),
            ("baseline,avx2", "feature", "avx2"),
            ("sky\0lake", "processor", "sky\0lake"),
        ];
        for (text, expected, expected_name) in cases {
            match text.parse::<Cpu>() {
                Err(LlvmError::UnknownCpu { what, name }) => {
                    assert_eq!((what, &*name), (expected, expected_name), "{text}");
                }
                other => panic!("{text}: {other:?}"),
            }
        }
    }
}
