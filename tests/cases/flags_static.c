// Bitcode that was not meant to be position-independent, and calls that avoid a PLT.
// FLAGS: -fno-pic -fno-plt
// NATIVE-FLAGS: -no-pie
#include "parts/flags_body.h"
