// From an extracted module to an object: IR passes, slot calls, code generation.

#include "coroutines.h"
#include "index.h"
#include "instrument.h"
#include "lower.h"
#include "plain.h"
#include "printer.h"
#include "target.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Analysis/CGSCCPassManager.h"
#include "llvm/Analysis/LoopAnalysisManager.h"
#include "llvm/Analysis/TargetLibraryInfo.h"
#include "llvm/CodeGen/MachineModuleInfo.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Statepoint.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/Transforms/IPO/AlwaysInliner.h"
#include "llvm/Transforms/IPO/InferFunctionAttrs.h"
#include "llvm/Transforms/InstCombine/InstCombine.h"
#include "llvm/Transforms/Scalar/CallSiteSplitting.h"
#include "llvm/Transforms/Scalar/EarlyCSE.h"
#include "llvm/Transforms/Scalar/LowerExpectIntrinsic.h"
#include "llvm/Transforms/Scalar/SROA.h"
#include "llvm/Transforms/Scalar/SimplifyCFG.h"
#include <mutex>

using namespace llvm;

extern "C" {
void LLVMInitializeX86TargetInfo(void);
void LLVMInitializeX86Target(void);
void LLVMInitializeX86TargetMC(void);
void LLVMInitializeX86AsmPrinter(void);
void LLVMInitializeX86AsmParser(void);
}

namespace {

// The new pass manager's state for one level. Making it costs more than running it over a small
// function, so it is made once; what it remembers of a module is dropped after each.
//
// The pipeline is the default one without what works between functions: a module holds one
// function, or a few that don't see each other's bodies. (The default pipeline can't be used
// twice either: its inliner empties itself when it runs.)
struct Optimiser {
  LoopAnalysisManager loops;
  FunctionAnalysisManager functions;
  CGSCCAnalysisManager groups;
  ModuleAnalysisManager modules;
  PassBuilder builder;
  OptimizationLevel level;
  // What code generation doesn't know is lowered between the two.
  ModulePassManager early_passes, passes;

  Optimiser(TargetMachine &machine, OptimizationLevel level) : builder(&machine), level(level) {
    builder.registerModuleAnalyses(modules);
    builder.registerCGSCCAnalyses(groups);
    builder.registerFunctionAnalyses(functions);
    builder.registerLoopAnalyses(loops);
    builder.crossRegisterProxies(loops, functions, groups, modules);
    early_passes.addPass(
        AlwaysInlinerPass(/*InsertLifetimeIntrinsics=*/level != OptimizationLevel::O0));
    if (level == OptimizationLevel::O0)
      return;
    early_passes.addPass(InferFunctionAttrsPass());
    FunctionPassManager early;
    early.addPass(LowerExpectIntrinsicPass());
    early.addPass(SimplifyCFGPass(SimplifyCFGOptions().convertSwitchRangeToICmp(true)));
    early.addPass(SROAPass(SROAOptions::ModifyCFG));
    early.addPass(EarlyCSEPass());
    if (level == OptimizationLevel::O3)
      early.addPass(CallSiteSplittingPass());
    early.addPass(InstCombinePass());
    early.addPass(SimplifyCFGPass(SimplifyCFGOptions().convertSwitchRangeToICmp(true)));
    early_passes.addPass(createModuleToFunctionPassAdaptor(std::move(early)));
    passes.addPass(createModuleToFunctionPassAdaptor(
        builder.buildFunctionSimplificationPipeline(level, ThinOrFullLTOPhase::None)));
    passes.addPass(builder.buildModuleOptimizationPipeline(level, ThinOrFullLTOPhase::None));
  }

  void run(Module &module, RewireLowerings lowerings) {
    if (rewire_instruments(module))
      rewire_instrument(module, functions);
    early_passes.run(module, modules);
    if (lowerings.any())
      rewire_lowering_passes(lowerings, level).run(module, modules);
    passes.run(module, modules);
    modules.clear();
    groups.clear();
    functions.clear();
    loops.clear();
  }
};

const Target *hostTarget(const Triple &triple, std::string &error) {
  static std::once_flag once;
  std::call_once(once, [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    LLVMInitializeX86AsmParser();
  });
  return TargetRegistry::lookupTarget(triple, error);
}

} // namespace

// Bytes in memory. LLVM's own stream of this kind has no buffer, and an object is written in
// pieces of a few bytes.
class ObjectStream final : public raw_pwrite_stream {
public:
  ObjectStream() { SetBufferSize(4096); }
  ~ObjectStream() override { flush(); }

  // The bytes until now, which stand until more are written.
  ArrayRef<char> bytes() {
    flush();
    return written;
  }

