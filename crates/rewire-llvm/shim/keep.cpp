// What of a function's attributes callers may rely on, whatever body it has.

#include "keep.h"

using namespace llvm;

namespace {

// The attributes of a declaration that say how it is called. All others state what some body
// does, and the body may change.
const Attribute::AttrKind kAbiParameter[] = {
    Attribute::ZExt,      Attribute::SExt,       Attribute::InReg,
    Attribute::ByVal,     Attribute::ByRef,      Attribute::StructRet,
    Attribute::Nest,      Attribute::InAlloca,   Attribute::Preallocated,
    Attribute::SwiftSelf, Attribute::SwiftError, Attribute::SwiftAsync,
    Attribute::Alignment, Attribute::StackAlignment, Attribute::ElementType,
};

// The same of functions. Strings name target features and conventions.
const Attribute::AttrKind kAbiFunction[] = {Attribute::ReturnsTwice, Attribute::NoCfCheck,
                                            Attribute::StrictFP, Attribute::NoBuiltin};
const char *const kAbiFunctionStrings[] = {"no_caller_saved_registers",
                                           "no_callee_saved_registers", "thunk"};

AttributeSet keepParameter(LLVMContext &context, AttributeSet from) {
  if (!from.hasAttributes())
    return from;
  AttrBuilder kept(context);
  for (Attribute::AttrKind kind : kAbiParameter)
    if (from.hasAttribute(kind))
      kept.addAttribute(from.getAttribute(kind));
  return AttributeSet::get(context, kept);
}

} // namespace

AttributeList keepAbi(LLVMContext &context, AttributeList from, unsigned parameters) {
  AttrBuilder function(context);
  for (Attribute::AttrKind kind : kAbiFunction)
    if (from.hasFnAttr(kind))
      function.addAttribute(kind);
  for (const char *name : kAbiFunctionStrings)
    if (from.hasFnAttr(name))
      function.addAttribute(from.getFnAttr(name));
  SmallVector<AttributeSet, 8> each;
  for (unsigned i = 0; i < parameters; ++i)
    each.push_back(keepParameter(context, from.getParamAttrs(i)));
  return AttributeList::get(context, AttributeSet::get(context, function),
                            keepParameter(context, from.getRetAttrs()), each);
}
