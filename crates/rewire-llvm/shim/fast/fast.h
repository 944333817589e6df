// The fast path of code generation at level 0: for functions in which LLVM's usual pipeline would
// find little to do, which are most of them.
//
// Replacing a function of a few lines takes half as long with it. It leaves out passes (passes.h),
// runs the others without LLVM's manager (pass_sequence.h), makes few sections (sections.h), and
// writes the object and its frame descriptions itself (object_writer.h, eh_frame.h). What isn't
// known to be plain (plain.h) goes through LLVM's pipeline; so each part may be dropped, at the
// cost of time alone.
#ifndef REWIRE_FAST_H
#define REWIRE_FAST_H

#include "llvm/Analysis/TargetLibraryInfo.h"
#include "llvm/CodeGen/CodeGenTargetMachineImpl.h"
#include "llvm/IR/Module.h"
#include <memory>

namespace rewire {

class FastPath;
class FrameLayout;

// Makes the pipeline; null where the target has none. `machine` and `out` must outlive it.
std::shared_ptr<FastPath> makeFastPath(llvm::CodeGenTargetMachineImpl &machine,
                                       llvm::raw_pwrite_stream &out,
                                       const llvm::TargetLibraryInfoImpl &library,
                                       FrameLayout &layout);

// Writes the module's object to `out`. Returns false if the module isn't plain, or if its object
// needs LLVM's writer: the module is then unchanged, and what was written to `out` is of no use.
bool emitFast(FastPath &path, llvm::Module &module);

} // namespace rewire

#endif
