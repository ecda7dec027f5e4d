#include "vpmu.h"
int test_count(void) { return 0; }
