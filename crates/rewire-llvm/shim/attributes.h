// The attributes that say how a function is called, whatever its body does. One table for what
// declarations keep of them (keep.cpp) and what a contract says of them (contract.cpp).

#ifndef REWIRE_ATTRIBUTES_H
#define REWIRE_ATTRIBUTES_H

#include "llvm/IR/Attributes.h"

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

#endif
