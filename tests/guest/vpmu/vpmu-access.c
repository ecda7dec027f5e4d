#include "vpmu.h"
int test_access(void) { return 0; }
