# ociproxy: needs GNU make.  "make help" lists the targets; ./configure writes config.mk.

define help_text
  make [all]          build ociproxy
  make deps           install the Debian packages that the other goals need (DEPSFLAGS=--dry-run)
  make run            run it in the foreground (RUNFLAGS="-c FILE")
  make demo           pull an image twice through it and show what happened (DEMOFLAGS=...)
  make check          lint and every test suite
  make lint           warnings as errors, module table, limits, shellcheck
  make check-unit check-integration check-clients
                      one suite (TESTS="WORD..." runs the tests whose names hold a word)
  make check-asan     unit and integration tests under ASan and UBSan, in build-asan
  make check-tsan     the same under TSan, in build-tsan
  make fuzz           fuzz with Clang, in build-fuzz: each target for FUZZ_SECONDS=60
                      (FUZZ_TARGETS="NAME..." chooses); fuzz-coverage: what the corpora reach
  make fuzz-merge     minimise the corpora, with what make fuzz has found
  make torture        10^6 mutated requests and 10^5 mutated responses in the ASan build, and
                      torture-commits: a kill and power cuts at every system call of a commit
  make bench          measure against nginx, varnish and docker-registry (BENCHFLAGS=--help)
  make install        below DESTDIR; uninstall takes back all but ociproxy.conf
  make dist           source archive of HEAD; distcheck builds, tests and installs from it
  make clean          remove what was built; distclean also what configure wrote

  V=1 shows the commands.  "make deps run" and "make deps check" work in a fresh clone.
endef

SHELL = /bin/sh
.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL = all

# The build directory may hold only a link to this file.
srcdir := $(patsubst %/,%,$(dir $(realpath $(lastword $(MAKEFILE_LIST)))))
abs_srcdir := $(srcdir)
ifeq ($(srcdir),$(realpath $(CURDIR)))
srcdir := .
endif

ifneq ($(wildcard config.mk),)
include config.mk
endif

goals := $(or $(MAKECMDGOALS),all)
test_goals := $(filter check check-% lint demo bench distcheck torture fuzz%,$(goals))
bench_goals := $(filter bench,$(goals))
fuzz_goals := $(filter fuzz%,$(goals))
# These work in a tree that was never configured, and leave it so.
plain_goals := deps help dist distcheck clean distclean

configure_again = $(srcdir)/configure $(CONFIGURE_ARGS)

# What is missing comes first, then the goals in a make of their own: packages,
# then config.mk.  A config.mk without CppUnit is renewed for the tests.
ifneq ($(filter deps,$(goals)),)
  stage := deps
else ifneq ($(filter-out $(plain_goals),$(goals)),)
  ifeq ($(wildcard config.mk),)
    stage := configure
  else ifneq ($(and $(filter no,$(HAVE_CPPUNIT)),$(test_goals),$(if $(CONFIGURED),,yes)),)
    stage := configure
  endif
endif

VERSION := $(shell sed -n 's/^\#define OCIPROXY_VERSION "\(.*\)"/\1/p' \
    $(srcdir)/include/ociproxy/version.h 2>/dev/null)
archive := ociproxy-$(VERSION)

ifeq ($(V),1)
quiet = @:
Q :=
else
quiet = @echo "  $(1)	$(2)"
Q := @
endif

ifdef stage
# -----------------------------------------------------------------------------
later := $(filter-out deps,$(goals))

.PHONY: deps configure-now later $(goals)
ifneq ($(later),)
$(later): later
	@:
endif

# "make -n" comes here without a config.mk and must not come again.
later: $(if $(filter deps,$(stage)),deps,configure-now)
	+@if [ -n "$(filter deps,$(stage))" ] || [ -f config.mk ]; then \
	    $(MAKE) --no-print-directory $(if $(filter configure,$(stage)),CONFIGURED=1) $(later); fi

configure-now:
	$(configure_again)

deps:
	@$(srcdir)/contrib/install-deps.sh $(DEPSFLAGS) build $(if $(test_goals),test) \
	    $(if $(bench_goals),bench) $(if $(fuzz_goals),fuzz)

else
# -----------------------------------------------------------------------------

.PHONY: all run demo bench check check-unit check-integration check-clients \
    check-asan check-tsan asan-done tsan-done lint lint-stamps \
    fuzz fuzz-merge fuzz-coverage fuzz-programs torture \
    install uninstall dist distcheck clean distclean help FORCE

