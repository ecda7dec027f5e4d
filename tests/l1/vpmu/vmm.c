// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm.h"

#define MAX_CPUID	128

#define CR0_PE		0x1
#define CR0_PG		0x80000000
#define CR4_PAE		0x20
#define CR4_OSFXSR	0x200
#define EFER_LMA_LME	0x500

#define PAGE_PRESENT	0x1
#define PAGE_WRITE	0x2
#define PAGE_USER	0x4
#define PAGE_LARGE	0x80

#define APIC_BASE_X2APIC 0xfee00d00
#define MSR_APIC_BASE	0x1b
#define MSR_PERF_CAPABILITIES 0x345
#define PERF_CAP_FW_WRITES 0x2000

extern const char payload_image[], payload_image_end[];

static int kvm_fd = -1;

int vmm_open(void)
{
	if (kvm_fd < 0)
		kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	return kvm_fd;
}

void vmm_pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void map_identity(char *memory)
{
	uint64_t *pml4 = (uint64_t *)(memory + GUEST_TABLES);
	uint64_t *pdpt = pml4 + 512, *pd = pdpt + 512;
	const uint64_t flags = PAGE_PRESENT | PAGE_WRITE | PAGE_USER;
	uint64_t i;

	pml4[0] = (GUEST_TABLES + 0x1000) | flags;
	for (i = 0; i < 4; i++)
		pdpt[i] = (GUEST_TABLES + 0x2000 + 0x1000 * i) | flags;
	for (i = 0; i < 4 * 512; i++)
		pd[i] = i << 21 | flags | PAGE_LARGE;
}

static uint64_t segment_descriptor(uint64_t access, uint64_t flags)
{
	return 0xffffULL | access << 40 | 0xfULL << 48 | flags << 52;
}

/* GDT and TSS of one CPU; the TSS has one stack, for interrupts of CPL 3. */
static void make_tables(char *memory, int cpu)
{
	uint64_t base = GUEST_GDT + 0x1000 * (uint64_t)cpu, tss = base + GUEST_TSS_OFFSET;
	uint64_t *gdt = (uint64_t *)(memory + base);
	uint64_t stack = GUEST_CPU + (uint64_t)cpu * GUEST_CPU_SIZE + GUEST_IRQ_STACK;

	gdt[1] = segment_descriptor(0x9b, 0xa);
	gdt[2] = segment_descriptor(0x93, 0xc);
	gdt[3] = segment_descriptor(0xf3, 0xc);
	gdt[4] = segment_descriptor(0xfb, 0xa);
	gdt[5] = 0x67 | (tss & 0xffffff) << 16 | 0x8bULL << 40;
	memcpy(memory + tss + 4, &stack, sizeof(stack));
	memset(memory + tss + 0x66, 0xff, 2);
}

static struct kvm_segment segment(uint16_t selector, uint8_t type, uint8_t dpl, bool code)
{
	return (struct kvm_segment){
		.limit = 0xffffffff, .selector = selector, .type = type, .present = 1,
		.dpl = dpl, .db = !code, .s = 1, .l = code, .g = 1,
	};
}

