// See rare_polls.h.
//
// A poll in a loop costs little by itself, but a loop with a second exit is hardly unrolled and not
// vectorised. So a counted loop is doubled:
//
//   header: poll
//     then up to kPasses passes of a copy of the loop, without the poll
//   back to the header
//
// A loop whose poll isn't the first thing in it makes one pass of its own before those of the copy.
// Then the loop proper lasts one pass less than it is written to, and what is left over when it is
// vectorised is most of a loop of a few dozen passes.
//
// What the poll stores when it strikes is untouched, because the state at the header is a state of
// the loop as before. A loop that calls nothing, and does nothing by which threads synchronise,
// can't be seen to run its passes early or late, so none of this can be told from a replacement
// that came some thousands of passes later.

#include "rare_polls.h"
#include "continuations.h"
#include "llvm/Analysis/AssumptionCache.h"
#include "llvm/Analysis/LoopInfo.h"
#include "llvm/Analysis/ScalarEvolution.h"
#include "llvm/IR/Dominators.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/Transforms/Utils/BasicBlockUtils.h"
#include "llvm/Transforms/Utils/Cloning.h"
#include "llvm/Transforms/Utils/Local.h"
#include "llvm/Transforms/Utils/LoopSimplify.h"
#include "llvm/Transforms/Utils/LoopUtils.h"

using namespace llvm;
using namespace rewire;

// A loop that makes at most so many passes need not ask.
static constexpr unsigned kPasses = 4096;
// Larger loops gain nothing.
static constexpr size_t kMostInstructions = 300;

namespace {

struct RareLoop {
  Loop *loop;
  SmallVector<BranchInst *, 2> polls;
  // The exit that is taken after a number of passes which is known when the loop is entered.
  BranchInst *counted;
  // It makes few passes.
  bool is_short;

  // The poll with which each pass begins, if the copy can be entered there: what comes before it in
  // the header must bear to be done twice.
  BranchInst *first() const {
    BasicBlock *header = loop->getHeader();
    auto *branch = dyn_cast<BranchInst>(header->getTerminator());
    if (!branch || polls.size() != 1 || polls[0] != branch)
      return nullptr;
    const auto *flag = cast<ICmpInst>(branch->getCondition())->getOperand(0);
    const bool is_pure = none_of(*header, [&](const Instruction &instruction) {
      return &instruction != flag && !instruction.isTerminator() && !isa<PHINode>(instruction) &&
             (instruction.mayHaveSideEffects() || instruction.mayReadFromMemory());
    });
    return is_pure && restOf(*branch) != header ? branch : nullptr;
  }

  // Where a poll that doesn't strike goes on.
  static BasicBlock *restOf(const BranchInst &poll) {
    return poll.getSuccessor(askingBlock(poll) == poll.getSuccessor(0));
  }
};

} // namespace

// Whether passes take about as long as they look, because nothing is called that may take long
// itself; and whether other threads can't tell passes before a replacement from those after it,
// because nothing synchronises with them.
static bool isQuick(const RareLoop &found) {
  SmallPtrSet<const BasicBlock *, 2> asking;
  SmallPtrSet<const Value *, 2> flags;
  for (const BranchInst *poll : found.polls) {
    asking.insert(askingBlock(*poll));
    flags.insert(cast<ICmpInst>(poll->getCondition())->getOperand(0));
  }
  size_t instructions = 0;
  for (const BasicBlock *block : found.loop->blocks()) {
    if (asking.contains(block))
      continue;
    for (const Instruction &instruction : *block) {
      if (++instructions > kMostInstructions)
        return false;
      if (isa<IndirectBrInst, CallBrInst, InvokeInst>(instruction))
        return false;
      if ((instruction.isVolatile() || instruction.isAtomic()) && !flags.contains(&instruction))
        return false;
      if (auto *call = dyn_cast<CallInst>(&instruction); call && !isa<IntrinsicInst>(call))
        return false;
      if (auto *memory = dyn_cast<AnyMemIntrinsic>(&instruction);
          memory && !isa<ConstantInt>(memory->getLength()))
        return false;
    }
  }
  return true;
}

// The exit that is taken after a number of passes which is known when the loop is entered.
static BranchInst *countedExit(Loop &loop, ArrayRef<BranchInst *> polls,
                               ScalarEvolution &evolution, const DominatorTree &tree) {
  SmallVector<BasicBlock *, 4> exiting;
  loop.getExitingBlocks(exiting);
  for (BasicBlock *block : exiting)
    if (auto *branch = dyn_cast<BranchInst>(block->getTerminator());
        branch && !is_contained(polls, branch) && tree.dominates(block, loop.getLoopLatch()) &&
        !isa<SCEVCouldNotCompute>(evolution.getExitCount(&loop, block)))
      return branch;
  return nullptr;
}

