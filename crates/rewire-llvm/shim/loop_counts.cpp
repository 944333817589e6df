// See loop_counts.h.

#include "loop_counts.h"
#include "frame_layout.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/Sequence.h"
#include "llvm/CodeGen/MachineFrameInfo.h"
#include "llvm/CodeGen/MachineFunctionPass.h"
#include "llvm/CodeGen/MachineInstrBuilder.h"
#include "llvm/CodeGen/Passes.h"
#include "llvm/CodeGen/TargetInstrInfo.h"
#include "llvm/CodeGen/TargetOpcodes.h"
#include "llvm/CodeGen/TargetRegisterInfo.h"
#include "llvm/CodeGen/TargetSubtargetInfo.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/Module.h"

using namespace llvm;
using namespace rewire;

static constexpr StringLiteral kHead = "rewire.head";
static constexpr StringLiteral kLeaving = "rewire.leaving";

// Condition codes as instructions encode them (Intel SDM, volume 1, appendix B).
static constexpr unsigned kEqual = 4, kNotNegative = 9;

namespace {

// LLVM numbers instructions and registers in headers that it doesn't install.
class Numbers {
public:
  explicit Numbers(const MCInstrInfo &instructions, const MCRegisterInfo &registers) {
    for (auto [name, number] : opcodes())
      *number = opcodeOf(instructions, name);
    for (unsigned i = 1; i < registers.getNumRegs(); ++i)
      for (auto [name, number] : this->registers())
        if (StringRef(registers.getName(i)) == name)
          *number = i;
  }

  bool areComplete() {
    const auto is_known = [](auto &named) { return *named.second != 0; };
    return llvm::all_of(opcodes(), is_known) && llvm::all_of(registers(), is_known);
  }

  unsigned increment = 0, set = 0, address = 0, call = 0, test = 0, store = 0,
           jump_if = 0, jump = 0;
  unsigned rip = 0, edi = 0, rsi = 0, rax = 0;

private:
  using Named = std::pair<StringRef, unsigned *>;

  // LLVM has the target's own instructions last, pseudo-instructions first among them, by name.
  // Looking at all twenty thousand names would take as long as compiling a small function.
  static unsigned opcodeOf(const MCInstrInfo &instructions, StringRef name) {
    const auto all = seq<unsigned>(TargetOpcode::GENERIC_OP_END + 1, instructions.getNumOpcodes());
    const auto found = llvm::partition_point(all, [&](unsigned opcode) {
      return instructions.get(opcode).isPseudo() || instructions.getName(opcode) < name;
    });
    return found != all.end() && instructions.getName(*found) == name ? *found : 0;
  }

  std::array<Named, 8> opcodes() {
    return {{{"INC32m", &increment}, {"MOV32ri", &set},
             {"LEA64r", &address}, {"CALL64pcrel32", &call}, {"TEST64rr", &test},
             {"MOV64mr", &store}, {"JCC_1", &jump_if}, {"JMP_1", &jump}}};
  }

  std::array<Named, 4> registers() {
    return {{{"RIP", &rip}, {"EDI", &edi}, {"RSI", &rsi}, {"RAX", &rax}}};
  }
};

// All of one process have the same.
Numbers &numbersOf(const MCInstrInfo &instructions, const MCRegisterInfo &registers) {
  static Numbers numbers(instructions, registers);
  return numbers;
}

uint64_t numberIn(const MDNode &node, unsigned index) {
  return mdconst::extract<ConstantInt>(node.getOperand(index))->getZExtValue();
}

class LoopCountsPass final : public MachineFunctionPass {
public:
  static char ID;
  explicit LoopCountsPass(FrameLayout &layout) : MachineFunctionPass(ID), layout(layout) {}

  StringRef getPassName() const override { return "Count passes of loop heads"; }

  bool runOnMachineFunction(MachineFunction &code) override;

private:
  FrameLayout &layout;
};

char LoopCountsPass::ID = 0;

// Adds the checks of one function.
class Counter {
public:
  Counter(MachineFunction &code, MachineBasicBlock &leaving, const MDNode &counts)
      : code(code), module(*code.getFunction().getParent()),
        instructions(*code.getSubtarget().getInstrInfo()),
        registers(*code.getSubtarget().getRegisterInfo()),
        numbers(numbersOf(instructions, registers)), leaving(leaving),
        first_word(numberIn(counts, 0)), target_offset(numberIn(counts, 1)),
        words(module.getNamedGlobal(kLoopWords)), ask(module.getFunction(kAskAtLoop)) {
    const MachineFrameInfo &frame = code.getFrameInfo();
    for (int i = 0; i < frame.getObjectIndexEnd(); ++i)
      if (const AllocaInst *object = frame.getObjectAllocation(i); object && isBuffer(*object))
        buffer = i;
  }

  bool canCount() const { return words && ask && buffer >= 0; }

  int bufferSlot() const { return buffer; }

  // Where the answer of the engine is put before the continuation is called.
  void takeAnswer() {
    leaving.addLiveIn(numbers.rax);
    add(leaving, leaving.begin(), numbers.store)
        .addFrameIndex(buffer)
        .addImm(1)
        .addReg(0)
        .addImm(target_offset)
        .addReg(0)
        .addReg(numbers.rax);
  }

