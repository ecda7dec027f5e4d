#include "vpmu.h"
int test_pmi(void) { return 0; }