static std::optional<RareLoop> examine(Loop &loop, ScalarEvolution &evolution,
                                       const DominatorTree &tree) {
  if (!loop.isInnermost() || !loop.isLoopSimplifyForm() || !loop.isSafeToClone())
    return std::nullopt;
  RareLoop found{&loop, {}, nullptr, false};
  for (BasicBlock *block : loop.blocks())
    if (auto *branch = dyn_cast<BranchInst>(block->getTerminator());
        branch && isPoll(*branch))
      found.polls.push_back(branch);
  if (found.polls.empty() || !isQuick(found))
    return std::nullopt;
  found.counted = countedExit(loop, found.polls, evolution, tree);
  if (!found.counted)
    return std::nullopt;
  const unsigned most = evolution.getSmallConstantMaxTripCount(&loop);
  found.is_short = most != 0 && most <= kPasses;
  return found;
}

// Lets a poll never strike, and not ask.
static void silence(BranchInst &poll) {
  auto *compare = cast<ICmpInst>(poll.getCondition());
  auto *flag = cast<LoadInst>(compare->getOperand(0));
  const bool goes_on_first = askingBlock(poll) != poll.getSuccessor(0);
  poll.setCondition(ConstantInt::getBool(poll.getContext(), goes_on_first));
  if (!compare->use_empty())
    return;
  compare->eraseFromParent();
  if (flag->use_empty())
    flag->eraseFromParent();
}

namespace {

// A copy of a loop, without polls.
class PlainCopy {
public:
  explicit PlainCopy(const RareLoop &rare)
      : rare(rare), loop(*rare.loop), header(*loop.getHeader()), latch(*loop.getLoopLatch()),
        function(*header.getParent()), first_poll(rare.first()), counted(rare.counted),
        is_at_top(isAtTop()) {}

  void add() {
    clone();
    header_copy = copyOf(&header);
    latch_copy = copyOf(&latch);
    enter = newBlock();
    back = newBlock();
    IRBuilder<>(enter).CreateBr(header_copy);
    IRBuilder<>(back).CreateBr(&header);
    IRBuilder<> first(header_copy, header_copy->begin());
    passes = first.CreatePHI(first.getInt32Ty(), 2);
    passes->addIncoming(first.getInt32(0), enter);
    if (first_poll)
      enterAfter(*first_poll);
    latch.getTerminator()->replaceSuccessorWith(&header, enter);
    latch.getTerminator()->setMetadata(LLVMContext::MD_loop, nullptr);
    if (is_at_top)
      leaveAtTop();
    else if (counted->getParent() == &latch)
      leaveAtBottom();
    else
      leaveBehind();
    for (BranchInst *poll : rare.polls)
      silence(*copyOf(poll));
  }

private:
  const RareLoop &rare;
  Loop &loop;
  BasicBlock &header, &latch;
  Function &function;
  BranchInst *first_poll;
  BranchInst *counted;
  // Whether that exit comes before anything that a pass does.
  const bool is_at_top;
  ValueToValueMapTy map;
  BasicBlock *header_copy, *latch_copy, *enter, *back;
  PHINode *passes;

  template <typename T> T *copyOf(T *value) {
    Value *copy = map.lookup(value);
    return copy ? cast<T>(copy) : value;
  }

  BasicBlock *newBlock() {
    return BasicBlock::Create(function.getContext(), "", &function, header_copy);
  }

  void clone() {
    SmallVector<BasicBlock *, 8> copies;
    for (BasicBlock *block : loop.blocks()) {
      BasicBlock *copy = CloneBasicBlock(block, map, "", &function);
      map[block] = copy;
      copies.push_back(copy);
    }
    remapInstructionsInBlocks(copies, map);
    SmallVector<BasicBlock *, 4> exits;
    loop.getUniqueExitBlocks(exits);
    for (BasicBlock *exit : exits)
      for (PHINode &phi : exit->phis())
        for (unsigned i = 0, count = phi.getNumIncomingValues(); i < count; ++i)
          if (BasicBlock *from = phi.getIncomingBlock(i); loop.contains(from))
            phi.addIncoming(copyOf(phi.getIncomingValue(i)), copyOf(from));
  }

  // What follows the poll in the loop itself is never reached any more.
  void enterAfter(BranchInst &poll) {
    BasicBlock *rest = RareLoop::restOf(poll), *asking = askingBlock(poll);
    asking->getTerminator()->replaceSuccessorWith(rest, enter);
    poll.replaceSuccessorWith(rest, enter);
    for (BasicBlock *from : {&header, asking})
      for (PHINode &phi : rest->phis())
        if (const int index = phi.getBasicBlockIndex(from); index >= 0)
          phi.removeIncomingValue(index, /*DeletePHIIfEmpty=*/false);
  }

  bool isAtTop() const {
    return first_poll && counted->getParent() == RareLoop::restOf(*first_poll) &&
           none_of(*counted->getParent(), [](const Instruction &instruction) {
             return instruction.mayHaveSideEffects();
           });
  }

