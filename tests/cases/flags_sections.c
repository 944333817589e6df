// A section for each function and variable, and no unwind tables.
// FLAGS: -ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables -fno-unwind-tables
#include "parts/flags_body.h"
