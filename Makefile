# Six verbs. Everything they need is installed into .venv from the lock file; nothing is needed
# beforehand but Python 3.11+ and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: run test test-full lint audit format bench bench-full docs demo lock clean

run: $(STAMP)
	$(BIN)/runyard server

test: $(STAMP) lint
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m "not full"

test-full: $(STAMP) lint
	$(BIN)/python -m pytest -n 2 --dist loadgroup

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/bandit -q -c pyproject.toml -ll -r src

# Known vulnerabilities of what the lock file names; needs PyPI's own service, which mirrors lack.
audit: $(STAMP)
	$(BIN)/pip-audit --disable-pip --no-deps -r requirements.lock

format: $(STAMP)
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

bench: $(STAMP)
	$(BIN)/python -m benchmarks

bench-full: $(STAMP)
	$(BIN)/python -m benchmarks --full

docs: $(STAMP)
	$(BIN)/python docs/generate.py

# Trains on real data against the running server: make run in another terminal first.
demo: $(STAMP)
	$(BIN)/runyard demo $(if $(URL),--url $(URL))

lock: $(VENV)/bin/uv
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --all-extras --group dev \
	  --custom-compile-command "make lock" -o requirements.lock pyproject.toml

$(VENV)/bin/uv:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q uv

$(STAMP): $(VENV)/bin/uv pyproject.toml requirements.lock
	$(BIN)/uv pip install -q -p $(VENV) --no-deps --require-hashes --compile-bytecode -r requirements.lock
	$(BIN)/uv pip install -q -p $(VENV) --no-deps -e .
	$(BIN)/python -m compileall -q src
	@touch $@

clean:
	rm -rf $(VENV) .envs .mypy_cache .ruff_cache .pytest_cache
