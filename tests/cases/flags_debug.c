// Debug information, pseudo probes, and bitcode embedded in bitcode.
// FLAGS: -g -fembed-bitcode=all -fpseudo-probe-for-profiling
// NOT-GCC: options of clang's
#include "parts/flags_body.h"
