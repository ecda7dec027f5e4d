# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The hosted library and its tests.  The kernel builds the same list of files
# through backends/kvm.
#
#	make			library, static and shared, and the tool
#	make vpmu-check		the tool alone: is the PMU of this machine right?
#	make tests		every CMocka program, build/tests/AREA/NAME.t
#	make list-tests		their names
#	make check		all tests: ./check
#	make coverage		branch coverage of the core by its tests
#	make fuzz		fuzz for FUZZ_SECONDS per target
#	make soak		the differential test, seed after seed, until stopped
#	make golden		write the traces of tests/model/golden anew
#	make abi		record the shared library's interface anew (abigail-tools)
#	make site		the guides and the API, as HTML in build/doc (doxygen, graphviz)
#	make install		library, headers, pkg-config file, tool (DESTDIR, PREFIX)
#	make clean

VERSION := 0.1.0
SONAME := libmpmu.so.0

PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
BINDIR ?= $(PREFIX)/bin
BUILD ?= build

CFLAGS ?= -O2 -g
WARNINGS := -Wall -Wextra -Werror -Wswitch-enum -Wdeclaration-after-statement -Wshadow \
	-Wstrict-prototypes -Wmissing-prototypes
ALL_CFLAGS = -std=gnu11 $(WARNINGS) -Iinclude -Ibackends/stub -fPIC -MMD -MP $(CFLAGS)

include libmpmu/sources.mk

# Tests run on a core of their own, with every access checked.
SANITIZE ?= -fsanitize=address,undefined -fno-sanitize-recover=all

CORE := $(MPMU_SOURCES:%.c=$(BUILD)/libmpmu/%.o)
CHECKED := $(MPMU_SOURCES:%.c=$(BUILD)/tests/libmpmu/%.o) \
	$(patsubst backends/%.c,$(BUILD)/tests/%.o,$(wildcard backends/stub/*.c))
TESTS := $(patsubst %.c,$(BUILD)/%.t,$(wildcard tests/unit/*.c tests/model/*.c)) \
	$(BUILD)/tests/conformance/stub.t
HEADERS := $(wildcard include/mpmu/*.h include/mpmu/*.def)
LIBRARIES := $(BUILD)/libmpmu.a $(BUILD)/$(SONAME)
TOOL := $(BUILD)/vpmu-check

all: $(LIBRARIES) $(TOOL)

vpmu-check: $(TOOL)

tests: $(TESTS)

list-tests:
	@printf '%s\n' $(TESTS)

check:
	./check

coverage:
	tests/coverage/run

FUZZ_SECONDS ?= 600
fuzz:
	tests/fuzz/run --keep $(FUZZ_SECONDS)

# Each seed runs SOAK_OPS operations; no round of one is a round of another.
SOAK_OPS ?= 4000000
soak: $(BUILD)/tests/model/differential.t
	seed=$${MPMU_SEED:-$$(date +%s)}; \
	while MPMU_SEED=$$seed MPMU_OPS=$(SOAK_OPS) $<; do seed=$$((seed + $(SOAK_OPS))); done

golden: $(BUILD)/tests/model/golden.t
	MPMU_GOLDEN=write $<

# What is exported, and its types; tests/static/abi.t compares.
abi: $(BUILD)/$(SONAME)
	abidw --no-comp-dir-path --no-corpus-path --no-show-locs --out-file libmpmu/libmpmu.abi $<

site:
	@mkdir -p build
	doxygen docs/Doxyfile

clean:
	rm -rf $(BUILD)/libmpmu* $(BUILD)/backends $(BUILD)/tests $(BUILD)/tools $(TOOL)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -c $< -o $@

# Broken promises of a caller stop a test.
$(BUILD)/tests/%: ALL_CFLAGS += -DMPMU_DEBUG

$(BUILD)/tests/libmpmu/%.o: libmpmu/%.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(SANITIZE) -c $< -o $@

$(BUILD)/tests/stub/%.o: backends/stub/%.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(SANITIZE) -c $< -o $@

$(BUILD)/tests/%.o: tests/%.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(SANITIZE) -c $< -o $@

$(BUILD)/libmpmu.a: $(CORE)
$(BUILD)/tests/libmpmu-checked.a: $(CHECKED)
$(BUILD)/%.a:
	rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/$(SONAME): $(CORE) libmpmu/libmpmu.map
	$(CC) -shared -Wl,-soname,$(SONAME) -Wl,-z,defs -Wl,--version-script=libmpmu/libmpmu.map \
		$(CFLAGS) $(LDFLAGS) $(CORE) -o $@

$(BUILD)/tests/%.t: $(BUILD)/tests/%.o $(BUILD)/tests/libmpmu-checked.a
	$(CC) $(CFLAGS) $(SANITIZE) $(LDFLAGS) $(filter %.o,$^) $(filter %.a,$^) -lcmocka -o $@

$(BUILD)/tests/conformance/stub.t: $(addprefix $(BUILD)/tests/conformance/,conformance.o subject.o)

# It runs wherever it is copied to: a guest, say.
$(TOOL): $(patsubst %.c,$(BUILD)/%.o,$(wildcard tools/vpmu-check/*.c))
	$(CC) -static $(CFLAGS) $(LDFLAGS) $^ -o $@

# The port header stays outside mpmu/, so that -I finds another one first.  The
# pkg-config file is written here, for the folders of this call; with prefix, so
# that a tree may be moved (pkg-config --define-prefix).
INSTALL_LIB = "$(DESTDIR)$(LIBDIR)"
INSTALL_INCLUDE = "$(DESTDIR)$(INCLUDEDIR)"
INSTALL_BIN = "$(DESTDIR)$(BINDIR)"
INSTALL_SHARE = "$(DESTDIR)$(PREFIX)/share/mpmu"
below_prefix = $(patsubst $(PREFIX)/%,$${prefix}/%,$(1))
install: all
	install -d $(INSTALL_LIB)/pkgconfig $(INSTALL_INCLUDE)/mpmu $(INSTALL_BIN) $(INSTALL_SHARE)
	install -m 755 $(TOOL) $(INSTALL_BIN)
	install -m 644 $(HEADERS) $(INSTALL_INCLUDE)/mpmu
	install -m 644 backends/stub/mpmu_port.h $(INSTALL_INCLUDE)
	install -m 644 tests/conformance/conformance.[ch] $(INSTALL_SHARE)
	install -m 644 $(BUILD)/libmpmu.a $(INSTALL_LIB)
	install -m 755 $(BUILD)/$(SONAME) $(INSTALL_LIB)
	ln -sf $(SONAME) $(INSTALL_LIB)/libmpmu.so
	printf '%s\n' 'prefix=$(PREFIX)' 'libdir=$(call below_prefix,$(LIBDIR))' \
		'includedir=$(call below_prefix,$(INCLUDEDIR))' 'conformance=$${prefix}/share/mpmu' '' \
		'Name: mpmu' 'Description: Real performance counters for virtual machines' \
		'Version: $(VERSION)' 'Cflags: -I$${includedir}' 'Libs: -L$${libdir} -lmpmu' \
		>$(INSTALL_LIB)/pkgconfig/mpmu.pc

.PHONY: all tests vpmu-check list-tests check coverage fuzz soak golden abi site clean install
.SECONDARY:

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
