//! Which calls a function makes each time it is called.

use std::ffi::c_void;

use crate::ffi;
use crate::module::Module;
use crate::ordinal::Ordinal;

/// The direct calls of a function, by blocks, with the order that every way through the function
/// keeps to.
///
/// It assumes that calls return: after `exit`, `longjmp` or an exception, none of the calls that it
/// names is made.
///
/// ```
/// # use rewire_llvm::{Module, Ordinal, Source};
/// let text = "define void @f(i1 %x) {
///   call void @a()
///   br i1 %x, label %one, label %two
/// one:
///   call void @b()
///   br label %two
/// two:
///   call void @c()
///   ret void
/// }
/// declare void @a()
/// declare void @b()
/// declare void @c()";
/// let mut module = Module::read(&Source::new("f.ll", text.as_bytes()))?;
/// let [f, a, b, c] = [0, 1, 2, 3].map(Ordinal::new);
/// let plan = module.call_plan(f);
/// assert_eq!(plan.from_entry(), [a, c]);
/// assert_eq!(plan.after(b), [c]);
/// # Ok::<(), rewire_llvm::LlvmError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct CallPlan {
    blocks: Vec<Block>,
    calls: Vec<Call>,
}

/// A block: its first call, and the next block that no way from here can pass by.
#[derive(Clone, Copy, Debug)]
struct Block {
    first: u32,
    next: Option<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Call {
    callee: Option<Ordinal>,
    returns: bool,
}

/// How far ahead to look, so that a walk costs little whatever the function's size.
const MOST: usize = 64;
/// Of how many calls of one function to find what follows all of them.
const MOST_SITES: usize = 8;

impl CallPlan {
    /// Whether the function calls nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// The functions that it may call, some of them more than once.
    pub fn callees(&self) -> impl Iterator<Item = Ordinal> {
        self.calls.iter().filter_map(|call| call.callee)
    }

    /// What is called whenever the function is, in order; each function once, and no more than
    /// are worth knowing at a time.
    #[must_use]
    pub fn from_entry(&self) -> Vec<Ordinal> {
        self.walk(0, 0)
    }

    /// What is called whenever a call of `callee` has returned, whichever of its calls that was.
    #[must_use]
    pub fn after(&self, callee: Ordinal) -> Vec<Ordinal> {
        let mut common: Option<Vec<Ordinal>> = None;
        let mut sites = 0;
        for (block, calls) in self.blocks().enumerate() {
            for (place, call) in calls.iter().enumerate() {
                if call.callee != Some(callee) {
                    continue;
                }
                sites += 1;
                if sites > MOST_SITES {
                    return Vec::new();
                }
                let found = if call.returns {
                    self.walk(block, place + 1)
                } else {
                    Vec::new()
                };
                match &mut common {
                    None => common = Some(found),
                    Some(common) => common.retain(|one| found.contains(one)),
                }
            }
        }
        common.unwrap_or_default()
    }

    fn blocks(&self) -> impl Iterator<Item = &[Call]> {
        (0..self.blocks.len()).map(|block| self.calls_of(block))
    }

    fn calls_of(&self, block: usize) -> &[Call] {
        let start = self.blocks[block].first as usize;
        let end = self.blocks.get(block + 1).map(|next| next.first as usize);
        &self.calls[start..end.unwrap_or(self.calls.len())]
    }

    fn walk(&self, block: usize, skip: usize) -> Vec<Ordinal> {
        let mut found = Vec::new();
        let mut at = (block < self.blocks.len()).then_some(block);
        let mut skip = skip;
        while let Some(block) = at {
            for call in &self.calls_of(block)[skip..] {
                if let Some(callee) = call.callee
                    && !found.contains(&callee)
                {
                    found.push(callee);
                }
                if !call.returns || found.len() == MOST {
                    return found;
                }
            }
            skip = 0;
            at = self.blocks[block].next.map(|next| next as usize);
        }
        found
    }
}

impl Module {
    /// Which calls a function makes for certain; reads its body. Empty for a function without
    /// one, or with one that can't be read.
    pub fn call_plan(&mut self, function: Ordinal) -> CallPlan {
        assert!(function.index() < self.len());
        let plan = read(self.index_mut(), function);
        self.take_diagnostics();
        plan
    }
}

fn read(index: *mut ffi::RewireIndex, function: Ordinal) -> CallPlan {
    extern "C" fn block(data: *mut c_void, next: usize) {
        // SAFETY: `data` is what went in below, and outlives the call.
        let plan = unsafe { &mut *data.cast::<CallPlan>() };
        let first = plan.calls.len() as u32;
        let next = u32::try_from(next).ok();
        plan.blocks.push(Block { first, next });
    }
    extern "C" fn call(data: *mut c_void, ordinal: usize, returns: bool) {
        // SAFETY: as above.
        let plan = unsafe { &mut *data.cast::<CallPlan>() };
        let callee = u32::try_from(ordinal).ok().map(Ordinal::new);
        plan.calls.push(Call { callee, returns });
    }
    let mut plan = CallPlan::default();
    let data = (&raw mut plan).cast();
    // SAFETY: the caller vouches for the index and the ordinal; the callbacks fit the data.
    unsafe { ffi::rewire_call_plan(index, function.index(), block, call, data) };
    plan
}
