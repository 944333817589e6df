// Coroutines: which functions are parts of one, and counting of their frames.
//
// A coroutine's frame lives until it is destroyed, wherever that is, and leads into the body that
// made it. No look at stacks finds it, so code counts: one more where a frame begins, and one more
// of those that have ended where it ends. A frame that is never destroyed is counted for ever, and
// so is one of which it isn't clear where it ends; none is counted as ended twice.
#ifndef REWIRE_COROUTINES_H
#define REWIRE_COROUTINES_H

#include "llvm/IR/Module.h"

namespace rewire {

// What a function is to a coroutine that was split before the engine saw it.
enum class CoroutinePart {
  None,
  // Goes on with a suspended coroutine.
  Resume,
  // Ends a suspended coroutine and frees its frame.
  Destroy,
  // Ends one whose frame lies in its caller's.
  Cleanup,
  // Goes on with a coroutine that returns where to go on (`llvm.coro.id.retcon`), or passes it on
  // (`llvm.coro.id.async`).
  Continuation,
  // Clang's call of an awaiter's `await_suspend`.
  Suspend,
};

// Decided by the name that LLVM's pass gives to the parts, their type and their calling convention:
// nothing else is left of what they were. In an extracted module, the name ends with the number of
// the global.
CoroutinePart coroutinePart(const llvm::Function &function);

// Has a module count the frames of the coroutines in it, before any pass sees it. Costs the number
// of functions that the module names, where there are no coroutines.
void countFrames(llvm::Module &module);

// The frame of coroutines that do nothing (`std::noop_coroutine`): LLVM gives each module its own,
// and any frame may lead there. Here it is the engine's, and stays as long as the engine.
bool isNoopFrame(const llvm::GlobalVariable &variable);
llvm::GlobalVariable *noopFrame(llvm::Module &module);

// Has a module use that one, once LLVM has given it its own.
void shareNoopFrame(llvm::Module &module);

} // namespace rewire

#endif
