// Checks of undefined behaviour that trap, no builtins, no jump tables, no red zone.
// FLAGS: -fsanitize=undefined -fsanitize-trap=all -fno-builtin -fno-jump-tables -mno-red-zone
#include "parts/flags_body.h"
