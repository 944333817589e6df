// Definitions of other modules that an extraction brings, to be inlined or folded.
//
// The engine knows where they are. It hands them over as bitcode, with what each global that they
// name is called in the extracted module.
#ifndef REWIRE_IMPORTS_H
#define REWIRE_IMPORTS_H

#include "shim.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/IR/Module.h"
#include <memory>
#include <string>
#include <vector>

namespace rewire {

class Imports {
public:
  // What a global of another module is here.
  struct Reference {
    uint32_t number;
    // Empty where the number is an ordinal of the extracted module's own source.
    std::string name;
    // Whether it is close by, whatever becomes of its name.
    bool is_near;
    // Whether its value, if it is there, may be folded.
    bool is_current;
    // Whether only a copy of it can be had.
    bool is_private;
  };

  struct Found {
    llvm::GlobalObject *definition = nullptr;
    // What the copy is noted as.
    uint32_t number = 0;
  };

  Imports(const RewireImporter *importer, llvm::Module &source)
      : importer(importer), source(source) {}

  bool areWanted() const { return importer != nullptr; }

  // Asks for what a global stands for that the source doesn't define. Without a definition where
  // there is none, or none that may be copied.
  Found find(uint32_t number, size_t most);

  // Whether the engine has another definition of a name than the source shows.
  bool isElsewhere(uint32_t number) const {
    return importer && importer->is_elsewhere(importer->data, number);
  }

  // What a global is that a definition of another module names; null for any other global.
  const Reference *reference(const llvm::GlobalValue &global) const {
    auto found = references.find(&global);
    return found == references.end() ? nullptr : &found->second;
  }

  // Whether a body of another module is called the way in which a declaration is.
  static bool fits(const llvm::Function &declared, const llvm::Function &definition);

private:
  const RewireImporter *importer;
  llvm::Module &source;
  std::vector<std::unique_ptr<llvm::Module>> modules;
  llvm::DenseMap<const llvm::GlobalValue *, Reference> references;

  // Whether all that nothing else can name are constants that may be copied.
  bool privatesMayBeCopied(const llvm::Module &other) const;
  bool flagsAgree(const llvm::Module &other) const;
};

} // namespace rewire

#endif
