# SPDX-License-Identifier: GPL-3.0-or-later
#
# Built files go to $(BUILD)/, programs to $(BUILD)/bin/NAME, and they run from there. `make help` lists the targets.
# Set on the command line: BUILD, CC, CFLAGS, PREFIX, DESTDIR, TESTS (files to run instead of all), SANDBOX=none
# (where the kernel has no Landlock or seccomp: the tests that look at the sandbox are then left out).

BUILD ?= build
ifeq ($(origin CC),default)
CC = gcc
endif
PREFIX ?= /usr/local
CFLAGS ?= -O2 -g
CORES := $(shell nproc)
JOBS ?= $(shell expr $(CORES) + 1)
# Tests wait more than they compute.
TEST_JOBS ?= $(shell expr 2 '*' $(CORES))
WARNINGS = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wconversion -Wno-sign-conversion -Wformat=2 -Werror
# Programs get what they use of the library and no more: 600 KiB of 2.7 MiB less.
SECTIONS = -ffunction-sections -fdata-sections
# Nothing unwinds the stack at run time: tables for that would be an eighth of what is installed (a debugger has its own, with -g).
SMALL = -fno-asynchronous-unwind-tables -fno-unwind-tables
HARDENING = -fstack-protector-strong -fPIE -D_FORTIFY_SOURCE=2 -fno-strict-aliasing
ALL_CFLAGS = -std=c11 -D_GNU_SOURCE -Ilib $(WARNINGS) $(HARDENING) $(SECTIONS) $(SMALL) $(CFLAGS) $(EXTRA_CFLAGS)
ALL_LDFLAGS = -pie -Wl,-z,relro,-z,now,-z,pack-relative-relocs,--as-needed $(LDFLAGS) $(EXTRA_LDFLAGS)
LIBRARIES = -lgnutls -lgdbm -lseccomp -lunistring -lcrypt -lz -lunbound

