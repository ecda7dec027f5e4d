#include "vpmu.h"
int test_put(void) { return 0; }
