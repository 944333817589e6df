// Reading IR, and verifying it.
//
// Every way to a body goes through readBody. What LLVM's reader of bitcode reads on its own
// account (functions whose blocks' addresses are in values or in other bodies) is verified there as
// well, when it is first wanted. A body that was verified in one copy of a module isn't verified
// again in another: the bytes are the same (RewireIndex::verified).

#include "read.h"
#include "front.h"
#include "locations.h"
#include "target.h"
#include "llvm/AsmParser/LLParser.h"
#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/IR/AutoUpgrade.h"
#include "llvm/IR/DebugInfo.h"
#include "llvm/IR/GVMaterializer.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/Verifier.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;
using namespace rewire;

namespace {

// The layout that LLVM gives to what an older LLVM wrote. Without a triple, IR is for the host.
std::optional<std::string> upgradedLayout(const RewireTarget &host, StringRef triple,
                                          StringRef layout) {
  // LLVM compiles a regular expression to find out, which takes longer than reading a small text.
  if (layout.empty() || layout == host.layout.getStringRepresentation())
    return layout.str();
  if (triple.empty())
    triple = host.triple.str();
  return UpgradeDataLayoutString(layout, triple);
}

constexpr StringLiteral kDebugVersion = "Debug Info Version";

// LLVM verifies a whole module for its debug information, and ends the process if the module is
// wrong, where this flag says that there is some.
void dropDebugVersion(Module &ir) {
  NamedMDNode *flags = ir.getModuleFlagsMetadata();
  if (!flags || !ir.getModuleFlag(kDebugVersion))
    return;
  SmallVector<MDNode *, 8> kept;
  for (MDNode *flag : flags->operands()) {
    auto *name = flag->getNumOperands() > 1 ? dyn_cast<MDString>(flag->getOperand(1)) : nullptr;
    if (!name || name->getString() != kDebugVersion)
      kept.push_back(flag);
  }
  flags->clearOperands();
  for (MDNode *flag : kept)
    flags->addOperand(flag);
}

// Debug information that isn't in bodies.
void stripOutsideBodies(Module &ir) {
  for (NamedMDNode &node : make_early_inc_range(ir.named_metadata()))
    if (node.getName().starts_with("llvm.dbg."))
      node.eraseFromParent();
  for (GlobalVariable &variable : ir.globals())
    variable.eraseMetadata(LLVMContext::MD_dbg);
  for (Function &function : ir)
    if (function.hasMetadata())
      function.setSubprogram(nullptr);
}

// What calls of `llvm.dbg.*`, as LLVM wrote them until 18, are upgraded to: that happens after a
// body that is read lazily was stripped.
void dropDebugRecords(Function &function) {
  for (Instruction &instruction : instructions(function))
    instruction.dropDbgRecords();
}

std::string label(const Function &function) {
  return function.hasName() ? function.getName().str() : "a function without a name";
}

std::string rejected(const Twine &reason) {
  return ("rejected by LLVM's verifier: " + reason).str();
}

// Verifies one body, debug information aside. The module must have been verified.
bool verifyBody(Function &function, std::string &error) {
  std::string reason;
  raw_string_ostream stream(reason);
  if (!verifyFunction(function, &stream))
    return true;
  error = rejected("in " + label(function) + ": " + reason);
  return false;
}

// Verifies a module with the bodies that are there, and says which of them is wrong, if it is one.
bool verifyWithBodies(Module &ir, std::string &error) {
  std::string reason;
  raw_string_ostream stream(reason);
  if (!verifyModule(ir, &stream))
    return true;
  for (Function &function : ir)
    if (!function.empty() && !verifyBody(function, error))
      return false;
  error = rejected(reason);
  return false;
}

bool fail(char **error, const Twine &reason) {
  *error = newMessage(reason.str());
  return true;
}

} // namespace

bool rewire_read_bitcode(LLVMContextRef context, const RewireTarget *host, const char *bytes,
                         size_t length, LLVMModuleRef *module, char **error) {
  auto buffer = MemoryBuffer::getMemBuffer(StringRef(bytes, length), "bitcode",
                                           /*RequiresNullTerminator=*/false);
  ParserCallbacks callbacks([host](StringRef triple, StringRef layout) {
    return upgradedLayout(*host, triple, layout);
  });
  auto read = getOwningLazyBitcodeModule(std::move(buffer), *unwrap(context),
                                         /*ShouldLazyLoadMetadata=*/false,
                                         /*IsImporting=*/false, callbacks);
  if (!read)
    return fail(error, toString(read.takeError()));
  *module = wrap(read->release());
  return false;
}

