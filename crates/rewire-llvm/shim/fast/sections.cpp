// See sections.h.

#include "sections.h"
#include "llvm/MC/MCSectionELF.h"

using namespace llvm;
using namespace rewire;

// How many sections every object needs.
static constexpr size_t kOfAll = 1;

void FewSections::Initialize(MCContext &context, const TargetMachine &machine) {
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
  for (auto place : {&FewSections::TextSection, &FewSections::ReadOnlySection,
                     &FewSections::DataRelROSection,
                     &FewSections::MergeableConst4Section,
                     &FewSections::MergeableConst8Section,
                     &FewSections::MergeableConst16Section,
                     &FewSections::MergeableConst32Section}) {
    auto &made = static_cast<const MCSectionELF &>(*(this->*place));
    sections.push_back({place, made.getName().str(), made.getType(), made.getFlags(),
                        made.getEntrySize()});
  }
}

MachineWithFewSections::MachineWithFewSections(const TargetMachine &machine)
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
MachineWithFewSections::getSubtargetImpl(const Function &function) const {
  return machine.getSubtargetImpl(function);
}