all: ociproxy samples

help:
	$(info $(help_text))
	@:

# A newer configure answers anew.  Not for the goals that need no answer, nor for
# "make -n", which would run it: GNU make remakes what it includes even then.
ifneq ($(filter-out $(plain_goals),$(goals)),)
ifeq ($(findstring n,$(firstword -$(MAKEFLAGS))),)
ifneq ($(wildcard config.mk),)
config.mk: $(srcdir)/configure
	$(configure_again)
	@touch $@
endif
endif
endif

# ----- compiling

WARNINGS = -Wall -Wextra -Wconversion -Wshadow -Wnon-virtual-dtor
INCLUDES = -I$(srcdir)/include -I$(srcdir)/src -Igenerated
test_includes = -I$(srcdir)/tests

# The user's flags are the last and overrule ours.
compile = $(CXX) -std=c++17 $(INCLUDES) $(CPPFLAGS_AUTO) $(CPPFLAGS) \
    $(CXXFLAGS_AUTO) $(WARNINGS) $(CXXFLAGS)
link = $(CXX) -std=c++17 $(CXXFLAGS_AUTO) $(CXXFLAGS) $(LDFLAGS_AUTO) $(LDFLAGS)
paths = -DOCIPROXY_SYSCONFDIR='"$(sysconfdir)"' -DOCIPROXY_LOCALSTATEDIR='"$(localstatedir)"' \
    -DOCIPROXY_RUNSTATEDIR='"$(runstatedir)"' -DOCIPROXY_SBINDIR='"$(sbindir)"'

# sources DIR/PATTERN...: names below srcdir, without it
sources = $(patsubst $(srcdir)/%,%,$(wildcard $(addprefix $(srcdir)/,$(1))))
objects = $(patsubst %.cc,obj/%.o,$(1))

lib_src := $(call sources,src/*/*.cc)
main_src := $(call sources,src/main.cc)
support_src := $(call sources,tests/support/*.cc)
unit_src := $(call sources,tests/unit/*_test.cc)
integration_src := $(call sources,tests/integration/*.cc)
fuzz_src := $(call sources,tests/fuzz/fuzz_*.cc)
replay_src := $(fuzz_src) tests/fuzz/targets.cc tests/fuzz/replay_test.cc
test_src := $(call sources,tests/*/*.cc)

all_obj := $(call objects,$(lib_src) $(main_src) $(test_src))
lint_stamps := $(patsubst %.cc,obj/lint/%.ok,$(lib_src) $(main_src) \
    $(if $(filter no,$(HAVE_CPPUNIT)),,$(test_src)))
dirs := $(patsubst %/,%,$(sort obj/ $(dir $(all_obj) $(lint_stamps))))

$(dirs):
	@mkdir -p $@

$(call objects,$(test_src)): private extra = $(test_includes)
obj/src/base/paths.o: private extra = $(paths)
obj/src/base/paths.o: obj/paths

$(all_obj): obj/%.o: $(srcdir)/%.cc obj/flags | $(dirs)
	$(call quiet,CXX,$*.cc)
	$(Q)$(compile) $(extra) -MMD -MP -c -o $@ $<

# What is built depends on the commands that build it: these stamps change only when the
# command does, or, for linking, when a source has come or gone.
obj/flags: export NOW = $(compile) $(test_includes)
obj/linkflags: export NOW = $(link) $(LIBS_AUTO) $(LIBS) $(all_obj)
obj/paths: export NOW = $(paths)
obj/flags obj/linkflags obj/paths: FORCE | obj
	@printf '%s\n' "$$NOW" | cmp -s - $@ || printf '%s\n' "$$NOW" >$@

-include $(wildcard $(all_obj:.o=.d) $(lint_stamps:.ok=.d))

# ----- linking

libociproxy.a: $(call objects,$(lib_src)) obj/linkflags
	$(call quiet,AR,$@)
	$(Q)rm -f $@
	$(Q)$(AR) rcs $@ $(filter %.o,$^)

ociproxy: $(call objects,$(main_src)) libociproxy.a obj/linkflags
	$(call quiet,LINK,$@)
	$(Q)$(link) -o $@ $(filter %.o,$^) libociproxy.a $(LIBS_AUTO) $(LIBS)

