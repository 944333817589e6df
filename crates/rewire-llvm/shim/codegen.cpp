// Generates code: from a module to an object.

#include "codegen.h"
#include "index.h"
#include "loop_counts.h"
#include "target.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/Analysis/RuntimeLibcallInfo.h"
#include "llvm/CodeGen/CodeGenTargetMachineImpl.h"
#include "llvm/CodeGen/MachineModuleInfo.h"
#include "llvm/CodeGen/Passes.h"
#include "llvm/CodeGen/TargetPassConfig.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/TargetParser/Host.h"
#include <mutex>

using namespace llvm;
using namespace rewire;

extern "C" {
void LLVMInitializeX86TargetInfo(void);
void LLVMInitializeX86Target(void);
void LLVMInitializeX86TargetMC(void);
void LLVMInitializeX86AsmPrinter(void);
void LLVMInitializeX86AsmParser(void);
}

namespace {

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

// Whether some assembly has labels that are numbers.
bool hasNumberedLabel(StringRef assembly) {
  for (size_t colon = assembly.find(':'); colon != StringRef::npos;
       colon = assembly.find(':', colon + 1))
    if (colon > 0 && isDigit(assembly[colon - 1]))
      return true;
  return false;
}

bool hasNumberedLabels(const Module &module) {
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

} // namespace

bool RewireCodegen::prepare() {
  if (level > 0)
    return preparePasses();
  fast = makeFastPath(static_cast<CodeGenTargetMachineImpl &>(*machine), stream, *library, frame);
  return fast != nullptr;
}

bool RewireCodegen::preparePasses() {
  passes = std::make_unique<legacy::PassManager>();
  passes->add(new TargetLibraryInfoWrapperPass(*library));
  if (level == 0)
    return prepareCountingPasses();
  return !machine->addPassesToEmitFile(*passes, stream, nullptr, CodeGenFileType::ObjectFile,
                                       true);
}

// As CodeGenTargetMachineImpl::addPassesToEmitFile, and adds checks to loop heads.
bool RewireCodegen::prepareCountingPasses() {
  auto *target = static_cast<CodeGenTargetMachineImpl *>(machine.get());
  const TargetOptions &options = target->Options;
  passes->add(new RuntimeLibraryInfoWrapper(
      target->getTargetTriple(), options.ExceptionModel, options.FloatABIType, options.EABIVersion,
      options.MCOptions.ABIName, options.VecLib));
  auto *functions = new MachineModuleInfoWrapperPass(target);
  TargetPassConfig *config = target->createPassConfig(*passes);
  config->setDisableVerify(true);
  addLoopCounts(*config, frame);
  passes->add(config);
  passes->add(functions);
  if (config->addISelPasses())
    return false;
  config->addMachinePasses();
  config->setInitialized();
  if (target->addAsmPrinter(*passes, stream, nullptr, CodeGenFileType::ObjectFile,
                            functions->getMMI().getContext()))
    return false;
  passes->add(createFreeMachineFunctionPass());
  return true;
}

void RewireCodegen::emit(Module &module) {
  const auto is_done = make_scope_exit([&] { frame.stopAsking(); });
  stream.clear();
  if (fast && emitFast(*fast, module))
    return;
  stream.clear();
  if (!passes)
    preparePasses();
  // What such labels stand for is kept beyond the module that has them, in memory that isn't.
  const bool is_spent = hasNumberedLabels(module);
  passes->run(module);
  if (is_spent)
    passes.reset();
}

RewireCodegen *rewire_codegen_new(unsigned level, const char *cpu, const char *features,
                                  char **error) {
  Triple triple(sys::getProcessTriple());
  std::string message;
  const Target *target = hostTarget(triple, message);
  if (!target) {
    *error = newMessage(message);
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
      triple, cpu, features, options, Reloc::PIC_, CodeModel::Small, levels[level], false));
  codegen->library = std::make_unique<TargetLibraryInfoImpl>(triple);
  if (!codegen->machine || !codegen->prepare()) {
    *error = newMessage("LLVM has no code generator for " + triple.str());
    return nullptr;
  }
  return codegen.release();
}

void rewire_codegen_free(RewireCodegen *codegen) { delete codegen; }

char *rewire_codegen_data_layout(const RewireCodegen *codegen) {
  return newMessage(codegen->machine->createDataLayout().getStringRepresentation());
}

char *rewire_codegen_triple(const RewireCodegen *codegen) {
  return newMessage(codegen->machine->getTargetTriple().str());
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

// Every frame is passed by whoever walks the stack. Of what may throw, it is described anyway.
static void describeFrames(Module &module) {
  for (Function &function : module)
    if (!function.isDeclaration() && !function.needsUnwindTableEntry())
      function.setUWTableKind(UWTableKind::Default);
}

void rewire_emit(RewireCodegen *codegen, LLVMModuleRef module, const char **bytes,
                 size_t *length) {
  describeFrames(*unwrap(module));
  codegen->emit(*unwrap(module));
  const ArrayRef<char> object = codegen->stream.bytes();
  *bytes = object.data();
  *length = object.size();
}
