// See fast.h.

#include "fast.h"
#include "../frame_layout.h"
#include "../loop_counts.h"
#include "object_writer.h"
#include "pass_sequence.h"
#include "passes.h"
#include "plain.h"
#include "sections.h"
#include "llvm/CodeGen/AsmPrinter.h"
#include "llvm/CodeGen/MachineModuleInfo.h"
#include "llvm/CodeGen/Passes.h"
#include "llvm/CodeGen/TargetPassConfig.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/MC/MCAsmBackend.h"
#include "llvm/MC/MCCodeEmitter.h"
#include "llvm/MC/MCContext.h"
#include "llvm/MC/MCStreamer.h"
#include "llvm/MC/TargetRegistry.h"

using namespace llvm;
using namespace rewire;

class rewire::FastPath {
public:
  explicit FastPath(CodeGenTargetMachineImpl &machine);

  MachineWithFewSections printer;
  MCContext context;
  // Destroyed before what its passes refer to.
  legacy::PassManager passes;
  // Both belong to the pass that writes.
  MCStreamer *streamer = nullptr;
  FastObjectWriter *objects = nullptr;
  // The only pass of `passes`, with all others in it.
  PassSequence *sequence = nullptr;
};

FastPath::FastPath(CodeGenTargetMachineImpl &machine)
    : printer(machine), context(machine.getTargetTriple(), machine.getMCAsmInfo(),
                                machine.getMCRegisterInfo(), machine.getMCSubtargetInfo(), nullptr,
                                &machine.Options.MCOptions) {
  context.setObjectFileInfo(printer.getObjFileLowering());
}

std::shared_ptr<FastPath> rewire::makeFastPath(CodeGenTargetMachineImpl &machine,
                                               raw_pwrite_stream &out,
                                               const TargetLibraryInfoImpl &library,
                                               FrameLayout &layout) {
  // As CodeGenTargetMachineImpl::addPassesToEmitFile, with a context and a printer of our own.
  auto made = std::make_shared<FastPath>(machine);
  auto *functions = new MachineModuleInfoWrapperPass(&machine, &made->context);
  made->sequence = new PassSequence();
  made->passes.add(made->sequence);
  NeededPasses passes(made->passes);
  passes.add(new TargetLibraryInfoWrapperPass(library));
  TargetPassConfig *config = machine.createPassConfig(passes);
  config->setDisableVerify(true);
  addLoopCounts(*config, layout);
  passes.add(config);
  passes.add(functions);
  if (config->addISelPasses())
    return nullptr;
  config->addMachinePasses();
  config->setInitialized();
  const Target &target = machine.getTarget();
  const MCSubtargetInfo &subtarget = *machine.getMCSubtargetInfo();
  std::unique_ptr<MCCodeEmitter> emitter(
      target.createMCCodeEmitter(*machine.getMCInstrInfo(), made->context));
  std::unique_ptr<MCAsmBackend> backend(target.createMCAsmBackend(
      subtarget, *machine.getMCRegisterInfo(), machine.Options.MCOptions));
  if (!emitter || !backend)
    return nullptr;
  // The target is ELF's.
  std::unique_ptr<ELFObjectWriter> full(
      static_cast<ELFObjectWriter *>(backend->createObjectWriter(out).release()));
  auto objects = std::make_unique<FastObjectWriter>(std::move(full), out);
  made->objects = objects.get();
  std::unique_ptr<MCStreamer> streamer(target.createMCObjectStreamer(
      machine.getTargetTriple(), made->context, std::move(backend), std::move(objects),
      std::move(emitter), subtarget));
  if (!streamer)
    return nullptr;
  made->streamer = streamer.get();
  made->objects->describeFrames(*streamer);
  FunctionPass *writer = target.createAsmPrinter(made->printer, std::move(streamer));
  if (!writer)
    return nullptr;
  passes.add(writer);
  passes.add(createFreeMachineFunctionPass());
  return made;
}

bool rewire::emitFast(FastPath &path, Module &module) {
  const Plainness is_plain = plainness(module);
  if (is_plain == Plainness::None)
    return false;
  // The object writer describes frames itself.
  path.streamer->emitCFISections(/*EH=*/false, /*Debug=*/false, /*SFrame=*/false);
  path.printer.getObjFileLowering()->has_constants = is_plain == Plainness::Plain;
  if (path.sequence->isReady())
    path.sequence->run(module);
  else
    path.passes.run(module);
  path.context.reset();
  return path.objects->hasWritten();
}
