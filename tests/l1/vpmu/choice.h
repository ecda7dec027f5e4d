/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the tests of a VM's choice share. */
#ifndef CHOICE_H
#define CHOICE_H

#include "vpmu.h"

/* Can this host have VMs with a mediated PMU? */
bool host_can(void);

/* Parameters of the vendor module.  0 or -errno. */
int parameter_write(const char *name, const char *value);
void parameter_read(const char *name, char *value, size_t size);

#endif
