// Room for patches before and behind each entry, calls of hooks, sizes of stacks, maps of blocks.
// FLAGS: -fpatchable-function-entry=8,4 -fstack-size-section -fbasic-block-address-map -fsplit-machine-functions -pg
// NOT-GCC: options of clang's
#include "parts/flags_body.h"