  void clear() {
    flush();
    written.clear();
  }

private:
  void write_impl(const char *data, size_t size) override {
    written.append(data, data + size);
  }

  void pwrite_impl(const char *data, size_t size, uint64_t offset) override {
    flush();
    memcpy(written.data() + offset, data, size);
  }

  uint64_t current_pos() const override { return written.size(); }

  SmallVector<char, 0> written;
};

// Whether some assembly has labels that are numbers.
static bool hasNumberedLabel(StringRef assembly) {
  for (size_t colon = assembly.find(':'); colon != StringRef::npos;
       colon = assembly.find(':', colon + 1))
    if (colon > 0 && isDigit(assembly[colon - 1]))
      return true;
  return false;
}

static bool hasNumberedLabels(const Module &module) {
  if (hasNumberedLabel(module.getModuleInlineAsm()))
    return true;
  for (const Function &function : module)
    for (const Instruction &instruction : instructions(function))
      if (auto *call = dyn_cast<CallBase>(&instruction))
        if (auto *piece = dyn_cast<InlineAsm>(call->getCalledOperand()))
          if (hasNumberedLabel(piece->getAsmString()))
            return true;
  return false;
}

struct RewireCodegen {
  unsigned level;
  std::unique_ptr<TargetMachine> machine;
  ObjectStream stream;
  // The two pipelines, each made when it is first needed.
  std::unique_ptr<legacy::PassManager> passes;
  std::unique_ptr<RewirePlainPipeline> plain;
  std::unique_ptr<Optimiser> optimiser;
  std::unique_ptr<TargetLibraryInfoImpl> library;

  // Makes the pipeline that most modules need first; false if there is none for the target.
  bool prepare() { return level == 0 ? preparePlain() : prepareFull(); }

  bool preparePlain() {
    auto &known = static_cast<CodeGenTargetMachineImpl &>(*machine);
    plain = RewirePlainPipeline::make(known, stream, *library);
    return plain != nullptr;
  }

  bool prepareFull() {
    passes = std::make_unique<legacy::PassManager>();
    passes->add(new TargetLibraryInfoWrapperPass(*library));
    return !machine->addPassesToEmitFile(*passes, stream, nullptr, CodeGenFileType::ObjectFile,
                                         true);
  }

  void emit(Module &module) {
    stream.clear();
    const RewirePlainness plainness = plain ? rewire_plainness(module) : RewirePlainness::None;
    if (plainness != RewirePlainness::None &&
        plain->run(module, plainness == RewirePlainness::Plain))
      return;
    stream.clear();
    if (!passes)
      prepareFull();
    // What such labels stand for is kept beyond the module that has them, in memory that isn't.
    const bool isSpent = hasNumberedLabels(module);
    passes->run(module);
    if (isSpent)
      passes.reset();
  }
};

RewireCodegen *rewire_codegen_new(unsigned level, char **error) {
  Triple triple(sys::getProcessTriple());
  std::string message;
  const Target *target = hostTarget(triple, message);
  if (!target) {
    *error = rewire_message(message);
    return nullptr;
  }
  TargetOptions options;
  options.DataSections = true;
  options.FunctionSections = false;
  options.UseInitArray = true;
  const CodeGenOptLevel levels[] = {CodeGenOptLevel::None, CodeGenOptLevel::Less,
                                    CodeGenOptLevel::Default, CodeGenOptLevel::Aggressive};
  auto codegen = std::make_unique<RewireCodegen>();
  codegen->level = level;
  codegen->machine.reset(target->createTargetMachine(
      triple, "x86-64", "", options, Reloc::PIC_, CodeModel::Small, levels[level], false));
  codegen->library = std::make_unique<TargetLibraryInfoImpl>(triple);
  if (!codegen->machine || !codegen->prepare()) {
    *error = rewire_message("LLVM has no code generator for " + triple.str());
    return nullptr;
  }
  return codegen.release();
}

void rewire_codegen_free(RewireCodegen *codegen) { delete codegen; }

char *rewire_codegen_data_layout(const RewireCodegen *codegen) {
  return rewire_message(codegen->machine->createDataLayout().getStringRepresentation());
}

char *rewire_codegen_triple(const RewireCodegen *codegen) {
  return rewire_message(codegen->machine->getTargetTriple().str());
}

RewireTarget *rewire_target_new(const RewireCodegen *codegen) {
  return new RewireTarget{codegen->machine->getTargetTriple(),
                          codegen->machine->createDataLayout()};
}

void rewire_set_triple(const RewireTarget *target, LLVMModuleRef module) {
  unwrap(module)->setTargetTriple(target->triple);
}

void rewire_set_layout(const RewireTarget *target, LLVMModuleRef module) {
  unwrap(module)->setDataLayout(target->layout);
}

