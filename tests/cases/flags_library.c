// Bitcode that was meant for a shared library whose names others may take over.
// FLAGS: -fpic -fsemantic-interposition
#include "parts/flags_body.h"
