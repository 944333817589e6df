// See abi_attributes.h.

#include "abi_attributes.h"

using namespace llvm;
using namespace rewire;

namespace {

AttributeSet keepParameter(LLVMContext &context, AttributeSet from) {
  if (!from.hasAttributes())
    return from;
  AttrBuilder kept(context);
  for (Attribute::AttrKind kind : kAbiParameter)
    if (from.hasAttribute(kind))
      kept.addAttribute(from.getAttribute(kind));
  // Of what is copied to the stack, it says where there.
  if (from.hasAttribute(Attribute::Alignment))
    kept.addAttribute(from.getAttribute(Attribute::Alignment));
  return AttributeSet::get(context, kept);
}

} // namespace

AttributeList rewire::keepAbi(LLVMContext &context, AttributeList from, unsigned parameters) {
  AttrBuilder function(context);
  for (Attribute::AttrKind kind : kAbiDemands)
    if (from.hasFnAttr(kind))
      function.addAttribute(kind);
  auto keepNamed = [&](const char *name) {
    if (from.hasFnAttr(name))
      function.addAttribute(from.getFnAttr(name));
  };
  for (const char *name : kAbiDemandStrings)
    keepNamed(name);
  for (const char *name : kAbiPromiseStrings)
    keepNamed(name);
  SmallVector<AttributeSet, 8> each;
  for (unsigned i = 0; i < parameters; ++i)
    each.push_back(keepParameter(context, from.getParamAttrs(i)));
  return AttributeList::get(context, AttributeSet::get(context, function),
                            keepParameter(context, from.getRetAttrs()), each);
}