void rewire_optimise(RewireCodegen *codegen, LLVMModuleRef module) {
  Module &M = *unwrap(module);
  rewire_keep_callers(M);
  rewire_count_frames(M);
  const RewireLowerings lowerings = rewire_lowerings(M);
  if (codegen->level == 0 && !lowerings.any()) {
    bool inlines = false;
    for (const Function &function : M)
      inlines |= function.hasAvailableExternallyLinkage() ||
                 (!function.isDeclaration() && function.hasFnAttribute(Attribute::AlwaysInline));
    if (!inlines && !rewire_instruments(M))
      return;
  }
  if (!codegen->optimiser) {
    const OptimizationLevel levels[] = {OptimizationLevel::O0, OptimizationLevel::O1,
                                        OptimizationLevel::O2, OptimizationLevel::O3};
    codegen->optimiser = std::make_unique<Optimiser>(*codegen->machine, levels[codegen->level]);
  }
  codegen->optimiser->run(M, lowerings);
  if (lowerings.coroutines)
    rewire_share_noop_frame(M);
}

// What works between functions changes itself when it runs, so this pipeline is made anew; that
// costs a millisecond, and whole units are few.
void rewire_optimise_whole(RewireCodegen *codegen, LLVMModuleRef module) {
  if (codegen->level == 0)
    return rewire_optimise(codegen, module);
  Module &M = *unwrap(module);
  rewire_keep_callers(M);
  const OptimizationLevel levels[] = {OptimizationLevel::O0, OptimizationLevel::O1,
                                      OptimizationLevel::O2, OptimizationLevel::O3};
  const OptimizationLevel level = levels[codegen->level];
  LoopAnalysisManager loops;
  FunctionAnalysisManager functions;
  CGSCCAnalysisManager groups;
  ModuleAnalysisManager modules;
  PassBuilder builder(codegen->machine.get());
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(groups);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, groups, modules);
  rewire_count_frames(M);
  if (rewire_instruments(M))
    rewire_instrument(M, functions);
  RewireLowerings lowerings = rewire_lowerings(M);
  // The default pipeline splits coroutines at the best moment, but has nothing for the others.
  lowerings.coroutines = false;
  if (lowerings.any())
    rewire_lowering_passes(lowerings, level).run(M, modules);
  builder.buildPerModuleDefaultPipeline(level).run(M, modules);
  rewire_share_noop_frame(M);
}

