// Stands in front of libstdc++'s personality and prints what it decides.

#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
#include <exception>
#include <typeinfo>
#include <unwind.h>

// The type that is thrown, and what it derives from. Set before each throw.
const std::type_info *thrown[4];

static unsigned long selector, landing_pad;

template <class F> static F *next(const char *name) {
  return reinterpret_cast<F *>(dlsym(RTLD_NEXT, name));
}

extern "C" void _Unwind_SetGR(_Unwind_Context *context, int number, _Unwind_Word value) {
  if (number == 1)
    selector = value;
  next<void(_Unwind_Context *, int, _Unwind_Word)>("_Unwind_SetGR")(context, number, value);
}

extern "C" void _Unwind_SetIP(_Unwind_Context *context, _Unwind_Ptr value) {
  landing_pad = value;
  next<void(_Unwind_Context *, _Unwind_Ptr)>("_Unwind_SetIP")(context, value);
}

extern "C" _Unwind_Reason_Code __gxx_personality_v0(int version, _Unwind_Action actions,
                                                    _Unwind_Exception_Class kind,
                                                    _Unwind_Exception *exception,
                                                    _Unwind_Context *context) {
  static auto *real = next<decltype(__gxx_personality_v0)>("__gxx_personality_v0");
  int before = 0;
  unsigned long address = _Unwind_GetIPInfo(context, &before) - !before;
  auto table = (unsigned long)_Unwind_GetLanguageSpecificData(context);
  auto function = (unsigned long)_Unwind_GetRegionStart(context);
  selector = landing_pad = 0;
  _Unwind_Reason_Code reason = real(version, actions, kind, exception, context);
  if (table) {
    printf("%d %d %lu %lu %lu %lu %ld", (int)actions, (int)reason, address, table, function,
           landing_pad, (long)(int)selector);
    for (const std::type_info *one : thrown)
      if (one)
        printf(" %lu", (unsigned long)one);
    printf("\n");
  }
  return reason;
}
