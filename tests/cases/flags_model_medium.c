// Bitcode for the medium code model, with variables that count as large.
// FLAGS: -mcmodel=medium -mlarge-data-threshold=1000
#include "parts/flags_body.h"
