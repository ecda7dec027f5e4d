/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* /dev/perfrow: what a hypervisor calls in perf, called by a test program. */
#ifndef PERFROW_H
#define PERFROW_H

#include "mpmu_magic.h"

/* Flags of PERFROW_SPIN */
#define PERFROW_DISPLACE	0x01	/* load context, spin, put context */
#define PERFROW_IRQS		0x02	/* open interrupts while displaced */
#define PERFROW_TWICE		0x04	/* load, and put, twice */
#define PERFROW_OPEN		0x20	/* with IRQS: load once more, and put not */
/* Flag of PERFROW_COUNTER */
#define PERFROW_VPMU		0x10	/* as an emulated vPMU's event */

struct perfrow {
	unsigned long long arg;
	unsigned long long flags;
	long long result;
	/* PERFROW_OWN: which of its counters perf left dirty */
	unsigned long long dirty;
	/* PERFROW_SPIN */
	unsigned long long host_active;		/* while spinning */
	unsigned long long ns;			/* displaced */
	unsigned long long callbacks_before;	/* of the probe PMU */
	unsigned long long callbacks_after;
	/* PERFROW_STATE */
	unsigned long long owned;
	unsigned long long reclaims;
	unsigned long long intact;	/* values found at the last reclaim */
	unsigned long long pmis;
	unsigned long long pts, pts_outside_nmi;	/* interrupts of PT */
	/* PERFROW_CAPABILITY */
	unsigned long long mediated, counters, guest_counters;
	unsigned long long widths[2], numbers[2];
	/* The PMU while spinning, or now */
	struct mpmu_regs regs;
};

#define PERFROW_CREATE		_IOWR('m', 1, struct perfrow)
#define PERFROW_RELEASE		_IOWR('m', 2, struct perfrow)
#define PERFROW_SPIN		_IOWR('m', 3, struct perfrow)	/* arg iterations */
#define PERFROW_OWN		_IOWR('m', 4, struct perfrow)	/* counters arg, 0: all */
#define PERFROW_DISOWN		_IOWR('m', 5, struct perfrow)
#define PERFROW_STATE		_IOWR('m', 6, struct perfrow)
#define PERFROW_VECTOR		_IOWR('m', 7, struct perfrow)	/* to this CPU */
#define PERFROW_NMI		_IOWR('m', 8, struct perfrow)	/* to CPU arg */
#define PERFROW_LVTPC		_IOWR('m', 9, struct perfrow)	/* load arg */
#define PERFROW_RAISE_PT	_IOWR('m', 10, struct perfrow)
#define PERFROW_CALLBACKS	_IOWR('m', 11, struct perfrow)	/* arg 1 set, 0 unset */
#define PERFROW_COUNTER		_IOWR('m', 12, struct perfrow)	/* arg 1 create, 0 release */
#define PERFROW_CAPABILITY	_IOWR('m', 13, struct perfrow)
#define PERFROW_STATUS		_IOWR('m', 14, struct perfrow)	/* set bits arg */
#define PERFROW_SPOIL		_IOWR('m', 15, struct perfrow)	/* race, read freed memory */
#define PERFROW_CRASH		_IOWR('m', 16, struct perfrow)	/* of CPU arg, by an interrupt */

/* The type of the PMU that cannot be mediated, from sysfs */
#define PERFROW_PMU		"perfrow"

#endif
