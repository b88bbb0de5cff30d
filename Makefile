# The commands; CI calls `check` and `test`. Set-up is done once and again only when a lock changes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input

# The pages are built with the package, and again here when their sources have changed.
.PHONY: run pages test check coverage bench sim soak fuzz lock clean

run: pages
	$(BIN)/puhui serve --demo

pages: $(VENV)/.runtime
	$(BIN)/python -m web.build_pages

# A file of tests stays with one process: its fixtures start servers and databases.
test: $(VENV)/.dev pages
	$(BIN)/pytest --numprocesses logical --maxprocesses 4 --dist loadfile

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m web.build_pages check

# One seed: make sim SEED=7. Else SEEDS of them from FIRST on, the first failure ends it.
FIRST ?= 1
SEEDS ?= 3000
sim: $(VENV)/.dev
	PYTHONPATH=.:tests/support:tests/simulation $(BIN)/python tests/simulation/simulation.py \
	  $(if $(SEED),$(SEED) 1,$(FIRST) $(SEEDS))

# A generated year of trading and of all operations; the books are compared after every day.
year: $(VENV)/.dev
	PUHUI_DAYS=250 $(BIN)/pytest tests/settlement/test_year.py --timeout 7200

soak: $(VENV)/.dev
	PUHUI_KILLS=200 $(BIN)/pytest tests/faults/test_kill_core.py -k random_instants
	PUHUI_KILLS=100 $(BIN)/pytest tests/settlement/test_clearing_processes.py -k random_instants --timeout 3600

# Generated requests to every operation of the OpenAPI, another seed each time.
fuzz: $(VENV)/.dev
	PUHUI_FUZZ_EXAMPLES=$(or $(EXAMPLES),200) $(BIN)/pytest tests/api/test_openapi_conformance.py

# The engine as plain Python: which of its lines no test reaches.
coverage: $(VENV)/.dev
	NUMBA_DISABLE_JIT=1 $(BIN)/pytest tests/engine --cov=engine --cov-report=term-missing:skip-covered \
	  --cov-fail-under=95

bench: $(VENV)/.bench
	mkdir -p .benchmarks
	$(BIN)/pytest benchmarks -o python_files='bench_*.py' --benchmark-enable --benchmark-only -rs \
	  --benchmark-json .benchmarks/latest.json
	$(BIN)/python -m benchmarks.summary .benchmarks/latest.json

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements/runtime.lock pyproject.toml | $(BIN)/python
	$(PIP) install --quiet --require-hashes -r requirements/runtime.lock
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/.dev: requirements/dev.lock $(VENV)/.runtime | $(BIN)/python
	$(PIP) install --quiet --require-hashes -r requirements/dev.lock
	touch $@

$(VENV)/.bench: requirements/bench.lock $(VENV)/.dev
	$(PIP) install --quiet --require-hashes -r requirements/bench.lock
	touch $@

# Needs uv; everything else here needs only git, make, Python and the package indexes.
lock:
	uv pip compile --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --no-emit-index-url --extra build -o requirements/runtime.lock pyproject.toml
	uv pip compile --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --no-emit-index-url --extra build --extra dev -c requirements/runtime.lock \
	  -o requirements/dev.lock pyproject.toml
	uv pip compile --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --no-emit-index-url --extra build --extra dev --extra bench -c requirements/dev.lock \
	  -o requirements/bench.lock pyproject.toml

clean:
	rm -rf $(VENV) .numba_cache .pytest_cache .mypy_cache .ruff_cache web/dist web/node_modules
