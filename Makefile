# make demo | demo-record | test | soak | fuzz | test-cpu-levels | lint | types | bench | bench-quick | reliability |
#      pipelines-bench | capture-bench | instructions | instructions-update | machines | tsan | sanitize | clean | help
#
# Everything is installed into a virtual environment of its own; nothing outside of it changes, but for the programs of a desktop
# that `make test` installs by apt-get where it may (tests/desktop_packages.sh).
#   make test VENV=/elsewhere/venv PYTHON=python3.13 ARGS="-k reader"
#   make demo INPUT=recording

VENV ?= .venv
INPUT ?=
ARGS ?=
# The first interpreter that is new enough.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

# Tests run in as many processes as there are processors; PARALLEL= for one, to debug.
PARALLEL ?= --numprocesses=auto --dist=worksteal

# What an editable install does not follow by itself: the build, and the C and Cython sources.
BUILT_FROM := pyproject.toml setup.py $(shell find ext -type f)
# The hand-written stubs of extension modules, as module names.
STUBS = $(patsubst src/evcodec/%.pyi,evcodec.%,$(wildcard src/evcodec/*.pyi))
PIP = $(VENV)/bin/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.PHONY: help demo demo-record test soak fuzz test-cpu-levels lint types bench bench-quick reliability pipelines-bench capture-bench instructions instructions-update machines tsan sanitize clean

help:
	@sed -n '1,9s/^# *//p' Makefile

demo: $(VENV)/.demo
	$(VENV)/bin/evcodec demo $(if $(INPUT),"$(INPUT)")

# A minute at a virtual desktop, recorded with everything that belongs to it: consent, indicator, password, pause, review.
demo-record: $(VENV)/.record $(VENV)/.desktop
	$(VENV)/bin/python tests/record_demo.py $(ARGS)

test: $(VENV)/.test $(VENV)/.desktop
	$(VENV)/bin/python -m pytest $(PARALLEL) $(ARGS)

# The tests that make tries (kills, cuts, flips, full disks, ...) in their long form; `--seed` in ARGS repeats a run.
soak: $(VENV)/.test $(VENV)/.desktop
	$(VENV)/bin/python -m pytest $(PARALLEL) --soak $(or $(ARGS),$(wildcard tests/test_fault_*.py))

# Fuzzing, each target for FUZZ_SECONDS or for FUZZ_RUNS, or one by TARGET=; those over the kernels need Clang (fuzz/README.md).
TARGET ?=
FUZZ_SECONDS ?= 60
FUZZ_RUNS ?= 0
fuzz: $(VENV)/.fuzz
	$(VENV)/bin/python -m fuzz run $(TARGET) --seconds $(FUZZ_SECONDS) --runs $(FUZZ_RUNS)

# The tests of the codec at each CPU level of this machine but the highest, which `make test` uses.
CODEC_TESTS = tests/test_codec.py tests/test_reference_vectors.py tests/test_roundtrip.py
test-cpu-levels: $(VENV)/.test
	@for level in $$($(VENV)/bin/python -c 'import evcodec; i = evcodec.cpu_info(); \
		print(*(level for level in i.levels if level in i.built and level != i.level))'); do \
		echo "EVCODEC_CPU=$$level"; \
		EVCODEC_CPU=$$level $(VENV)/bin/python -m pytest $(PARALLEL) $(ARGS) $(CODEC_TESTS) || exit 1; \
	done

lint: $(VENV)/.dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

types: $(VENV)/.dev
	$(VENV)/bin/mypy
	$(VENV)/bin/stubtest --allowlist .ci/stubtest-allow.txt $(or $(STUBS),$(error no stubs found))

bench: $(VENV)/.bench
	$(VENV)/bin/python -m benchmarks $(ARGS)

bench-quick: $(VENV)/.bench
	$(VENV)/bin/python -m benchmarks --quick $(ARGS)

# The same damage and kills done to evcodec's files and to those of its peers; ARGS=--quick in a minute.
reliability: $(VENV)/.bench
	$(VENV)/bin/python -m benchmarks.reliability $(ARGS)

# The jobs of training and ETL beside Parquet and OWAMcap; ARGS=--quick in minutes. Torch and Ray are measured where they are installed.
pipelines-bench: $(VENV)/.bench
	$(VENV)/bin/python -m benchmarks.pipelines $(ARGS)

# What recording costs on a virtual desktop, beside pynput and JSON lines; ARGS=--quick in a minute. Needs Xvfb, openbox, xterm, xdotool.
capture-bench: $(VENV)/.built
	$(PIP) install 'evcodec[capture,cli]' pynput
	$(VENV)/bin/python -m benchmarks.capture --naive $(ARGS)

# Instruction counts of the kernels beside the committed figures; `make instructions-update` writes these anew. Needs valgrind.
instructions: | $(VENV)/pyvenv.cfg
	$(VENV)/bin/python -m benchmarks.instructions

instructions-update: | $(VENV)/pyvenv.cfg
	$(VENV)/bin/python -m benchmarks.instructions --update

# The kernels on aarch64 and on big-endian s390x (qemu-user), with musl, and here; what cannot be run is said. `make tsan`: in several
# threads under ThreadSanitizer, and a build with it that is written and read from several threads; the GIL is made of pthread calls that it
# knows, so there is nothing to suppress.
TSAN_ENV = LD_PRELOAD="$$(gcc -print-file-name=libtsan.so)" TSAN_OPTIONS=exitcode=66
TSAN_TESTS = tests/test_threads.py tests/test_recorder.py tests/test_writer_together.py
machines: $(VENV)/.test
	$(VENV)/bin/python tests/machines --only native musl aarch64 s390x $(ARGS)

tsan: $(VENV)/.test
	$(VENV)/bin/python tests/machines --only threads
	$(PYTHON) -m venv $(VENV)-tsan
	EVCODEC_SANITIZE=thread $(VENV)-tsan/bin/python -m pip --disable-pip-version-check --quiet install '.[test]'
	$(TSAN_ENV) setarch -R $(VENV)-tsan/bin/python tests/machines/races.py
	$(TSAN_ENV) setarch -R $(VENV)-tsan/bin/python -m pytest -p no:cacheprovider --capture=sys $(ARGS) $(TSAN_TESTS)

$(VENV)/pyvenv.cfg:
	@test -n "$(PYTHON)" || { echo "evcodec needs Python 3.11 or later: make PYTHON=/path/to/python3" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# Built once; the extras of what is installed are then asked for by name, which builds nothing.
$(VENV)/.built: $(BUILT_FROM) | $(VENV)/pyvenv.cfg
	$(PIP) install --editable .
	@touch $@

# Peers of the demo's table are installed where they have a ready-made wheel; the table says which are missing.
$(VENV)/.demo: $(VENV)/.built
	$(PIP) install 'evcodec[cli,mcap]'
	-$(PIP) install --only-binary :all: pyarrow pcodec
	@touch $@

$(VENV)/.record: $(VENV)/.built
	$(PIP) install 'evcodec[capture,cli]'
	@touch $@

$(VENV)/.dev: $(VENV)/.built
	$(PIP) install 'evcodec[dev]'
	@touch $@

# Everything that evcodec hands events to is large (Ray, Torch, Polars, ...): only the tests need all of it.
$(VENV)/.test: $(VENV)/.built
	$(PIP) install 'evcodec[test-all]'
	@touch $@

# Programs of the system for a virtual desktop; where they cannot be installed, the tests that need them are skipped.
$(VENV)/.desktop: tests/desktop_packages.sh | $(VENV)/pyvenv.cfg
	tests/desktop_packages.sh
	@touch $@

$(VENV)/.fuzz: $(VENV)/.built
	$(PIP) install 'evcodec[fuzz]'
	@touch $@

# The peers of the benchmarks are many and large: only the benchmarks need them.
$(VENV)/.bench: $(VENV)/.built
	$(PIP) install 'evcodec[bench]'
	@touch $@

# The suite on a build with AddressSanitizer and UndefinedBehaviorSanitizer, in an environment of its own (Linux, GCC).
SANITIZE_ENV = LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libubsan.so)" \
	ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 PYTHONMALLOC=malloc
sanitize: | $(VENV)/pyvenv.cfg
	$(PYTHON) -m venv $(VENV)-sanitize
	EVCODEC_SANITIZE=address,undefined $(VENV)-sanitize/bin/python -m pip --disable-pip-version-check --quiet \
		install '.[test]'
	$(SANITIZE_ENV) $(VENV)-sanitize/bin/python -m pytest -p no:cacheprovider --capture=sys $(ARGS)

clean:
	@for venv in $(VENV) $(VENV)-sanitize $(VENV)-tsan; do if test -f $$venv/pyvenv.cfg; then rm -rf $$venv; fi; done
	rm -rf build dist wheelhouse benchmarks/results .benchmarks src/*.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find src -name '*.so' -delete
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
