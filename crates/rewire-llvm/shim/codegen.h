// Code generators, for the shim's files.
#ifndef REWIRE_CODEGEN_H
#define REWIRE_CODEGEN_H

#include "shim.h"
#include "fast/fast.h"
#include "frame_layout.h"
#include "optimise.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Analysis/TargetLibraryInfo.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Target/TargetMachine.h"
#include <memory>
#include <optional>
#include <string>

namespace rewire {

// Bytes in memory. LLVM's own stream of this kind has no buffer, and an object is written in
// pieces of a few bytes.
class ObjectStream final : public llvm::raw_pwrite_stream {
public:
  ObjectStream() { SetBufferSize(4096); }
  ~ObjectStream() override { flush(); }

  // The bytes until now, which stand until more are written.
  llvm::ArrayRef<char> bytes() {
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

  llvm::SmallVector<char, 0> written;
};

} // namespace rewire

struct RewireCodegen {
  unsigned level;
  std::unique_ptr<llvm::TargetMachine> machine;
  std::unique_ptr<llvm::TargetLibraryInfoImpl> library;
  rewire::ObjectStream stream;
  // Where the last body that was asked for it has its values.
  rewire::FrameLayout frame;
  // Made at level 0.
  std::shared_ptr<rewire::FastPath> fast;
  // LLVM's pipeline, made when it is first needed.
  std::unique_ptr<llvm::legacy::PassManager> passes;
  // Made when it is first needed.
  std::unique_ptr<rewire::Optimiser> optimiser;
  // IR passes that a client has chosen instead of the level's.
  std::optional<std::string> chosen_passes;

  // What the last optimised module holds copies of.
  std::vector<size_t> inlined;

  // Makes the pipeline that most modules need first; false if there is none for the target.
  bool prepare();
  // Whether `rewire_optimise` runs any pass on a module.
  bool runsPasses(const llvm::Module &module) const;
  void emit(llvm::Module &module);

private:
  bool preparePasses();
  bool prepareCountingPasses();
};

#endif
