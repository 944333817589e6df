#define FILE_IS "file"
#include "ends.h"