namespace {

// The function that a call names, through a cast or an alias that stayed. A statepoint names it
// in an operand. Passes make local functions (the parts of a coroutine), which belong to their
// object and have no slot.
Function *namedCallee(const CallBase &call) {
  if (call.isInlineAsm())
    return nullptr;
  const Value *called = call.getCalledOperand();
  if (auto *point = dyn_cast<GCStatepointInst>(&call)) {
    // What is to be patched has no call yet.
    if (point->getNumPatchBytes() > 0)
      return nullptr;
    called = point->getActualCalledOperand();
  }
  auto *function = dyn_cast<Function>(const_cast<Value *>(called->stripPointerCasts()));
  return function && !function->isIntrinsic() && !function->hasLocalLinkage() ? function
                                                                             : nullptr;
}

// Whether a jump to the callee may find no register to go through: a tail call takes its target
// from one once more than six registers pass arguments, and this convention passes arguments in all
// that there are. Such a call jumps to the stub.
bool needsDirectJump(const CallBase &call) {
  auto *plain = dyn_cast<CallInst>(&call);
  if (!plain || !plain->isTailCall() ||
      call.getCallingConv() != CallingConv::PreserveNone)
    return false;
  constexpr unsigned kSafe = 10;
  const DataLayout &layout = call.getDataLayout();
  unsigned words = 0;
  for (const Use &argument : call.args())
    if (argument->getType()->isSized())
      words += divideCeil(layout.getTypeAllocSize(argument->getType()).getKnownMinValue(), 8);
  return words > kSafe;
}

// What a call promises of a body that may change.
const Attribute::AttrKind kPromises[] = {Attribute::Memory, Attribute::Speculatable,
                                         Attribute::WillReturn, Attribute::NoCallback,
                                         Attribute::NoSync};

// What the declaration said of the call has to be said by the call once it has no declaration,
// and what the call promised of memory must go: it would let code generation move the load of
// the slot across other calls.
void moveAttributes(CallBase &call, const Function &callee) {
  AttributeList own = call.getAttributes(), declared = callee.getAttributes();
  const bool promises = llvm::any_of(kPromises, [&](Attribute::AttrKind kind) {
    return own.hasFnAttr(kind);
  });
  if (declared.isEmpty() && !promises)
    return;
  LLVMContext &context = call.getContext();
  AttrBuilder function(context, own.getFnAttrs());
  function.merge(AttrBuilder(context, declared.getFnAttrs()));
  for (Attribute::AttrKind kind : kPromises)
    function.removeAttribute(kind);
  AttrBuilder result(context, declared.getRetAttrs());
  result.merge(AttrBuilder(context, own.getRetAttrs()));
  SmallVector<AttributeSet, 8> parameters;
  for (unsigned i = 0, n = call.arg_size(); i < n; ++i) {
    AttrBuilder parameter(context, declared.getParamAttrs(i));
    parameter.merge(AttrBuilder(context, own.getParamAttrs(i)));
    parameters.push_back(AttributeSet::get(context, parameter));
  }
  call.setAttributes(AttributeList::get(context, AttributeSet::get(context, function),
                                        AttributeSet::get(context, result), parameters));
}

GlobalVariable *slotOf(const Function &callee) {
  Module &M = const_cast<Module &>(*callee.getParent());
  StringRef base = callee.getName();
  base.consume_back(".rewire.self");
  std::string name = (base + ".rewire.slot").str();
  if (GlobalVariable *known = M.getNamedGlobal(name))
    return known;
  auto *slot = new GlobalVariable(M, PointerType::get(M.getContext(), 0), false,
                                  GlobalValue::ExternalLinkage, nullptr, name);
  slot->setVisibility(GlobalValue::HiddenVisibility);
  slot->setDSOLocal(true);
  return slot;
}

// What a call checks of a pointer, a call through a slot would check of the body.
CallBase *withoutTypeCheck(CallBase *call) {
  if (!call->getOperandBundle(LLVMContext::OB_kcfi))
    return call;
  CallBase *unchecked =
      CallBase::removeOperandBundle(call, LLVMContext::OB_kcfi, call->getIterator());
  call->replaceAllUsesWith(unchecked);
  unchecked->takeName(call);
  call->eraseFromParent();
  return unchecked;
}

// The pass that moves buffers to another stack makes this variable where the module doesn't know
// it, with a model of thread-local storage that only fits the main program.
void declareSafeStack(Module &M) {
  constexpr StringLiteral kPointer = "__safestack_unsafe_stack_ptr";
  const bool needed = llvm::any_of(M, [](const Function &function) {
    return !function.isDeclaration() && function.hasFnAttribute(Attribute::SafeStack);
  });
  if (!needed || M.getNamedValue(kPointer))
    return;
  new GlobalVariable(M, PointerType::get(M.getContext(), 0), false, GlobalValue::ExternalLinkage,
                     nullptr, kPointer, nullptr, GlobalVariable::GeneralDynamicTLSModel);
}

} // namespace

void rewire_slot_calls(RewireCodegen *codegen, LLVMModuleRef module) {
  Module &M = *unwrap(module);
  declareSafeStack(M);
  SmallVector<std::pair<CallBase *, Function *>, 32> calls;
  for (Function &function : M) {
    if (function.isDeclaration() || function.hasAvailableExternallyLinkage())
      continue;
    for (Instruction &instruction : instructions(function))
      if (auto *call = dyn_cast<CallBase>(&instruction))
        if (Function *callee = namedCallee(*call); callee && !needsDirectJump(*call))
          calls.push_back({call, callee});
  }
  DenseMap<Function *, GlobalVariable *> slots;
  for (auto [call, callee] : calls) {
    LibFunc known;
    // Code generation has instructions for some functions of the C library and finds them by
    // their declarations.
    if (codegen->level > 0 && codegen->library->getLibFunc(*callee, known) &&
        TargetLibraryInfo(*codegen->library).hasOptimizedCodeGen(known) &&
        !callee->isDSOLocal() && !call->isNoBuiltin())
      continue;
    call = withoutTypeCheck(call);
    const bool statepoint = isa<GCStatepointInst>(call);
    if (!statepoint)
      moveAttributes(*call, *callee);
    GlobalVariable *&slot = slots[callee];
    if (!slot)
      slot = slotOf(*callee);
    auto *target = new LoadInst(slot->getValueType(), slot, "", /*isVolatile=*/false,
                                Align(8), call->getIterator());
    if (statepoint)
      call->setArgOperand(GCStatepointInst::CalledFunctionPos, target);
    else
      call->setCalledOperand(target);
  }
}

void rewire_emit(RewireCodegen *codegen, LLVMModuleRef module, const char **bytes,
                 size_t *length) {
  codegen->emit(*unwrap(module));
  const ArrayRef<char> object = codegen->stream.bytes();
  *bytes = object.data();
  *length = object.size();
}
