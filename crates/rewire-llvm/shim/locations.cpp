// Reading bodies without their source positions.
//
// LLVM's reader of bitcode makes a unique node for each instruction's source position before they
// are taken out again, which was a third of what reading a body with debug information cost. It has
// no switch for that. A program that is linked with `--wrap` for the function that makes them
// (rewire-cli/build.rs) has them made once for each body; elsewhere this is without effect.

#include "locations.h"
#include "llvm/IR/DebugInfoMetadata.h"

using namespace llvm;
using namespace rewire;

#define MAKE_LOCATION \
  _ZN4llvm10DILocation7getImplERNS_11LLVMContextEjjPNS_8MetadataES4_bmhNS3_11StorageTypeEb
#define PASTE(prefix, name) prefix##name
#define NAME(prefix, name) PASTE(prefix, name)

namespace {

// The first of Metadata::StorageType, which is protected; it is passed as an unsigned number.
constexpr unsigned kUniqued = 0;

thread_local unsigned depth = 0;
// What stands for all positions of the body that is being read.
thread_local DILocation *shared = nullptr;

} // namespace

NoLocations::NoLocations() {
  if (depth++ == 0)
    shared = nullptr;
}

NoLocations::~NoLocations() { --depth; }

extern "C" {

// LLVM's own, in a program that is linked so.
__attribute__((weak)) DILocation *
NAME(__real_, MAKE_LOCATION)(LLVMContext &, unsigned, unsigned, Metadata *, Metadata *, bool,
                             uint64_t, uint8_t, unsigned, bool);

DILocation *NAME(__wrap_, MAKE_LOCATION)(LLVMContext &context, unsigned line, unsigned column,
                                         Metadata *scope, Metadata *inlined_at, bool implicit_code,
                                         uint64_t group, uint8_t rank,
                                         unsigned storage, bool create) {
  if (depth > 0 && storage == kUniqued && shared)
    return shared;
  DILocation *made = NAME(__real_, MAKE_LOCATION)(context, line, column, scope, inlined_at,
                                                  implicit_code, group, rank, storage, create);
  if (depth > 0 && storage == kUniqued)
    shared = made;
  return made;
}
}