LIB_SOURCES := $(wildcard lib/*/*.c)
LIB_OBJECTS := $(LIB_SOURCES:%.c=$(BUILD)/obj/%.o)
PROGRAMS := $(patsubst bin/%/,%,$(sort $(dir $(wildcard bin/*/*.c))))
# Every C file in these folders of tests/ is a program of its own.
SHIM = $(BUILD)/tests/crash/shim.so
POWERCUT_TOOLS = $(BUILD)/tests/powercut/disk $(BUILD)/tests/powercut/wrong.so
TEST_SOURCES := $(filter-out tests/crash/shim.c,$(wildcard tests/unit/*.c tests/helpers/*.c tests/bench/*.c tests/crash/*.c))
UNIT_TESTS := $(patsubst %.c,$(BUILD)/%.t,$(filter tests/unit/%,$(TEST_SOURCES)))
FUZZERS := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/fuzz/*.c))
REPLAYS := $(FUZZERS:$(BUILD)/tests/fuzz/%=$(BUILD)/tests/fuzz/replay/%)
HELPERS := $(patsubst %.c,$(BUILD)/%,$(filter-out tests/unit/%,$(TEST_SOURCES)))
# Those that take longest begin first, so that none of them is left to run alone at the end.
LONG_TESTS = $(patsubst %,tests/%.t,dialogues bench qrun-crash index-crash processes arc-peers deb backup-crash accounts-crash crash newuser \
	dkim-peers standing tls-postfix dkim-sign index-full dkim-keys fail2ban qrun-sts inetd-system qrun-dane lying-smtp acme certificates postern)
TESTS ?= $(LONG_TESTS) $(filter-out $(LONG_TESTS),$(wildcard tests/*.t)) $(UNIT_TESTS)
DEPS = $(BUILD)/deps.stamp
BUILD_DEPS = $(BUILD)/deps-build.stamp
# The recipes that build and then run: a jobserver of ours unless there is one already.
MORE_MAKE = +$(MAKE) --no-print-directory $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(JOBS))

# The commands themselves are shown with V=1.
Q = $(if $(V),,@)

.SECONDARY:
.PHONY: all help tests deps check torture soak interop powercut asan fuzz fuzzers warnings tidy demo bench install uninstall deb clean
all: $(PROGRAMS:%=$(BUILD)/bin/%) ## build every program
tests: all $(UNIT_TESTS) $(HELPERS) $(REPLAYS) $(SHIM) ## build the tests too

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	@echo "  $(CC) $<"
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/libpostern.a: $(LIB_OBJECTS)
	@rm -f $@
	@ar rcs $@ $^

# What a program has first. smtpd: what its many short-lived sessions run, as the kernel maps it for each of them in pieces of
# 64 KiB: these are two of them, and not five. A file too many or too few makes it slower, and nothing else.
FIRST_smtpd := $(wildcard bin/smtpd/session*.c) bin/smtpd/extensions.c $(patsubst %,lib/%.c,net/warm net/warm_next \
	net/warm_guards net/connection_standing net/connection_session net/connection_children net/sandbox net/serve net/conn net/conn_transport net/channel \
	net/command base/log base/files base/bytes base/clock text/address text/address_list text/smtp_path text/smtp_data \
	text/utf8 text/fields text/header store/sasl)

define program
$(BUILD)/bin/$(1): $(patsubst %.c,$(BUILD)/obj/%.o,$(FIRST_$(1)) $(wildcard bin/$(1)/*.c)) $(BUILD)/libpostern.a
	@mkdir -p $$(@D)
	@echo "  link $$@"
	$$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -Wl,--gc-sections -o $$@ $$^ $(LIBRARIES)
endef
$(foreach p,$(PROGRAMS),$(eval $(call program,$(p))))

$(BUILD)/tests/unit/%.t: $(BUILD)/obj/tests/unit/%.o $(BUILD)/libpostern.a
	@mkdir -p $(@D)
	@echo "  link $@"
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $(MORE_OBJECTS) $(filter %.o %.a,$^) $(LIBRARIES)

$(HELPERS): $(BUILD)/%: $(BUILD)/obj/%.o $(BUILD)/libpostern.a
	@mkdir -p $(@D)
	@echo "  link $@"
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $(MORE_OBJECTS) $(filter %.o %.a,$^) $(LIBRARIES)

# Those that take a program's guard along.
WITH_GUARD = $(BUILD)/tests/helpers/lying-smtp $(BUILD)/tests/unit/smtpd_guard.t $(BUILD)/tests/unit/smtpd_guard_sign.t \
	$(BUILD)/tests/unit/smtpd_guard_milter.t $(BUILD)/tests/unit/smtpd_guard_answer.t
$(WITH_GUARD): MORE_OBJECTS = $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard bin/smtpd/guard*.c))
$(WITH_GUARD): $(BUILD)/bin/smtpd
# And its session.
$(BUILD)/tests/unit/smtpd_bdat.t: MORE_OBJECTS = $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard bin/smtpd/session*.c) bin/smtpd/extensions.c)
$(BUILD)/tests/unit/smtpd_bdat.t: $(BUILD)/bin/smtpd

# What a command's arguments are.
$(BUILD)/tests/unit/command_syntax.t: MORE_OBJECTS = $(BUILD)/obj/bin/postern/command.o
$(BUILD)/tests/unit/command_syntax.t: $(BUILD)/bin/postern

# What `postern status` counts, and keeps.
STATUS_TESTS = $(BUILD)/tests/unit/status_count.t $(BUILD)/tests/unit/status_kept.t
$(STATUS_TESTS): MORE_OBJECTS = $(BUILD)/obj/bin/postern/status_count.o $(BUILD)/obj/bin/postern/status_kept.o
$(STATUS_TESTS): $(BUILD)/bin/postern

$(SHIM) $(BUILD)/tests/powercut/wrong.so: $(BUILD)/%.so: %.c # preloaded into programs, so without their sanitizers
	@mkdir -p $(@D)
	@echo "  link $@"
	$(Q)$(CC) -std=c11 -D_GNU_SOURCE $(filter-out -Wmissing-prototypes,$(WARNINGS)) -O2 -g -fPIC -shared -o $@ $< -ldl

deps: $(DEPS) ## install what building and testing need (as root; else prints the command)
$(DEPS): tests/deps
	@tests/deps
	@mkdir -p $(@D) && touch $@

$(BUILD_DEPS): tests/deps
	@tests/deps build
	@mkdir -p $(@D) && touch $@

# What only the tests need is installed while it builds.
check: $(BUILD_DEPS) ## build everything and run every test
	$(MORE_MAKE) $(DEPS) tests
	BUILD=$(BUILD) SANDBOX=$(SANDBOX) tests/run -j$(TEST_JOBS) $(TESTS)

# What `make check` runs in short: mailboxes under attack and under load, at length.
TORTURE_TESTS = $(addprefix tests/,imap-many.t index-crash.t index-lost.t index-full.t maildir-others.t dovecot.t) \
	$(addprefix $(BUILD)/tests/unit/,index_damage.t index_journal.t)
torture: $(DEPS) ## the mailbox's hardest tests, TORTURE times as long (10) as `make check` runs them
	$(MORE_MAKE) tests
	BUILD=$(BUILD) SANDBOX=$(SANDBOX) TORTURE=$(or $(TORTURE),10) prove -e '' $(TORTURE_TESTS)

soak: $(DEPS) ## QRESYNC clients against all that can happen to a mailbox, for SOAK_SECONDS (600)
	$(MORE_MAKE) tests
	BUILD=$(BUILD) SANDBOX=$(SANDBOX) SOAK_SECONDS=$(or $(SOAK_SECONDS),600) prove -v -e '' tests/imap-resync.t

interop: $(DEPS) ## INTEROP_MESSAGES (1000) to and from Postfix, Exim and OpenSMTPD, each killed in between; as root
	$(MORE_MAKE) tests
	BUILD=$(BUILD) SANDBOX=$(SANDBOX) INTEROP_MESSAGES=$(or $(INTEROP_MESSAGES),1000) prove -v -e '' $(wildcard tests/interop-*.t)

$(BUILD)/tests/powercut/disk: $(BUILD)/obj/tests/powercut/disk.o $(BUILD)/obj/tests/powercut/history.o
	@mkdir -p $(@D)
	@echo "  link $@"
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ -lfuse3

powercut: $(DEPS) ## deliveries, COPY and the queue on ext4, XFS and btrfs whose power is cut, at POWERCUT_CUTS moments each (300); as root
	@tests/deps powercut
	$(MORE_MAKE) tests $(POWERCUT_TOOLS)
	BUILD=$(BUILD) SANDBOX=$(SANDBOX) prove -v -e '' tests/powercut/run

# The sandbox is on here too, with the sanitizers' own calls allowed. Where it isn't: looking for leaks at exit (what qrun does) takes
# ptrace, and a process that tries what it may not do would show the sanitizers' rights.
UNBOXED_TESTS = $(wildcard tests/lying-*.t tests/qrun*.t tests/learn.t tests/quota.t tests/smtp-extensions.t tests/pipe.t \
	tests/systemd.t tests/deb.t tests/inetd-system.t)
ASAN = BUILD=build/asan CFLAGS="-O1 -g -U_FORTIFY_SOURCE -fno-omit-frame-pointer -fasynchronous-unwind-tables" \
	EXTRA_CFLAGS="-fsanitize=address,undefined -fno-sanitize-recover=undefined"
asan: ## the tests under the address and undefined-behaviour sanitizers
	$(MORE_MAKE) check $(ASAN) TESTS="$(filter-out $(UNBOXED_TESTS),$(TESTS:$(BUILD)/%=build/asan/%))"
	$(MORE_MAKE) check $(ASAN) TESTS="$(UNBOXED_TESTS)" SANDBOX=none

$(FUZZERS): $(BUILD)/%: $(BUILD)/obj/%.o $(BUILD)/libpostern.a
	@mkdir -p $(@D)
	@echo "  link $@"
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $(filter %.o,$^) $(filter %.a,$^) $(LIBRARIES)

# The same targets without a fuzzer, for `make check`.
$(REPLAYS): $(BUILD)/tests/fuzz/replay/%: $(BUILD)/obj/tests/fuzz/%.o $(BUILD)/obj/tests/fuzz/replay/main.o $(BUILD)/libpostern.a
	@mkdir -p $(@D)
	@echo "  link $@"
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(LIBRARIES)

# Those that take a program along, or half of one.
fuzz_targets = $(foreach t,$(1),$(BUILD)/tests/fuzz/$(t) $(BUILD)/tests/fuzz/replay/$(t))
$(call fuzz_targets,smtpd_session smtpd_milter): $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard bin/smtpd/session*.c) bin/smtpd/extensions.c)
$(call fuzz_targets,manifest): $(BUILD)/obj/bin/postern/manifest.o
$(call fuzz_targets,imapd): $(patsubst %.c,$(BUILD)/obj/%.o,$(filter-out bin/imapd/main.c,$(wildcard bin/imapd/*.c)))

fuzzers: $(FUZZERS)

fuzz: $(DEPS) ## libFuzzer over every parser, FUZZ_SECONDS each (30); FUZZ="mime date" runs some
	$(MORE_MAKE) fuzzers BUILD=build/fuzz CC=clang CFLAGS="-O1 -g -U_FORTIFY_SOURCE -fno-omit-frame-pointer -fasynchronous-unwind-tables" \
		EXTRA_CFLAGS="-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined"
	@BUILD=build/fuzz FUZZ_SECONDS=$(FUZZ_SECONDS) tests/fuzz/run $(FUZZ)

warnings: $(DEPS) ## build everything with gcc and with clang, where any warning is an error
	$(MORE_MAKE) tests BUILD=build/gcc CC=gcc
	$(MORE_MAKE) tests BUILD=build/clang CC=clang

tidy: ## clang-tidy over all sources
	@command -v clang-tidy >/dev/null || { echo "clang-tidy is missing: apt-get install clang-tidy" >&2; exit 1; }
	clang-tidy --quiet $(LIB_SOURCES) $(wildcard bin/*/*.c) -- -std=c11 -D_GNU_SOURCE -Ilib

demo: $(DEPS) ## a server with two mailboxes, used by real clients while you watch (DEMO=once: then end)
	$(MORE_MAKE) -s all
	@BUILD=$(BUILD) tests/demo

bench: $(DEPS) ## what connections, messages and large mailboxes cost here (BENCH="select fetch": some of it)
	$(MORE_MAKE) -s all $(HELPERS)
	@BUILD=$(BUILD) tests/bench/run

install: all ## install under DESTDIR and PREFIX, programs without debugging symbols (STRIP=: with them)
	@PREFIX=$(PREFIX) DESTDIR=$(DESTDIR) BUILD=$(BUILD) systemd/install

uninstall: ## remove what install wrote; settings and mail stay
	@PREFIX=$(PREFIX) DESTDIR=$(DESTDIR) BUILD=$(BUILD) systemd/install --remove

deb: $(BUILD_DEPS) ## a Debian package, in BUILD (DEB_VERSION: instead of the version and the number of commits)
	$(MORE_MAKE) all
	@BUILD=$(BUILD) OUT=$(DEB_OUT) VERSION=$(DEB_VERSION) systemd/debian/build

clean: ## remove what was built
	rm -rf $(BUILD)

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
