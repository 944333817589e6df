// Checks of undefined behaviour that trap, no builtins, no jump tables, no red zone.
// FLAGS: -fsanitize=undefined -fsanitize-trap=all -fno-builtin -fno-jump-tables -mno-red-zone
// NOT-GCC: options of clang's
#include "parts/flags_body.h"
