// The processors that code can be generated for.

#include "codegen.h"
#include "index.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/TargetParser/Host.h"

using namespace llvm;
using namespace rewire;

char *rewire_host_cpu(void) { return newMessage(sys::getHostCPUName().str()); }

char *rewire_host_features(void) {
  std::string features;
  for (const auto &feature : sys::getHostCPUFeatures()) {
    if (!features.empty())
      features += ',';
    features += feature.second ? '+' : '-';
    features += feature.first();
  }
  return newMessage(features);
}

void rewire_known_cpus(const RewireCodegen *codegen,
                       void (*entry)(void *data, bool is_feature, const char *name, size_t length),
                       void *data) {
  const MCSubtargetInfo &known = *codegen->machine->getMCSubtargetInfo();
  for (const SubtargetSubTypeKV &cpu : known.getAllProcessorDescriptions())
    entry(data, false, cpu.Key, strlen(cpu.Key));
  for (const SubtargetFeatureKV &feature : known.getAllProcessorFeatures())
    entry(data, true, feature.Key, strlen(feature.Key));
}
