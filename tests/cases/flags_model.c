// Bitcode for the large code model: the engine keeps everything within reach anyway.
// FLAGS: -mcmodel=large
#include "parts/flags_body.h"
