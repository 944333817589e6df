// See frame_layout.h.

#include "frame_layout.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/CodeGen/MachineFrameInfo.h"
#include "llvm/CodeGen/MachineFunctionPass.h"
#include "llvm/CodeGen/MachineRegisterInfo.h"
#include "llvm/CodeGen/TargetRegisterInfo.h"
#include "llvm/CodeGen/TargetSubtargetInfo.h"
#include "llvm/CodeGen/Passes.h"
#include "llvm/IR/DebugInfoMetadata.h"
#include "llvm/IR/DebugProgramInstruction.h"

using namespace llvm;
using namespace rewire;

static constexpr StringLiteral kVariable = "rewire.value";

namespace {

// Before registers are assigned, when phis have become copies.
class FollowPhisPass final : public MachineFunctionPass {
public:
  static char ID;
  explicit FollowPhisPass(FrameLayout &layout) : MachineFunctionPass(ID), layout(layout) {}

  StringRef getPassName() const override { return "Find what the phis of loop heads take"; }

  bool runOnMachineFunction(MachineFunction &code) override {
    layout.followPhis(code);
    return false;
  }

private:
  FrameLayout &layout;
};

char FollowPhisPass::ID = 0;

// After the frame is laid out.
class FrameLayoutPass final : public MachineFunctionPass {
public:
  static char ID;
  explicit FrameLayoutPass(FrameLayout &layout) : MachineFunctionPass(ID), layout(layout) {}

  StringRef getPassName() const override { return "Find the places of values in the frame"; }

  bool runOnMachineFunction(MachineFunction &code) override {
    layout.notePlaces(code);
    return false;
  }

private:
  FrameLayout &layout;
};

char FrameLayoutPass::ID = 0;

} // namespace

void FrameLayout::addTo(TargetPassConfig &config) {
  config.insertPass(&TwoAddressInstructionPassID, new FollowPhisPass(*this));
  config.insertPass(&PrologEpilogCodeInserterID, new FrameLayoutPass(*this));
}

// What tells the number of a value.
static DILocalVariable *variableOf(DISubprogram &scope, unsigned number) {
  return DILocalVariable::get(scope.getContext(), &scope, kVariable, scope.getFile(), number,
                              nullptr, 0, DINode::FlagZero, 0, nullptr);
}

// The variable of a debug value of ours.
static const DILocalVariable *variableOf(const MachineInstr &instruction) {
  const DILocalVariable *variable =
      instruction.isDebugValue() ? instruction.getDebugVariable() : nullptr;
  return variable && variable->getName() == kVariable ? variable : nullptr;
}

void FrameLayout::ask(Function &function, const LoopHeads &heads) {
  is_asked = true;
  buffer = -1;
  slots.clear();
  phis.clear();
  found.clear();
  // The function itself gets no debug information, which would be written.
  LLVMContext &context = function.getContext();
  auto *file = DIFile::get(context, "", "");
  auto *scope =
      DISubprogram::getDistinct(context, file, "", "", file, 0, nullptr, 0, nullptr, 0, 0,
                                DINode::FlagZero, DISubprogram::SPFlagDefinition, nullptr);
  auto *place = DILocation::get(context, 0, 0, scope);
  auto *nothing = DIExpression::get(context, {});
  for (const LoopHead &head : heads.heads)
    for (auto [value, offset] : head.values) {
      auto *phi = dyn_cast<PHINode>(value);
      DILocalVariable *variable = variableOf(*scope, slots.size());
      slots.emplace_back();
      phis.push_back(phi && phi->getParent() == head.block);
      head.block->insertDbgRecordBefore(
          DbgVariableRecord::createDbgVariableRecord(value, variable, nothing, place),
          head.block->getFirstNonPHIIt());
    }
  // A variable may be where the caller has put an argument.
  for (const FrameVariable &variable : heads.variables) {
    DILocalVariable *named = variableOf(*scope, slots.size());
    slots.emplace_back();
    phis.push_back(false);
    function.getEntryBlock().insertDbgRecordBefore(
        DbgVariableRecord::createDVRDeclare(variable.alloca, named, nothing, place),
        function.getEntryBlock().getTerminator()->getIterator());
  }
}

void FrameLayout::followPhis(MachineFunction &code) {
  if (!is_asked)
    return;
  const MachineRegisterInfo &registers = code.getRegInfo();
  for (MachineBasicBlock &block : code)
    for (MachineInstr &instruction : make_early_inc_range(block)) {
      const DILocalVariable *variable = variableOf(instruction);
      if (!variable || !phis[variable->getLine()])
        continue;
      MachineOperand &named = instruction.getDebugOperand(0);
      const bool is_virtual = named.isReg() && named.getReg().isVirtual();
      const MachineInstr *copy = is_virtual ? registers.getUniqueVRegDef(named.getReg()) : nullptr;
      const bool is_found = copy && copy->isCopy() && copy->getParent() == &block &&
                            copy->getOperand(1).getReg().isVirtual();
      named.ChangeToRegister(is_found ? copy->getOperand(1).getReg() : Register(), /*isDef=*/false,
                             /*isImp=*/false, /*isKill=*/false, /*isDead=*/false,
                             /*isUndef=*/false, /*isDebug=*/true);
      instruction.moveBefore(&*block.begin());
    }
}

void FrameLayout::noteSlots(MachineFunction &code, int buffer) {
  if (!is_asked)
    return;
  this->buffer = buffer;
  for (MachineBasicBlock &block : code)
    for (MachineInstr &instruction : make_early_inc_range(block)) {
      const DILocalVariable *variable = variableOf(instruction);
      if (!variable)
        continue;
      const MachineOperand &place = instruction.getDebugOperand(0);
      if (place.isFI())
        slots[variable->getLine()] = place.getIndex();
      instruction.eraseFromParent();
    }
}

void FrameLayout::notePlaces(const MachineFunction &code) {
  if (!is_asked || buffer < 0)
    return;
  for (const MachineFunction::VariableDbgInfo &one : code.getInStackSlotVariableDbgInfo())
    if (one.Var->getName() == kVariable)
      slots[one.Var->getLine()] = one.getStackSlot();
  const MachineFrameInfo &frame = code.getFrameInfo();
  const bool is_realigned = code.getSubtarget().getRegisterInfo()->hasStackRealignment(code);
  const int64_t start = frame.getObjectOffset(buffer);
  found.clear();
  for (std::optional<int> slot : slots) {
    // Between arguments and a frame that is aligned anew, the distance is known at run time only.
    const bool is_known = slot && !frame.isDeadObjectIndex(*slot) &&
                          !(is_realigned && frame.isFixedObjectIndex(*slot));
    found.push_back(is_known ? frame.getObjectOffset(*slot) - start : kNowhere);
  }
}
