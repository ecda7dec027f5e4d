# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The files of the core: the one list, read by make, Kbuild and the tests.
MPMU_SOURCES := access.c amd.c caps.c decode.c emulate.c filter.c intel.c policy.c registers.c reprogram.c snapshot.c switch.c vcpu.c
