# `make demo` and `make test` are all that a newcomer needs; each creates what it misses.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: check test demo bench fuzz format lock wheel clean

$(STAMP): setup.cfg pyproject.toml requirements.lock
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

check: $(STAMP)  ## format, lint, strict types, import contracts, ratchet
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python .ci/ratchet.py

# The suite starts hundreds of processes; without bytecode each compiles the product anew.
test: export PYTHONDONTWRITEBYTECODE :=
test: $(STAMP)  ## the whole suite; ARGS="-k name" for a part
	$(BIN)/python -m pytest -n 6 --dist worksteal $(ARGS)

demo: $(STAMP)  ## a simulated site with this controller; ARGS="--minutes 3 --report report.json" runs unattended
	$(BIN)/ampyard demo $(ARGS)

bench: $(STAMP)  ## figures into build/; ONLY=allocation, SESSIONS=FILE, THOROUGH=1
	$(BIN)/python -m tests.bench $(if $(ONLY),--only $(ONLY)) $(if $(SESSIONS),--sessions $(SESSIONS)) $(if $(THOROUGH),--thorough)

fuzz: $(STAMP)  ## each decoder under a coverage-guided fuzzer, findings into build/fuzz/; SECONDS=60 each, TARGET=NAME
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "atheris>=3.0,<4"
	$(BIN)/python -m tests.fuzz --seconds $(or $(SECONDS),60) $(if $(TARGET),--target $(TARGET))

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: $(STAMP)  ## every exact version, for all supported Pythons; without the extra pcsc, which is built on the spot
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile setup.cfg --extra dev --extra keyboard --universal --python-version 3.11 --no-emit-index-url --no-header --quiet --output-file requirements.lock

wheel: $(STAMP)  ## into dist/; AMPYARD_COMPILE=1 compiles the allocation, for this machine's kind and Python
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

clean:
	rm -rf $(VENV) build dist demo-site .mypy_cache .ruff_cache .pytest_cache .hypothesis