/* Long mode from the first instruction. */
static int set_state(struct vcpu *vcpu)
{
	uint64_t gdt = GUEST_GDT + 0x1000 * (uint64_t)vcpu->index;
	uint64_t area = GUEST_CPU + (uint64_t)vcpu->index * GUEST_CPU_SIZE;
	struct kvm_regs regs = {
		.rip = GUEST_IMAGE, .rdi = (uint64_t)vcpu->index, .rsi = !vcpu->vm->no_apic,
		.rsp = area + GUEST_STACK - 16, .rflags = 2,
	};
	struct kvm_sregs sregs;

	if (ioctl(vcpu->fd, KVM_GET_SREGS, &sregs))
		return -errno;
	sregs.cs = segment(GUEST_KERNEL_CS, 0xb, 0, true);
	sregs.ds = sregs.es = sregs.fs = sregs.gs = segment(GUEST_USER_DS, 0x3, 3, false);
	sregs.ss = segment(GUEST_KERNEL_DS, 0x3, 0, false);
	sregs.tr = (struct kvm_segment){
		.base = gdt + GUEST_TSS_OFFSET, .limit = 0x67, .selector = GUEST_TR,
		.type = 0xb, .present = 1,
	};
	sregs.gdt = (struct kvm_dtable){ .base = gdt, .limit = 0x37 };
	sregs.cr0 |= CR0_PE | CR0_PG;
	sregs.cr0 &= ~0x60000000ULL;
	sregs.cr3 = GUEST_TABLES;
	sregs.cr4 = CR4_PAE | CR4_OSFXSR;
	sregs.efer |= EFER_LMA_LME;
	if (!vcpu->vm->no_apic) {
		sregs.apic_base = APIC_BASE_X2APIC;
		/* The second one would wait for the first one's INIT. */
		if (ioctl(vcpu->fd, KVM_SET_MP_STATE, &(struct kvm_mp_state){ KVM_MP_STATE_RUNNABLE }))
			return -errno;
	}
	if (ioctl(vcpu->fd, KVM_SET_SREGS, &sregs) || ioctl(vcpu->fd, KVM_SET_REGS, &regs))
		return -errno;
	return vcpu->vm->no_apic ? 0 : vcpu_set_msr(vcpu, MSR_APIC_BASE, sregs.apic_base);
}

static struct kvm_cpuid_entry2 *find_leaf(struct kvm_cpuid2 *cpuid, uint32_t leaf)
{
	uint32_t i;

	for (i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == leaf && !cpuid->entries[i].index)
			return &cpuid->entries[i];
	return NULL;
}

const struct kvm_cpuid_entry2 *vm_cpuid(const struct vm *vm, uint32_t leaf)
{
	return find_leaf(vm->cpuid, leaf);
}

static void limit_intel(struct kvm_cpuid_entry2 *leaf, const struct vm_config *config)
{
	uint32_t fixed = leaf->edx & 0x1f;

	if (config->version)
		leaf->eax = (leaf->eax & ~0xffU) | (uint32_t)config->version;
	if (config->nr_gp)
		leaf->eax = (leaf->eax & ~0xff00U) | (uint32_t)config->nr_gp << 8;
	if (config->nr_fixed) {
		fixed = config->nr_fixed < 0 ? 0 : (uint32_t)config->nr_fixed;
		leaf->edx = (leaf->edx & ~0x1fU) | fixed;
		leaf->ecx &= (1U << fixed) - 1;
	}
}

/* Less of a PMU than the host could give. */
static void limit_pmu(struct kvm_cpuid2 *cpuid, const struct vm_config *config)
{
	struct kvm_cpuid_entry2 *leaf = find_leaf(cpuid, 0xa);

	if (leaf && (leaf->eax & 0xff))
		limit_intel(leaf, config);
	leaf = find_leaf(cpuid, 0x80000022);
	if (leaf && (config->version == 1 || config->no_full_width))
		leaf->eax = leaf->ebx = 0;
	else if (leaf && config->nr_gp)
		leaf->ebx = (leaf->ebx & ~0xfU) | (uint32_t)config->nr_gp;
	leaf = find_leaf(cpuid, 0x80000001);
	if (leaf && config->no_full_width)
		leaf->ecx &= ~(1U << 23);
}

struct kvm_cpuid2 *supported_cpuid(void)
{
	struct kvm_cpuid2 *cpuid;

	cpuid = calloc(1, sizeof(*cpuid) + MAX_CPUID * sizeof(cpuid->entries[0]));
	if (!cpuid)
		return NULL;
	cpuid->nent = MAX_CPUID;
	if (!ioctl(vmm_open(), KVM_GET_SUPPORTED_CPUID, cpuid))
		return cpuid;
	free(cpuid);
	return NULL;
}

int pmu_info_get(int fd, uint64_t attr, struct kvm_pmu_info *info)
{
	struct kvm_device_attr device = {
		.group = KVM_X86_GRP_PMU, .attr = attr, .addr = (uintptr_t)info,
	};

	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	return ioctl(fd, KVM_GET_DEVICE_ATTR, &device) ? -errno : 0;
}

/* An entry that the list lacks is 0. */
static struct kvm_cpuid_entry2 *make_leaf(struct kvm_cpuid2 *cpuid, uint32_t leaf)
{
	struct kvm_cpuid_entry2 *entry = find_leaf(cpuid, leaf);

