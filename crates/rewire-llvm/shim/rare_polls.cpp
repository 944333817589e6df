// See rare_polls.h.
//
// A poll in a loop costs little by itself, but a loop with a second exit is hardly unrolled and not
// vectorised. So a counted loop is doubled:
//
//   header: poll, one pass of the loop
//     then up to kPasses passes of a copy of the loop, without the poll
//   back to the header
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
  // It makes few passes.
  bool is_short;
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

static bool isCounted(Loop &loop, const RareLoop &found, ScalarEvolution &evolution,
                      const DominatorTree &tree) {
  SmallVector<BasicBlock *, 4> exiting;
  loop.getExitingBlocks(exiting);
  return any_of(exiting, [&](BasicBlock *block) {
    return !is_contained(found.polls, block->getTerminator()) &&
           tree.dominates(block, loop.getLoopLatch()) &&
           !isa<SCEVCouldNotCompute>(evolution.getExitCount(&loop, block));
  });
}

static std::optional<RareLoop> examine(Loop &loop, ScalarEvolution &evolution,
                                       const DominatorTree &tree) {
  if (!loop.isInnermost() || !loop.isLoopSimplifyForm() || !loop.isSafeToClone())
    return std::nullopt;
  RareLoop found{&loop, {}, false};
  for (BasicBlock *block : loop.blocks())
    if (auto *branch = dyn_cast<BranchInst>(block->getTerminator());
        branch && isPoll(*branch))
      found.polls.push_back(branch);
  if (found.polls.empty() || !isQuick(found) || !isCounted(loop, found, evolution, tree))
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

static void addCopy(const RareLoop &rare) {
  Loop &loop = *rare.loop;
  Function &function = *loop.getHeader()->getParent();
  BasicBlock *header = loop.getHeader(), *latch = loop.getLoopLatch();
  ValueToValueMapTy map;
  SmallVector<BasicBlock *, 8> copies;
  for (BasicBlock *block : loop.blocks()) {
    BasicBlock *copy = CloneBasicBlock(block, map, "", &function);
    map[block] = copy;
    copies.push_back(copy);
  }
  remapInstructionsInBlocks(copies, map);
  const auto copyOf = [&](Value *value) -> Value * {
    Value *copy = map.lookup(value);
    return copy ? copy : value;
  };
  auto *header_copy = cast<BasicBlock>(copyOf(header));
  auto *latch_copy = cast<BasicBlock>(copyOf(latch));
  SmallVector<BasicBlock *, 4> exits;
  loop.getUniqueExitBlocks(exits);
  for (BasicBlock *exit : exits)
    for (PHINode &phi : exit->phis())
      for (unsigned i = 0, count = phi.getNumIncomingValues(); i < count; ++i)
        if (BasicBlock *from = phi.getIncomingBlock(i); loop.contains(from))
          phi.addIncoming(copyOf(phi.getIncomingValue(i)), cast<BasicBlock>(copyOf(from)));
  LLVMContext &context = function.getContext();
  auto *enter = BasicBlock::Create(context, "", &function, header_copy);
  auto *step = BasicBlock::Create(context, "", &function);
  auto *back = BasicBlock::Create(context, "", &function);
  IRBuilder<>(enter).CreateBr(header_copy);
  IRBuilder<>(back).CreateBr(header);
  latch->getTerminator()->replaceSuccessorWith(header, enter);
  latch_copy->getTerminator()->replaceSuccessorWith(header_copy, step);
  for (PHINode &phi : header->phis()) {
    auto *copy = cast<PHINode>(copyOf(&phi));
    const int from_latch = phi.getBasicBlockIndex(latch);
    Value *next = phi.getIncomingValue(from_latch);
    phi.setIncomingValue(from_latch, copyOf(next));
    phi.setIncomingBlock(from_latch, back);
    while (copy->getNumIncomingValues() > 0)
      copy->removeIncomingValue(0u, /*DeletePHIIfEmpty=*/false);
    copy->addIncoming(next, enter);
    copy->addIncoming(copyOf(next), step);
  }
  IRBuilder<> first(header_copy, header_copy->begin());
  PHINode *passes = first.CreatePHI(first.getInt32Ty(), 2);
  IRBuilder<> stepping(step);
  Value *more = stepping.CreateNUWAdd(passes, stepping.getInt32(1));
  auto *branch = stepping.CreateCondBr(stepping.CreateICmpEQ(more, stepping.getInt32(kPasses)),
                                       back, header_copy);
  passes->addIncoming(first.getInt32(0), enter);
  passes->addIncoming(more, step);
  // What is asked for the loop is asked for the copy.
  if (MDNode *wishes = latch->getTerminator()->getMetadata(LLVMContext::MD_loop)) {
    branch->setMetadata(LLVMContext::MD_loop, wishes);
    latch->getTerminator()->setMetadata(LLVMContext::MD_loop, nullptr);
    latch_copy->getTerminator()->setMetadata(LLVMContext::MD_loop, nullptr);
  }
  for (BranchInst *poll : rare.polls)
    silence(*cast<BranchInst>(copyOf(poll)));
}

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
      addCopy(rare);
  }
  if (!found.empty())
    removeUnreachableBlocks(function);
  analyses.invalidate(function, PreservedAnalyses::none());
  return !found.empty();
}
