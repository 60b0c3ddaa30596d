# A thin front to meson and ninja. Nothing here needs root but bench, faults, powercut and check.
#
#   make                                 build; programs lie in build/bin/
#   make install PREFIX=/usr DESTDIR=/x  install (PREFIX defaults to /usr/local)
#   make test                            unit tests
#   make check | bench | faults | fuzz   the whole test run, benchmarks, fault sweeps, fuzzing
#   make powercut                        200 power cuts
#   make clean                           remove build/
#
# CC and CFLAGS are the compiler's, MESON_OPTIONS of a new build/ meson's; another CC than last time makes build/ anew.

BUILD ?= build
PREFIX ?= /usr/local
ifneq ($(origin CC),default)
export CC
wanted_cc := $(CC)
endif

.PHONY: all install test check bench faults powercut fuzz clean

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD)

$(BUILD)/build.ninja: $(BUILD)/.cc
	meson setup $(if $(wildcard $@),--wipe) $(BUILD) --prefix $(PREFIX) $(MESON_OPTIONS)
	@printf '%s\n' '$(wanted_cc)' >$(BUILD)/.cc && touch $@

# Holds the compiler that was asked for; rewritten, and so newer than build.ninja, only when it changes.
$(BUILD)/.cc: FORCE
	@mkdir -p $(BUILD)
	@printf '%s\n' '$(wanted_cc)' | cmp -s - $@ || { [ -f $@ ] && [ -z '$(wanted_cc)' ]; } || \
		printf '%s\n' '$(wanted_cc)' >$@

.PHONY: FORCE
FORCE:

install: all
	@[ "$$(meson introspect --buildoptions $(BUILD) | python3 -c 'import json,sys; \
		print(next(o["value"] for o in json.load(sys.stdin) if o["name"] == "prefix"))')" \
		= "$(PREFIX)" ] || { meson configure $(BUILD) -Dprefix=$(PREFIX) && ninja -C $(BUILD); }
	meson install -C $(BUILD) --no-rebuild $(if $(DESTDIR),--destdir $(abspath $(DESTDIR)))

test: all
	meson test -C $(BUILD) --no-rebuild --suite unit

check:
	./check

bench: all
	bench/run.sh

faults: all
	tests/faults/sweep.sh --all

powercut: all
	POWERCUT_POINTS=40 bats --tap tests/powercut

fuzz:
	tools/fuzz

clean:
	rm -rf $(BUILD)
