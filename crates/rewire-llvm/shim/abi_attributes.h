// The attributes that say how a function is called, whatever its body does.
//
// One table for what declarations keep of them (`keepAbi`) and what a contract says of them
// (contract.cpp).

#ifndef REWIRE_ABI_ATTRIBUTES_H
#define REWIRE_ABI_ATTRIBUTES_H

#include "llvm/IR/Attributes.h"

namespace rewire {

// How values are passed; both sides have to agree.
constexpr llvm::Attribute::AttrKind kAbiParameter[] = {
    llvm::Attribute::StructRet,    llvm::Attribute::ByVal,       llvm::Attribute::ByRef,
    llvm::Attribute::InAlloca,     llvm::Attribute::Preallocated, llvm::Attribute::ElementType,
    llvm::Attribute::InReg,        llvm::Attribute::ZExt,        llvm::Attribute::SExt,
    llvm::Attribute::Nest,         llvm::Attribute::SwiftSelf,   llvm::Attribute::SwiftError,
    llvm::Attribute::SwiftAsync,   llvm::Attribute::StackAlignment};

// What callers have to see to, of the function as a whole.
constexpr llvm::Attribute::AttrKind kAbiDemands[] = {
    llvm::Attribute::ReturnsTwice, llvm::Attribute::NoCfCheck, llvm::Attribute::StrictFP,
    llvm::Attribute::NoBuiltin};
constexpr const char *kAbiDemandStrings[] = {"no_callee_saved_registers", "thunk"};

// What callers may rely on, of the function as a whole.
constexpr const char *kAbiPromiseStrings[] = {"no_caller_saved_registers"};

// The attributes of a declaration with so many parameters: those that say how it is called.
llvm::AttributeList keepAbi(llvm::LLVMContext &context, llvm::AttributeList from,
                            unsigned parameters);

} // namespace rewire

#endif
