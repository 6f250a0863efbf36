# Carousel from a clone: every command sets up what it needs, once, in .venv. `make` lists the commands.

VENV        ?= .venv
PYTHON      ?=
TORCH_INDEX ?=
ARGS        ?=

BIN    := $(VENV)/bin
DONE   := $(VENV)/done
PIP    := $(BIN)/python -m pip --disable-pip-version-check
LOCKED := $(PIP) install --quiet --constraint constraints.txt

PYTHONS   := python3 python3.13 python3.12 python3.11
KERNELS   := CMakeLists.txt $(wildcard csrc/*.*pp csrc/isa/* csrc/kernel/* csrc/embedding/*) \
             $(wildcard src/carousel/*.py src/carousel/equations/*.py src/carousel/emit/*.py)
CPP_TESTS := build/tests

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup train test lint types format test-cpp sanitize test-python bench clean distclean

help:
	@echo 'make train      a language model of the Python standard library, its samples and its report'
	@echo '                ARGS="--level word --minutes 10 PATHS ..." are those of `carousel train`'
	@echo 'make test       all checks: lint, types, C++ tests, Python tests (ARGS go to pytest)'
	@echo 'make lint       ruff; `make format` lets it rewrite'
	@echo 'make types      mypy'
	@echo 'make test-cpp   the compiled core without Python'
	@echo 'make sanitize   the same under address, undefined-behaviour and thread sanitizers'
	@echo 'make test-python  pytest (ARGS=tests/nn, say)'
	@echo 'make bench      kernels beside torch.nn (ARGS name another benchmark)'
	@echo 'make setup      only .venv and the build'
	@echo 'make clean      what was built; `make distclean` takes .venv too; runs/ always stays'
	@echo
	@echo 'PYTHON=python3.12 chooses the interpreter of .venv: 3.11 to 3.13'
	@echo 'TORCH_INDEX=URL   takes torch from another package index, such as one of CPU-only builds'

setup: $(DONE)/build

train: setup
	$(BIN)/carousel train $(ARGS)

test: lint types test-cpp test-python

lint: $(DONE)/checks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(DONE)/checks
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(DONE)/checks $(DONE)/build
	$(BIN)/mypy

test-cpp: $(DONE)/checks
	$(BIN)/cmake -S . -B $(CPP_TESTS) -G Ninja -DCAROUSEL_TESTS=ON -DCMAKE_MAKE_PROGRAM=$(abspath $(BIN))/ninja \
	  -DPython_EXECUTABLE=$(abspath $(BIN))/python -Dnanobind_DIR="$$($(BIN)/python -m nanobind --cmake_dir)"
	$(BIN)/cmake --build $(CPP_TESTS) --target csrc_tests
	$(BIN)/ctest --test-dir $(CPP_TESTS) --output-on-failure

# the C++ tests once more, watched: memory and undefined behaviour, then data races (their team is threads of its own,
# not OpenMP, whose runtime the thread sanitizer does not know). The thread sanitizer needs its addresses free, which a
# kernel that scatters memory widely may have taken: setarch -R, where it may, asks it not to.
sanitize: $(DONE)/checks
	@mkdir -p build; for watch in address,undefined thread; do \
	  build=build/sanitize-$${watch%%,*}; \
	  echo "C++ tests under the sanitizers: $$watch"; \
	  $(BIN)/cmake -S . -B $$build -G Ninja -DCAROUSEL_TESTS=ON -DCAROUSEL_SANITIZE=$$watch \
	    -DCMAKE_MAKE_PROGRAM=$(abspath $(BIN))/ninja -DPython_EXECUTABLE=$(abspath $(BIN))/python \
	    -Dnanobind_DIR="$$($(BIN)/python -m nanobind --cmake_dir)" >$$build.log 2>&1 || { cat $$build.log; exit 1; }; \
	  $(BIN)/cmake --build $$build --target csrc_tests || exit 1; \
	  still=; if setarch -R true 2>/dev/null; then still='setarch -R'; fi; \
	  $$still $(BIN)/ctest --test-dir $$build --output-on-failure || exit 1; \
	done

test-python: $(DONE)/checks $(DONE)/build
	$(BIN)/python -m pytest --durations=10 $(ARGS)

bench: $(DONE)/build
	$(BIN)/python -m bench $(or $(ARGS),kernels)

clean:
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis $(DONE)/build
	find src tests bench -name __pycache__ -prune -exec rm -rf {} +

distclean: clean
	rm -rf $(VENV)

# ---- setup: each step leaves a mark, and is done again when what it read has changed ----

# usable: the interpreter has the right version, venv and headers. It says what is missing, if it is there at all.
define usable
import importlib.util, os, sys, sysconfig
version, name = sys.version_info[:2], f"{sys.executable} is Python {sys.version_info[0]}.{sys.version_info[1]}"
header = os.path.join(sysconfig.get_path("include"), "Python.h")
if not (3, 11) <= version <= (3, 13): sys.exit(f"{name}; Carousel is tested on 3.11 to 3.13")
if not importlib.util.find_spec("ensurepip"): sys.exit(f"{name} without venv: install its venv package")
if not os.path.exists(header): sys.exit(f"{name} without headers ({header}): install its development package")
endef
export usable

$(DONE)/venv:
	@for cxx in "$${CXX:-c++}" g++ clang++; do command -v "$$cxx" >/dev/null && found=1; done; \
	if [ -z "$$found" ]; then \
	  echo 'Carousel compiles its kernels: install a C++20 compiler (GCC 11 or Clang 14, or newer).' >&2; exit 1; fi
	@for python in $(or $(PYTHON),$(PYTHONS)); do \
	  if "$$python" -c "$$usable" 2>/dev/null; then chosen="$$python"; break; fi; done; \
	if [ -z "$$chosen" ]; then \
	  echo 'Carousel needs Python 3.11, 3.12 or 3.13 with venv and headers; PYTHON=... names one. Looked at:' >&2; \
	  for python in $(or $(PYTHON),$(PYTHONS)); do \
	    "$$python" -c "$$usable" >/dev/null 2>&1 || \
	    echo "  $$python: $$("$$python" -c "$$usable" 2>&1 | tail -1)" >&2; done; \
	  exit 1; fi; \
	echo "Making $(VENV) with $$("$$chosen" --version)"; "$$chosen" -m venv $(VENV)
	@mkdir -p $(DONE) && touch $@

# torch first: from another index only torch itself is taken, what it needs is pinned and comes with the rest
$(DONE)/torch: $(DONE)/venv constraints.txt
	@echo 'Installing torch'
	$(LOCKED) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX) --no-deps )"$$(grep '^torch==' constraints.txt)"
	@touch $@

# the lists of pyproject.toml, for pip: build tools, what Carousel runs on with all extras, and what its checks need.
# An extra that is made of others, carousel-rnn[...], is written out: Carousel itself comes from here.
define requirements
import sys, tomllib
content = tomllib.load(open("pyproject.toml", "rb"))
project = content["project"]
def extra(name):
    for each in project["optional-dependencies"][name]:
        own = each.startswith(project["name"] + "[")
        yield from [item for part in each[:-1].partition("[")[2].split(",") for item in extra(part)] if own else [each]
lists = {"run": [*content["build-system"]["requires"], "cmake", "ninja", *project["dependencies"], *extra("all")],
         "checks": extra("test")}
print(*dict.fromkeys(lists[sys.argv[1]]), sep="\n")
endef
export requirements

$(DONE)/run: $(DONE)/torch pyproject.toml
	@echo 'Installing what Carousel is built with and runs on'
	@$(BIN)/python -c "$$requirements" run > $@.txt
	$(LOCKED) --requirement $@.txt
	@touch $@

$(DONE)/checks: $(DONE)/run
	@echo 'Installing what the checks need'
	@$(BIN)/python -c "$$requirements" checks > $@.txt
	$(LOCKED) --requirement $@.txt
	@touch $@

# editable and not isolated: the tools stay where they are, so that only what has changed is compiled again
$(DONE)/build: $(DONE)/run $(KERNELS)
	@echo 'Building the kernels'
	$(PIP) install --quiet --no-build-isolation --no-deps --editable .
	@touch $@
