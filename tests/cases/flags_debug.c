// Debug information, pseudo probes, and bitcode embedded in bitcode.
// FLAGS: -g -fembed-bitcode=all -fpseudo-probe-for-profiling
#include "parts/flags_body.h"