  void addCheck(MachineBasicBlock &head, uint32_t index) {
    MachineBasicBlock &rest = *code.CreateMachineBasicBlock(head.getBasicBlock());
    code.insert(std::next(head.getIterator()), &rest);
    rest.splice(rest.end(), &head, head.begin(), head.end());
    rest.transferSuccessors(&head);
    head.addSuccessor(&rest);
    MachineBasicBlock &asking = *code.CreateMachineBasicBlock();
    code.push_back(&asking);
    const auto end = head.end();
    word(add(head, end, numbers.increment), index);
    add(head, end, numbers.jump_if).addMBB(&asking).addImm(kNotNegative);
    head.addSuccessor(&asking, BranchProbability::getZero());
    const auto last = asking.end();
    add(asking, last, numbers.set).addDef(numbers.edi).addImm(index);
    word(add(asking, last, numbers.address).addDef(numbers.rsi), index);
    add(asking, last, numbers.call)
        .addGlobalAddress(ask)
        .addRegMask(registers.getCallPreservedMask(code, CallingConv::C))
        .addReg(numbers.edi, RegState::Implicit)
        .addReg(numbers.rsi, RegState::Implicit)
        .addDef(numbers.rax, RegState::Implicit);
    add(asking, last, numbers.test).addReg(numbers.rax).addReg(numbers.rax);
    add(asking, last, numbers.jump_if).addMBB(&rest).addImm(kEqual);
    add(asking, last, numbers.jump).addMBB(&leaving);
    asking.addSuccessor(&rest);
    asking.addSuccessor(&leaving);
  }

private:
  MachineFunction &code;
  const Module &module;
  const TargetInstrInfo &instructions;
  const TargetRegisterInfo &registers;
  const Numbers &numbers;
  MachineBasicBlock &leaving;
  uint32_t first_word;
  uint64_t target_offset;
  const GlobalVariable *words;
  const Function *ask;
  int buffer = -1;

  static bool isBuffer(const AllocaInst &object) { return object.hasMetadata(kLeaving); }

  MachineInstrBuilder add(MachineBasicBlock &block, MachineBasicBlock::iterator before,
                          unsigned opcode) {
    return BuildMI(block, before, DebugLoc(), instructions.get(opcode));
  }

  // The word of a head as an operand in memory.
  const MachineInstrBuilder &word(const MachineInstrBuilder &builder, uint32_t index) {
    return builder.addReg(numbers.rip)
        .addImm(1)
        .addReg(0)
        .addGlobalAddress(words, sizeof(uint32_t) * (first_word + index))
        .addReg(0);
  }
};

} // namespace

static const MDNode *marked(const MachineBasicBlock &block, unsigned kind) {
  const BasicBlock *ir = block.getBasicBlock();
  const Instruction *end = ir ? ir->getTerminator() : nullptr;
  return end ? end->getMetadata(kind) : nullptr;
}

bool LoopCountsPass::runOnMachineFunction(MachineFunction &code) {
  const LLVMContext &context = code.getFunction().getContext();
  const unsigned head_kind = context.getMDKindID(kHead);
  const unsigned leaving_kind = context.getMDKindID(kLeaving);
  SmallVector<std::pair<MachineBasicBlock *, uint32_t>, 16> heads;
  const BasicBlock *former = nullptr;
  MachineBasicBlock *leaving = nullptr;
  const MDNode *counts = nullptr;
  for (MachineBasicBlock &block : code) {
    // The first block of those that one in IR has become.
    if (std::exchange(former, block.getBasicBlock()) == block.getBasicBlock())
      continue;
    if (const MDNode *head = marked(block, head_kind)) {
      heads.push_back({&block, numberIn(*head, 0)});
    } else if (const MDNode *node = marked(block, leaving_kind); node && !leaving) {
      leaving = &block;
      counts = node;
    }
  }
  if (!leaving)
    return false;
  Counter counter(code, *leaving, *counts);
  if (!counter.canCount())
    return false;
  layout.noteSlots(code, counter.bufferSlot());
  counter.takeAnswer();
  for (auto [block, index] : heads)
    counter.addCheck(*block, index);
  return true;
}

bool rewire::canCountInCode(const TargetMachine &machine) {
  static const bool can =
      numbersOf(*machine.getMCInstrInfo(), *machine.getMCRegisterInfo()).areComplete();
  return can;
}

static MDNode *nodeOf(LLVMContext &context, ArrayRef<uint64_t> numbers) {
  SmallVector<Metadata *, 4> operands;
  for (uint64_t number : numbers)
    operands.push_back(
        ConstantAsMetadata::get(ConstantInt::get(Type::getInt64Ty(context), number)));
  return MDNode::get(context, operands);
}

void rewire::markHead(BasicBlock &head, unsigned index) {
  head.getTerminator()->setMetadata(kHead, nodeOf(head.getContext(), {index}));
}

void rewire::markLeaving(BranchInst &end, AllocaInst &buffer, const LoopCounts &counts) {
  end.setMetadata(kLeaving, nodeOf(end.getContext(),
                                   {counts.first_word, counts.target_offset}));
  buffer.setMetadata(kLeaving, nodeOf(end.getContext(), {}));
}

void rewire::addLoopCounts(TargetPassConfig &config, FrameLayout &layout) {
  // Registers have been assigned, and what the frame holds has no offsets yet.
  config.insertPass(&FixupStatepointCallerSavedID, new LoopCountsPass(layout));
  layout.addTo(config);
}