  // Lets a conditional exit of the copy be taken after kPasses passes too. Returns the block to
  // which it leads now, and which has no end yet.
  BasicBlock *widen(BranchInst &exit, Value *count) {
    const unsigned index = loopExit(*counted);
    BasicBlock *from = exit.getParent(), *outside = exit.getSuccessor(index);
    BasicBlock *out = newBlock();
    outside->replacePhiUsesWith(from, out);
    exit.setSuccessor(index, out);
    IRBuilder<> builder(&exit);
    Value *last = builder.getInt32(kPasses);
    exit.setCondition(index == 0
                          ? builder.CreateOr(exit.getCondition(), builder.CreateICmpEQ(count, last))
                          : builder.CreateAnd(exit.getCondition(),
                                              builder.CreateICmpNE(count, last)));
    return out;
  }

  unsigned loopExit(const BranchInst &exit) const { return loop.contains(exit.getSuccessor(0)); }

  Value *countPass(IRBuilder<> &builder) {
    return builder.CreateNUWAdd(passes, builder.getInt32(1));
  }

  void goRound(BasicBlock *from, Value *more) {
    passes->addIncoming(more, from);
    for (PHINode &phi : header.phis()) {
      PHINode *copy = copyOf(&phi);
      Value *next = phi.getIncomingValueForBlock(&latch);
      while (copy->getNumIncomingValues() > 0)
        copy->removeIncomingValue(0u, /*DeletePHIIfEmpty=*/false);
      copy->addIncoming(first_poll ? &phi : next, enter);
      copy->addIncoming(copyOf(next), from);
    }
  }

  template <typename State> void goBack(State state) {
    for (PHINode &phi : header.phis()) {
      const int from_latch = phi.getBasicBlockIndex(&latch);
      phi.setIncomingValue(from_latch, state(phi, phi.getIncomingValue(from_latch)));
      phi.setIncomingBlock(from_latch, back);
    }
  }

  void leaveAtTop() {
    BranchInst &exit = *copyOf(counted);
    BasicBlock *outside = exit.getSuccessor(loopExit(*counted));
    IRBuilder<> stepping(latch_copy->getTerminator());
    goRound(latch_copy, countPass(stepping));
    BasicBlock *out = widen(exit, passes);
    IRBuilder<> leaving(out);
    leaving.CreateCondBr(leaving.CreateICmpEQ(passes, leaving.getInt32(kPasses)), back, outside);
    goBack([&](PHINode &phi, Value *) { return copyOf(&phi); });
  }

  void leaveAtBottom() {
    BranchInst &exit = *copyOf(counted);
    const unsigned index = loopExit(*counted);
    BasicBlock *outside = exit.getSuccessor(index);
    Value *wanted = exit.getCondition();
    IRBuilder<> stepping(&exit);
    Value *more = countPass(stepping);
    goRound(latch_copy, more);
    BasicBlock *out = widen(exit, more);
    IRBuilder<>(out).CreateCondBr(wanted, index == 0 ? outside : back,
                                  index == 0 ? back : outside);
    goBack([&](PHINode &, Value *next) { return copyOf(next); });
  }

  void leaveBehind() {
    BasicBlock *step = newBlock();
    IRBuilder<> stepping(step);
    Value *more = countPass(stepping);
    goRound(step, more);
    auto *branch = stepping.CreateCondBr(
        stepping.CreateICmpEQ(more, stepping.getInt32(kPasses)), back, header_copy);
    latch_copy->getTerminator()->replaceSuccessorWith(header_copy, step);
    goBack([&](PHINode &, Value *next) { return copyOf(next); });
    // What is asked for the loop is asked for the copy.
    if (MDNode *wishes = latch_copy->getTerminator()->getMetadata(LLVMContext::MD_loop)) {
      branch->setMetadata(LLVMContext::MD_loop, wishes);
      latch_copy->getTerminator()->setMetadata(LLVMContext::MD_loop, nullptr);
    }
  }
};

} // namespace

bool rewire::pollRarely(Function &function, FunctionAnalysisManager &analyses) {
  if (!hasPolls(function))
    return false;
  auto &tree = analyses.getResult<DominatorTreeAnalysis>(function);
  auto &loops = analyses.getResult<LoopAnalysis>(function);
  auto &evolution = analyses.getResult<ScalarEvolutionAnalysis>(function);
  auto &assumptions = analyses.getResult<AssumptionAnalysis>(function);
  for (Loop *loop : loops)
    simplifyLoop(loop, &tree, &loops, &evolution, &assumptions, nullptr, /*PreserveLCSSA=*/false);
  for (Loop *loop : loops)
    formLCSSARecursively(*loop, tree, &loops, &evolution);
  SmallVector<RareLoop, 4> found;
  for (Loop *loop : loops.getLoopsInPreorder())
    if (auto rare = examine(*loop, evolution, tree))
      found.push_back(std::move(*rare));
  for (const RareLoop &rare : found) {
    if (rare.is_short)
      for (BranchInst *poll : rare.polls)
        silence(*poll);
    else
      PlainCopy(rare).add();
  }
  if (!found.empty())
    removeUnreachableBlocks(function);
  analyses.invalidate(function, PreservedAnalyses::none());
  return !found.empty();
}
