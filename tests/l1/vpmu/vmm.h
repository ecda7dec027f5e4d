/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A small KVM user: VMs whose guest program is tests/l1/payload.c. */
#ifndef VMM_H
#define VMM_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kvm_pmu.h"
#include "payload.h"

struct vm_config {
	bool no_pmu;		/* KVM_CAP_PMU_CAPABILITY: disabled */
	int nr_cpus;		/* 0 means 1 */
	int version;		/* 0 means as supported; Intel: arch-perfmon */
	int nr_gp;		/* 0 means as supported */
	int nr_fixed;		/* -1 means none, 0 as supported */
	bool no_apic;		/* no in-kernel local APIC: KVM emulates the PMU */
	bool no_full_width;	/* no FW_WRITES, no PERFCTR_CORE */
	/* Of another VM, to go on where that stopped: nothing runs before the caller says so. */
	char *memory;
	uint32_t choose;	/* flags of KVM_CAP_PMU_CAPABILITY; CPUID follows */
	bool follow;		/* CPUID is that of the PMU that the VM got */
};

struct vm;

struct vcpu {
	struct vm *vm;
	int fd;
	int index;
	struct kvm_run *run;
	struct guest_cpu *area;
	uint64_t user_exits;
	void (*on_user_exit)(struct vcpu *vcpu);
};

struct vm {
	int fd;
	char *memory;
	bool shares_memory;
	struct kvm_cpuid2 *cpuid;
	int nr_cpus;
	bool no_apic;
	struct vcpu cpu[GUEST_MAX_CPUS];
};

/* 0 or -errno; on failure nothing is left open. */
int vm_create(struct vm *vm, const struct vm_config *config);
void vm_destroy(struct vm *vm);

/* Give the pages of BODY_TOUCH back, so that each faults again. */
void vm_forget_pages(struct vm *vm);

/*
 * Run until the job in the CPU's area is done.  0, or -1 with a line that says
 * what happened.  vcpu_kick() from a signal handler ends it with -EINTR.
 */
int vcpu_run_job(struct vcpu *vcpu);

/* Run until the next exit to user space, 0, or the end of the job, 1; or as above. */
int vcpu_step(struct vcpu *vcpu);

int vcpu_get_msr(struct vcpu *vcpu, uint32_t msr, uint64_t *value);
int vcpu_set_msr(struct vcpu *vcpu, uint32_t msr, uint64_t value);

/* Entry of the CPUID that the VM has, or NULL. */
const struct kvm_cpuid_entry2 *vm_cpuid(const struct vm *vm, uint32_t leaf);

/*
 * The description of a PMU: of a VM's fd, with attr 0, or of vmm_open()'s, with
 * flags of KVM_CAP_PMU_CAPABILITY.  0 or -errno.
 */
int pmu_info_get(int fd, uint64_t attr, struct kvm_pmu_info *info);
/* Make its CPUID of the supported one. */
void pmu_info_apply(const struct kvm_pmu_info *info, struct kvm_cpuid2 *cpuid);
/* KVM_GET_SUPPORTED_CPUID; to be freed.  NULL on failure. */
struct kvm_cpuid2 *supported_cpuid(void);
/* KVM_CAP_PMU_CAPABILITY of a VM.  0 or -errno. */
int vm_choose_pmu(int fd, uint64_t flags);

int vmm_open(void);
void vmm_pin(int cpu);

#endif
