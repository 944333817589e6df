#define IS_CLOSED
#define FILE_IS "closed"
#include "ends.h"

extern "C" void upper_registers();
extern "C" void closed_registers() { upper_registers(); }
