// Thread-locals for TLS descriptors, and models that only the main program could use.
// FLAGS: -mtls-dialect=gnu2 -ftls-model=local-exec
#include "parts/flags_body.h"