	if (entry || cpuid->nent == MAX_CPUID)
		return entry;
	entry = &cpuid->entries[cpuid->nent++];
	memset(entry, 0, sizeof(*entry));
	entry->function = leaf;
	return entry;
}

void pmu_info_apply(const struct kvm_pmu_info *info, struct kvm_cpuid2 *cpuid)
{
	uint32_t i, r;

	for (i = 0; i < info->nr_cpuid; i++) {
		const struct kvm_pmu_cpuid *bits = &info->cpuid[i];
		struct kvm_cpuid_entry2 *entry = make_leaf(cpuid, bits->function);
		uint32_t *const regs[4] = { &entry->eax, &entry->ebx, &entry->ecx, &entry->edx };

		for (r = 0; r < 4; r++)
			*regs[r] = (*regs[r] & ~bits->mask[r]) | bits->value[r];
	}
}

int vm_choose_pmu(int fd, uint64_t flags)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_PMU_CAPABILITY, .args = { flags } };

	return ioctl(fd, KVM_ENABLE_CAP, &cap) ? -errno : 0;
}

/* The first vCPU exists: the kind of the VM's PMU is decided. */
static int get_cpuid(struct vm *vm, const struct vm_config *config)
{
	struct kvm_pmu_info info;
	int status;

	vm->cpuid = supported_cpuid();
	if (!vm->cpuid)
		return -EIO;
	if (config->choose || config->follow) {
		status = pmu_info_get(vm->fd, KVM_X86_PMU_INFO, &info);
		if (status)
			return status;
		pmu_info_apply(&info, vm->cpuid);
	}
	limit_pmu(vm->cpuid, config);
	return 0;
}

static int vcpu_create(struct vm *vm, int index, const struct vm_config *config)
{
	struct vcpu *vcpu = &vm->cpu[index];
	int size = ioctl(kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0), status;

	vcpu->vm = vm;
	vcpu->index = index;
	vcpu->area = (struct guest_cpu *)(vm->memory + GUEST_CPU + index * GUEST_CPU_SIZE);
	vcpu->fd = ioctl(vm->fd, KVM_CREATE_VCPU, index);
	if (vcpu->fd < 0)
		return -errno;
	vm->nr_cpus = index + 1;
	status = vm->cpuid ? 0 : get_cpuid(vm, config);
	if (status)
		return status;
	vcpu->run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED || ioctl(vcpu->fd, KVM_SET_CPUID2, vm->cpuid))
		return -errno;
	if (config->no_full_width)
		vcpu_set_msr(vcpu, MSR_PERF_CAPABILITIES, 0);
	make_tables(vm->memory, index);
	return set_state(vcpu);
}

static int get_memory(struct vm *vm, const struct vm_config *config)
{
	vm->shares_memory = config->memory;
	vm->memory = config->memory;
	if (vm->shares_memory)
		return 0;
	vm->memory = mmap(NULL, GUEST_MEMORY, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (vm->memory == MAP_FAILED)
		return -errno;
	madvise(vm->memory, GUEST_MEMORY, MADV_NOHUGEPAGE);
	return 0;
}

static int vm_fill(struct vm *vm, const struct vm_config *config)
{
	struct kvm_userspace_memory_region slot = { .memory_size = GUEST_MEMORY };
	uint32_t choice = config->no_pmu ? KVM_PMU_CAP_DISABLE : config->choose;
	int status = choice ? vm_choose_pmu(vm->fd, choice) : 0;

	if (status)
		return status;
	if (ioctl(vm->fd, KVM_SET_TSS_ADDR, 0xfffbd000UL))
		return -errno;
	vm->no_apic = config->no_apic;
	if (!config->no_apic && ioctl(vm->fd, KVM_CREATE_IRQCHIP))
		return -errno;
	if (get_memory(vm, config))
		return -errno;
	slot.userspace_addr = (uintptr_t)vm->memory;
	if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &slot))
		return -errno;
	if (!vm->shares_memory) {
		map_identity(vm->memory);
		memcpy(vm->memory + GUEST_IMAGE, payload_image,
		       (size_t)(payload_image_end - payload_image));
	}
	return 0;
}