unit_tests: $(call objects,$(support_src) tests/unit/main.cc $(unit_src) $(replay_src))
integration_tests: $(call objects,$(support_src) $(integration_src))
fuzz_replay: $(call objects,tests/support/runner.cc tests/fuzz/replay_main.cc $(replay_src))
unit_tests integration_tests fuzz_replay: libociproxy.a obj/linkflags
	$(call quiet,LINK,$@)
	$(Q)$(link) -o $@ $(filter %.o,$^) libociproxy.a -lcppunit $(LIBS_AUTO) $(LIBS)

# ----- running

run: ociproxy
	@./ociproxy $(RUNFLAGS)

demo: ociproxy
	@OCIPROXY_BIN='$(CURDIR)/ociproxy' $(srcdir)/contrib/demo.sh $(DEMOFLAGS)

ifneq ($(wildcard $(srcdir)/tests/bench/run.sh),)
bench: ociproxy
	@OCIPROXY_BIN='$(CURDIR)/ociproxy' $(srcdir)/tests/bench/run.sh $(BENCHFLAGS)
else
bench:
	@echo 'bench: there is no tests/bench/run.sh in this tree' >&2; exit 1
endif

# ----- tests

# One suite at a time, whatever -j says: they measure time and share two cores.
suite = $(srcdir)/tests/support/suite.sh
run_suite = OCIPROXY_BIN='$(CURDIR)/ociproxy' OCIPROXY_SRCDIR='$(abs_srcdir)' $(test_env) \
    flock -o test.lock $(suite) run
check_suites = unit integration clients

# The run-time libraries of GCC 12 fail where addresses are spread over more
# than 28 bits, hence setarch, where it is allowed.
suppressions = $(addprefix :suppressions=,$(wildcard $(abs_srcdir)/tests/$(1).supp))
ifneq ($(filter-out none,$(SANITIZER)),)
fixed_addresses := $(shell setarch -R true 2>/dev/null && echo setarch -R)
test_env_asan = \
    ASAN_OPTIONS=halt_on_error=1:detect_leaks=1:detect_stack_use_after_return=1 \
    LSAN_OPTIONS=print_suppressions=0$(call suppressions,lsan) \
    UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
test_env_tsan = \
    TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1$(call suppressions,tsan)
test_env = OCIPROXY_TEST_TIMEOUT="$${OCIPROXY_TEST_TIMEOUT:-600}" $(test_env_$(SANITIZER)) \
    $(fixed_addresses)
endif

ifeq ($(HAVE_CPPUNIT),no)
check-unit check-integration: check-%:
	@echo '$*: CppUnit is missing: apt-get install libcppunit-dev, or make deps check' >&2
	@exit 1
else
ifneq ($(unit_src),)
check-unit: unit_tests
	@$(run_suite) unit ./unit_tests $(TESTS)
else
check-unit:
	@$(suite) none unit
endif

ifneq ($(integration_src),)
check-integration: integration_tests ociproxy
	@$(run_suite) integration ./integration_tests $(TESTS)
else
check-integration:
	@$(suite) none integration
endif
endif

ifneq ($(wildcard $(srcdir)/tests/clients/[0-9]*.sh),)
check-clients: ociproxy
	@$(run_suite) clients $(srcdir)/tests/clients/run.sh $(TESTS)
else
check-clients:
	@$(suite) none clients
endif

check:
	@rm -f test-results
	+@for goal in lint $(addprefix check-,$(check_suites)); do \
	    $(MAKE) --no-print-directory $$goal || :; done
	@$(suite) sum check test-results lint $(check_suites)

# One configuration after the other, and the second also if the first one fails.
ifneq ($(and $(filter check-asan,$(goals)),$(filter check-tsan,$(goals))),)
tsan-done: | asan-done
endif

check-asan check-tsan: check-%: %-done
	@$(suite) sum $* build-$*/test-results unit integration

asan-done tsan-done: %-done: build-%/config.mk
	@rm -f build-$*/test-results
	+@[ ! -f $< ] || for goal in check-unit check-integration; do \
	    $(MAKE) --no-print-directory -C build-$* $$goal || :; done

