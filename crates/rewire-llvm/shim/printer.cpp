// See printer.h.

#include "llvm/Analysis/TargetLibraryInfo.h"
#include "llvm/CodeGen/AsmPrinter.h"
#include "llvm/CodeGen/MachineModuleInfo.h"
#include "llvm/CodeGen/Passes.h"
#include "llvm/CodeGen/TargetPassConfig.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/MC/MCAsmBackend.h"
#include "llvm/MC/MCCodeEmitter.h"
#include "llvm/MC/MCSectionELF.h"
#include "llvm/MC/MCStreamer.h"
#include "llvm/MC/TargetRegistry.h"

#include "plain.h"
#include "printer.h"

using namespace llvm;

// How many sections every object needs.
static constexpr size_t kOfAll = 1;

void RewirePlainObjectFile::Initialize(MCContext &context, const TargetMachine &machine) {
  if (&context == known) {
    for (const Section &section :
         ArrayRef(sections).take_front(has_constants ? sections.size() : kOfAll))
      this->*section.place =
          context.getELFSection(section.name, section.type, section.flags, section.entry_size);
    return;
  }
  TargetLoweringObjectFileELF::Initialize(context, machine);
  known = &context;
  sections.clear();
  for (auto place : {&RewirePlainObjectFile::TextSection, &RewirePlainObjectFile::ReadOnlySection,
                     &RewirePlainObjectFile::DataRelROSection,
                     &RewirePlainObjectFile::MergeableConst4Section,
                     &RewirePlainObjectFile::MergeableConst8Section,
                     &RewirePlainObjectFile::MergeableConst16Section,
                     &RewirePlainObjectFile::MergeableConst32Section}) {
    auto &made = static_cast<const MCSectionELF &>(*(this->*place));
    sections.push_back({place, made.getName().str(), made.getType(), made.getFlags(),
                        made.getEntrySize()});
  }
}

RewirePrinterMachine::RewirePrinterMachine(const TargetMachine &machine)
    : CodeGenTargetMachineImpl(machine.getTarget(),
                               machine.createDataLayout().getStringRepresentation(),
                               machine.getTargetTriple(), machine.getTargetCPU(),
                               machine.getTargetFeatureString(), machine.Options,
                               machine.getRelocationModel(), machine.getCodeModel(),
                               machine.getOptLevel()),
      machine(machine) {
  initAsmInfo();
}

const TargetSubtargetInfo *
RewirePrinterMachine::getSubtargetImpl(const Function &function) const {
  return machine.getSubtargetImpl(function);
}

RewirePlainPipeline::RewirePlainPipeline(CodeGenTargetMachineImpl &machine)
    : printer(machine), context(machine.getTargetTriple(), machine.getMCAsmInfo(),
                                machine.getMCRegisterInfo(), machine.getMCSubtargetInfo(), nullptr,
                                &machine.Options.MCOptions) {
  context.setObjectFileInfo(printer.getObjFileLowering());
}

std::unique_ptr<RewirePlainPipeline>
RewirePlainPipeline::make(CodeGenTargetMachineImpl &machine, raw_pwrite_stream &out,
                          const TargetLibraryInfoImpl &library) {
  // As CodeGenTargetMachineImpl::addPassesToEmitFile, with a context and a printer of our own.
  std::unique_ptr<RewirePlainPipeline> made(new RewirePlainPipeline(machine));
  auto *functions = new MachineModuleInfoWrapperPass(&machine, &made->context);
  made->sequence = new RewireSequence(functions->getMMI());
  made->passes.add(made->sequence);
  RewirePlainPasses passes(made->passes);
  passes.add(new TargetLibraryInfoWrapperPass(library));
  TargetPassConfig *config = machine.createPassConfig(passes);
  config->setDisableVerify(true);
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
  auto objects = std::make_unique<RewireObjectWriter>(std::move(full), out);
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

bool RewirePlainPipeline::run(Module &module, bool has_constants) {
  streamer->emitCFISections(/*EH=*/false, /*Debug=*/false, /*SFrame=*/false);
  printer.getObjFileLowering()->has_constants = has_constants;
  if (sequence->isReady())
    sequence->run(module);
  else
    passes.run(module);
  context.reset();
  return objects->hasWritten();
}