bool rewire_read_text(LLVMContextRef context, const RewireTarget *host, const char *bytes,
                      size_t length, LLVMModuleRef *module, char **error) {
  // The parser needs the final zero.
  auto buffer = MemoryBuffer::getMemBufferCopy(StringRef(bytes, length), "text");
  const StringRef text = buffer->getBuffer();
  SourceMgr sources;
  sources.AddNewSourceBuffer(std::move(buffer), SMLoc());
  SMDiagnostic diagnostic;
  auto read = std::make_unique<Module>("text", *unwrap(context));
  LLParser parser(text, sources, diagnostic, read.get(), /*Index=*/nullptr, *unwrap(context));
  // Upgrading debug information is verifying the module, which ends the process if it is wrong.
  if (parser.Run(/*UpgradeDebugInfo=*/false, [host](StringRef triple, StringRef layout) {
        return upgradedLayout(*host, triple, layout);
      })) {
    std::string reason;
    raw_string_ostream stream(reason);
    diagnostic.print(nullptr, stream, /*ShowColors=*/false);
    return fail(error, reason);
  }
  *module = wrap(read.release());
  return false;
}

void rewire_strip_debug(RewireIndex *index) {
  Module &ir = index->module;
  index->has_debug_calls = llvm::any_of(
      ir, [](const Function &one) { return one.getName().starts_with("llvm.dbg."); });
  // A lazily read module gives up the rest as its bodies are read; stripping it as a whole would
  // walk them all.
  if (GVMaterializer *materializer = ir.getMaterializer()) {
    materializer->setStripDebugInfo();
    stripOutsideBodies(ir);
    for (Function &function : ir)
      if (!function.empty())
        stripDebugInfo(function);
  } else {
    StripDebugInfo(ir);
  }
  dropDebugVersion(ir);
}

bool rewire_verify(RewireIndex *index, char **error) {
  const size_t count = index->globals.size();
  if (index->isVerified(count))
    return false;
  Module &ir = index->module;
  if (ir.getMaterializer())
    UpgradeModuleFlags(ir);
  std::string reason;
  if (!verifyWithBodies(ir, reason))
    return fail(error, reason);
  for (size_t i = 0; i < count; ++i)
    if (auto *function = dyn_cast<Function>(index->globals[i]); function && !function->empty())
      index->setVerified(i);
  index->setVerified(count);
  return false;
}

bool rewire::readUnverified(RewireIndex &index, Function &function, std::string &error) {
  if (!index.unreadable.empty()) {
    error = index.unreadable;
    return false;
  }
  if (function.isMaterializable()) {
    Error failure = [&] {
      // What is read lazily is stripped as it is read (rewire_strip_debug).
      NoLocations none;
      return function.materialize();
    }();
    if (failure) {
      // The reader's numbers of values are out of step now: what else it read would be wrong.
      index.unreadable = "LLVM cannot read the body of " + label(function) + ": " +
                         toString(std::move(failure));
      error = index.unreadable;
      return false;
    }
  }
  return true;
}

bool rewire::readBody(RewireIndex &index, Function &function, std::string &error) {
  if (!readUnverified(index, function, error))
    return false;
  if (function.empty())
    return true;
  const size_t ordinal = index.ordinals.lookup(&function);
  // Others may have been read along with it.
  if (index.has_debug_calls)
    dropDebugRecords(function);
  if (index.isVerified(ordinal))
    return true;
  if (!verifyBody(function, error))
    return false;
  index.setVerified(ordinal);
  return true;
}

bool rewire_read_for_fronts(RewireIndex *index, const char *bytes, size_t length,
                            bool is_bitcode, char **error) {
  index->reads_for_fronts =
      index->module.getModuleFlag("kcfi") ||
      (is_bitcode && mayMarkFunctions(StringRef(bytes, length)));
  if (!index->reads_for_fronts)
    return false;
  std::string reason;
  for (Function &function : index->module)
    if (!readUnverified(*index, function, reason))
      return fail(error, reason);
  return false;
}

bool rewire_read_all(RewireIndex *index, char **error) {
  // LLVM's way to read all would delete declarations of intrinsics that are no more, which have
  // their numbers.
  std::string reason;
  for (Function &function : index->module)
    if (!readBody(*index, function, reason))
      return fail(error, reason);
  return false;
}

bool rewire_is_unreadable(const RewireIndex *index) { return !index->unreadable.empty(); }

bool rewire_verify_other(LLVMModuleRef module, char **error) {
  std::string reason;
  return !verifyWithBodies(*unwrap(module), reason) && fail(error, reason);
}