# The choice of sanitizer is not inherited from this build.
build-fuzz/config.mk build-coverage/config.mk: private compiler = 'CXX=$(FUZZ_CXX)'
$(addsuffix /config.mk,build-asan build-tsan build-fuzz build-coverage): build-%/config.mk: \
    config.mk $(srcdir)/configure
	@mkdir -p $(@D)
	cd $(@D) && $(abs_srcdir)/configure $(filter-out '--enable-asan%' '--enable-tsan%' \
	    '--enable-fuzz%' '--enable-coverage%',$(CONFIGURE_ARGS)) --enable-$* $(compiler)
	@touch $@

# ----- fuzzing

FUZZ_CXX = clang++
FUZZ_SECONDS = 60
FUZZ_TARGETS = $(patsubst tests/fuzz/fuzz_%.cc,%,$(fuzz_src))
fuzz_programs := $(patsubst tests/fuzz/%.cc,%,$(fuzz_src))
fuzz_build = $(MAKE) --no-print-directory -C build-$(1) $(2)

ifneq ($(filter fuzz coverage,$(SANITIZER)),)
# The warnings are chosen for GCC.
WARNINGS =
endif

ifeq ($(SANITIZER),fuzz)
fuzz-programs: $(addprefix fuzz_,$(FUZZ_TARGETS))
$(fuzz_programs): %: obj/tests/fuzz/%.o obj/tests/fuzz/engine.o obj/tests/fuzz/targets.o \
    libociproxy.a obj/linkflags
	$(call quiet,LINK,$@)
	$(Q)$(link) -fsanitize=fuzzer -o $@ $(filter %.o,$^) libociproxy.a $(LIBS_AUTO) $(LIBS)
endif

fuzz fuzz-merge: build-fuzz/config.mk
	+@$(call fuzz_build,fuzz,fuzz-programs FUZZ_TARGETS='$(FUZZ_TARGETS)')
	@FUZZ_SECONDS='$(FUZZ_SECONDS)' $(srcdir)/tests/fuzz/run.sh $@ build-fuzz $(FUZZ_TARGETS)

fuzz-coverage: build-coverage/config.mk
	+@$(call fuzz_build,coverage,fuzz_replay)
	@$(srcdir)/tests/fuzz/coverage.sh build-coverage

# Every point of a commit, by the program without sanitizers: that is what commits.
.PHONY: torture-commits
torture: torture-commits
torture-commits: ociproxy
	+@OCIPROXY_TORTURE_COMMITS=1 OCIPROXY_TEST_TIMEOUT=0 \
	    $(MAKE) --no-print-directory check-clients TESTS='crash-points power-cuts'

TORTURE_REQUESTS = 1000000
TORTURE_RESPONSES = 100000

# OCIPROXY_TEST_TIMEOUT=0: it takes as long as it takes.
torture: build-asan/config.mk
	+@OCIPROXY_TORTURE_REQUESTS='$(TORTURE_REQUESTS)' OCIPROXY_TEST_TIMEOUT=0 \
	    OCIPROXY_TORTURE_RESPONSES='$(TORTURE_RESPONSES)' \
	    $(MAKE) --no-print-directory -C build-asan check-integration \
	    TESTS='TortureTest BrokenUpstreamTest'

# ----- lint

LINT_CXX = $(compile) -Werror -fsyntax-only

$(patsubst %.cc,obj/lint/%.ok,$(test_src)): private extra = $(test_includes)
$(lint_stamps): obj/lint/%.ok: $(srcdir)/%.cc obj/flags | $(dirs)
	$(call quiet,LINT,$*.cc)
	$(Q)rm -f $@
	$(Q)$(LINT_CXX) $(extra) -MMD -MP -MF $(@:.ok=.d) -MT $@ $<
	@touch $@

lint-stamps: $(lint_stamps)

