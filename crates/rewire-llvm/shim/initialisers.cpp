// Which variables a module's constructors initialise.
//
// clang makes one constructor of a file (`_GLOBAL__sub_I_...`), which calls a function for each
// variable; optimised, these are one function. Variables of threads are initialised by
// `__tls_init`, all behind one flag.

#include "index.h"
#include "llvm/ADT/PostOrderIterator.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/Operator.h"

using namespace llvm;
using namespace rewire;

namespace {

bool isBody(const Function &function) {
  return !function.isDeclaration() && !function.isMaterializable();
}

// The function that an instruction calls, if it is one of the module's own that takes and returns
// nothing.
Function *plainCallee(const Instruction &instruction) {
  auto *call = dyn_cast<CallInst>(&instruction);
  Function *callee = call ? call->getCalledFunction() : nullptr;
  bool isPlain = callee && isBody(*callee) && callee->hasLocalLinkage() && callee->arg_empty() &&
                 callee->getReturnType()->isVoidTy();
  return isPlain ? callee : nullptr;
}

// The functions that do a constructor's work: those that it calls, if it does nothing else.
void addParts(Function &function, SetVector<Function *> &parts) {
  SmallVector<Function *, 16> called;
  bool only_calls = function.size() == 1;
  for (const Instruction &instruction : instructions(function)) {
    if (isa<ReturnInst>(instruction) || isa<IntrinsicInst>(instruction))
      continue;
    Function *callee = plainCallee(instruction);
    if (!callee || callee == &function) {
      only_calls = false;
      break;
    }
    called.push_back(callee);
  }
  if (!only_calls || called.empty() || parts.size() > 100000) {
    parts.insert(&function);
    return;
  }
  for (Function *callee : called)
    addParts(*callee, parts);
}

class Written {
  SmallPtrSet<const GlobalVariable *, 16> read_first;
  SetVector<const GlobalVariable *> written;

  // The variable that an address is in.
  static const GlobalVariable *variableAt(const Value *address) {
    for (unsigned depth = 0; depth < 64; ++depth) {
      address = address->stripPointerCasts();
      if (auto *element = dyn_cast<GEPOperator>(address))
        address = element->getPointerOperand();
      else if (auto *call = dyn_cast<IntrinsicInst>(address);
               call && call->getIntrinsicID() == Intrinsic::threadlocal_address)
        address = call->getArgOperand(0);
      else
        break;
    }
    auto *variable = dyn_cast<GlobalVariable>(address);
    return variable && !variable->isDeclaration() && !variable->isConstant() ? variable : nullptr;
  }

  void reads(const Value *address) {
    const GlobalVariable *variable = variableAt(address);
    if (variable && !written.contains(variable))
      read_first.insert(variable);
  }

  void writes(const Value *address) {
    const GlobalVariable *variable = variableAt(address);
    if (variable && !read_first.contains(variable))
      written.insert(variable);
  }

  void calls(const CallBase &call) {
    if (auto *transfer = dyn_cast<MemTransferInst>(&call)) {
      reads(transfer->getRawSource());
      writes(transfer->getRawDest());
      return;
    }
    if (auto *set = dyn_cast<MemSetInst>(&call))
      return writes(set->getRawDest());
    if (isa<IntrinsicInst>(call) || call.arg_empty())
      return;
    const Function *callee = call.getCalledFunction();
    const StringRef name = callee ? callee->getName() : StringRef();
    if (name.starts_with("__cxa_guard"))
      return;
    // The object of a destructor is its second argument; of a constructor, as the place of a
    // result, the first.
    const bool registers = name == "__cxa_atexit" || name.starts_with("__cxa_thread_atexit");
    const unsigned place = registers ? 1 : 0;
    if (place < call.arg_size() && call.getArgOperand(place)->getType()->isPointerTy())
      writes(call.getArgOperand(place));
  }

public:
  // In the order in which they are met.
  void visit(Function &function) {
    ReversePostOrderTraversal<Function *> order(&function);
    for (const BasicBlock *block : order)
      for (const Instruction &instruction : *block) {
        if (auto *load = dyn_cast<LoadInst>(&instruction))
          reads(load->getPointerOperand());
        else if (auto *store = dyn_cast<StoreInst>(&instruction))
          writes(store->getPointerOperand());
        else if (auto *update = dyn_cast<AtomicRMWInst>(&instruction))
          reads(update->getPointerOperand());
        else if (auto *exchange = dyn_cast<AtomicCmpXchgInst>(&instruction))
          reads(exchange->getPointerOperand());
        else if (auto *call = dyn_cast<CallBase>(&instruction))
          calls(*call);
        else if (auto *phi = dyn_cast<PHINode>(&instruction))
          for (const Value *value : phi->incoming_values())
            if (value->getType()->isPointerTy())
              writes(value);
      }
  }

  ArrayRef<const GlobalVariable *> all() const { return written.getArrayRef(); }
};

} // namespace

void rewire_initialisers(const RewireIndex *index, size_t constructor,
                         void (*part)(void *, size_t), void (*variable)(void *, size_t),
                         void *data) {
  auto *function = dyn_cast<Function>(index->globals[constructor]);
  if (!function || !isBody(*function))
    return;
  SetVector<Function *> parts;
  addParts(*function, parts);
  for (Function *one : parts) {
    auto found = index->ordinals.find(one);
    if (found == index->ordinals.end())
      continue;
    part(data, found->second);
    Written written;
    written.visit(*one);
    for (const GlobalVariable *each : written.all())
      if (auto at = index->ordinals.find(each); at != index->ordinals.end())
        variable(data, at->second);
  }
}

void rewire_thread_initialiser(const RewireIndex *index, void (*variable)(void *, size_t),
                               void *data) {
  Function *function = index->module.getFunction("__tls_init");
  const GlobalVariable *flag = index->module.getGlobalVariable("__tls_guard", true);
  if (!function || !isBody(*function) || !flag)
    return;
  Written written;
  for (const Instruction &instruction : instructions(*function))
    if (Function *callee = plainCallee(instruction))
      written.visit(*callee);
  written.visit(*function);
  SetVector<const GlobalVariable *> all(written.all().begin(), written.all().end());
  all.insert(flag);
  for (const GlobalVariable *each : all)
    if (auto at = index->ordinals.find(each); at != index->ordinals.end() && each->isThreadLocal())
      variable(data, at->second);
}
