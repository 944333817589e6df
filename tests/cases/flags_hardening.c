// Thunks for indirect calls, marks for indirect targets, guarded stacks, cleared registers.
// FLAGS: -mretpoline -fcf-protection=full -fstack-protector-all -fstack-clash-protection -fzero-call-used-regs=used -ftrivial-auto-var-init=pattern
// NOT-GCC: options of clang's
#include "parts/flags_body.h"