# A file that does not compile leaves no stamp; lint/compile.sh names it.
lint:
	+@$(MAKE) --no-print-directory -k lint-stamps || :
	@uncompiled=$$(for stamp in $(lint_stamps); do [ -f $$stamp ] || echo "$$stamp"; done) \
	    $(run_suite) lint $(srcdir)/tests/support/run-scripts.sh lint $(srcdir)/tests/lint/*.sh

# ----- samples and manuals: @TOKENS@ are replaced by the configured directories

templates := $(call sources,etc/*.in man/*.in)
sample_files := $(patsubst %.in,generated/%,$(templates))
man_pages := $(filter generated/man/%,$(sample_files))

samples: $(sample_files)
.PHONY: samples

$(sample_files): generated/%: $(srcdir)/%.in obj/paths $(srcdir)/include/ociproxy/version.h
	$(call quiet,GEN,$@)
	@mkdir -p $(@D)
	$(Q)sed -e 's|@SYSCONFDIR@|$(sysconfdir)|g' -e 's|@LOCALSTATEDIR@|$(localstatedir)|g' \
	    -e 's|@RUNSTATEDIR@|$(runstatedir)|g' -e 's|@SBINDIR@|$(sbindir)|g' \
	    -e 's|@VERSION@|$(VERSION)|g' $< >$@

# ----- installing

INSTALL ?= install
INSTALL_PROGRAM ?= $(INSTALL) -m 755
INSTALL_DATA ?= $(INSTALL) -m 644

install: all
	$(INSTALL) -d $(DESTDIR)$(sbindir) $(DESTDIR)$(sysconfdir) $(DESTDIR)$(docdir)
	$(INSTALL_PROGRAM) ociproxy $(DESTDIR)$(sbindir)/ociproxy
ifneq ($(filter generated/etc/ociproxy.conf,$(sample_files)),)
	$(INSTALL_DATA) generated/etc/ociproxy.conf $(DESTDIR)$(docdir)/ociproxy.conf.example
	test -e $(DESTDIR)$(sysconfdir)/ociproxy.conf || \
	    $(INSTALL_DATA) generated/etc/ociproxy.conf $(DESTDIR)$(sysconfdir)/ociproxy.conf
endif
ifneq ($(wildcard $(srcdir)/README.md),)
	$(INSTALL_DATA) $(srcdir)/README.md $(DESTDIR)$(docdir)/README.md
endif
	@set -e; for page in $(man_pages); do dir=$(DESTDIR)$(mandir)/man$${page##*.}; \
	    echo "$(INSTALL_DATA) $$page $$dir"; \
	    $(INSTALL) -d "$$dir"; $(INSTALL_DATA) "$$page" "$$dir"; done

# The configuration belongs to the administrator.
uninstall:
	rm -f $(DESTDIR)$(sbindir)/ociproxy
	rm -f $(DESTDIR)$(docdir)/ociproxy.conf.example $(DESTDIR)$(docdir)/README.md
	@for page in $(man_pages); do rm -f "$(DESTDIR)$(mandir)/man$${page##*.}/$${page##*/}"; done
	-test ! -d $(DESTDIR)$(docdir) || rmdir $(DESTDIR)$(docdir)

# ----- distributing

dist:
	git -C $(srcdir) archive --format=tar --prefix=$(archive)/ HEAD >$(archive).tar
	gzip -9nf $(archive).tar

# From the archive alone, with a source tree that cannot be written.
distcheck: dist
	@if [ -d distcheck ]; then chmod -R u+w distcheck; rm -rf distcheck; fi
	mkdir -p distcheck/build distcheck/stage
	gzip -dc $(archive).tar.gz | (cd distcheck && tar xf -)
	chmod -R a-w distcheck/$(archive)
	cd distcheck/build && ../$(archive)/configure --prefix=/usr
	+$(MAKE) -C distcheck/build all check
	+$(MAKE) -C distcheck/build install DESTDIR='$(CURDIR)/distcheck/stage'
	+$(MAKE) -C distcheck/build uninstall DESTDIR='$(CURDIR)/distcheck/stage'
	@left=$$(cd distcheck/stage && find . ! -type d ! -path ./etc/ociproxy.conf); \
	    if [ -n "$$left" ]; then echo "distcheck: left behind: $$left" >&2; exit 1; fi
	chmod -R u+w distcheck
	rm -rf distcheck
	@echo '$(archive).tar.gz is ready'

clean:
	if [ -d distcheck ]; then chmod -R u+w distcheck; fi
	rm -rf obj generated build-asan build-tsan build-fuzz build-coverage distcheck
	rm -f ociproxy libociproxy.a unit_tests integration_tests test-results test.lock
	rm -f fuzz_replay $(fuzz_programs)
	rm -f ociproxy-*.tar ociproxy-*.tar.gz bench.json bench.svg

distclean: clean
	rm -f config.mk config.mk.new config.log
	if [ -L Makefile ]; then rm -f Makefile; fi
endif