/* Up to its first ring, after which jobs can be given; not in memory that is in use. */
static int vm_start(struct vm *vm, const struct vm_config *config)
{
	int index, status;

	for (index = 0; index < (config->nr_cpus ? config->nr_cpus : 1); index++) {
		status = vcpu_create(vm, index, config);
		if (!status && !vm->shares_memory)
			status = vcpu_run_job(&vm->cpu[index]);
		if (status)
			return status;
	}
	return 0;
}

int vm_create(struct vm *vm, const struct vm_config *config)
{
	int status;

	memset(vm, 0, sizeof(*vm));
	vm->memory = MAP_FAILED;
	if (vmm_open() < 0)
		return -errno;
	vm->fd = ioctl(kvm_fd, KVM_CREATE_VM, 0);
	if (vm->fd < 0)
		return -errno;
	status = vm_fill(vm, config);
	if (!status)
		status = vm_start(vm, config);
	if (status)
		vm_destroy(vm);
	return status;
}

void vm_destroy(struct vm *vm)
{
	int size = ioctl(kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0), i;

	for (i = 0; i < vm->nr_cpus; i++) {
		if (vm->cpu[i].run && vm->cpu[i].run != MAP_FAILED)
			munmap(vm->cpu[i].run, (size_t)size);
		close(vm->cpu[i].fd);
	}
	close(vm->fd);
	if (vm->memory != MAP_FAILED && !vm->shares_memory)
		munmap(vm->memory, GUEST_MEMORY);
	free(vm->cpuid);
	memset(vm, 0, sizeof(*vm));
}

void vm_forget_pages(struct vm *vm)
{
	madvise(vm->memory + GUEST_TOUCH, GUEST_MEMORY - GUEST_TOUCH, MADV_DONTNEED);
}

/* With what the guest had done by then: it may have crashed at random writes. */
static void explain_crash(const struct vcpu *vcpu)
{
	const struct guest_result *result = &vcpu->area->result;
	size_t i;

	printf("# guest CPU %d: exception %d, rip %#llx, error %#llx, cr2 %#llx\n",
	       vcpu->index, (int)result->crashed - 1,
	       (unsigned long long)result->crash_rip,
	       (unsigned long long)result->crash_error,
	       (unsigned long long)result->crash_address);
	printf("# %llu PMIs, %llu faults; frame:", (unsigned long long)result->pmis,
	       (unsigned long long)result->access_faults);
	for (i = 0; i < sizeof(result->crash_frame) / sizeof(result->crash_frame[0]); i++)
		printf(" %llx", (unsigned long long)result->crash_frame[i]);
	printf("\n");
}

static int explain(const struct vcpu *vcpu)
{
	const struct guest_result *result = &vcpu->area->result;

	if (result->crashed)
		explain_crash(vcpu);
	else
		printf("# guest CPU %d: exit reason %u, detail %#llx\n", vcpu->index,
		       vcpu->run->exit_reason,
		       (unsigned long long)vcpu->run->internal.suberror);
	return -1;
}

int vcpu_step(struct vcpu *vcpu)
{
	if (ioctl(vcpu->fd, KVM_RUN, 0))
		return -errno;
	if (vcpu->run->exit_reason != KVM_EXIT_IO)
		return explain(vcpu);
	if (vcpu->run->io.port == GUEST_PORT_JOB)
		return vcpu->area->result.crashed ? explain(vcpu) : 1;
	vcpu->user_exits++;
	return 0;
}

int vcpu_run_job(struct vcpu *vcpu)
{
	int status;

	while (!(status = vcpu_step(vcpu)))
		if (vcpu->on_user_exit)
			vcpu->on_user_exit(vcpu);
	return status < 0 ? status : 0;
}

int vcpu_get_msr(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msrs = { .head.nmsrs = 1, .entry.index = msr };
	int done = ioctl(vcpu->fd, KVM_GET_MSRS, &msrs);

	*value = msrs.entry.data;
	return done == 1 ? 0 : done < 0 ? -errno : -EINVAL;
}

int vcpu_set_msr(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msrs = { .head.nmsrs = 1, .entry.index = msr, .entry.data = value };
	int done = ioctl(vcpu->fd, KVM_SET_MSRS, &msrs);

	return done == 1 ? 0 : done < 0 ? -errno : -EINVAL;
}
