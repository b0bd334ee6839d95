# Everything a newcomer types. Each target makes its own `.venv` first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Bytecode is kept whatever the surroundings say: every worker of the tests, and every process that they start, reads the same files.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: agent demo test check bench sweep vm-test lint types arch format clean

demo: $(READY)
	@KEEP=$(KEEP) $(BIN)/python -m controller demo $(if $(KEEP),--keep)

test: $(READY)
	$(BIN)/python -m pytest -q -n 4 --durations 15 -m "not sweep and not vm"

# Laws with examples that nobody has seen before.
laws: $(READY)
	$(BIN)/python -m pytest -q -n 2 -m "not sweep" --hypothesis-profile=fresh tests/laws tests/model tests/planning tests/jobs tests/wire

sweep: $(READY)
	$(BIN)/python -m pytest -q -n 3 -m sweep --timeout 1200

# On a virtual server with systemd, whose image is made at first (some minutes) and kept in build/vm.
vm-test: $(READY)
	$(BIN)/python -m pytest -q -m vm --timeout 1200 tests/vm

check: lint types arch

lint: $(READY)
	$(BIN)/ruff check controller tests benchmarks
	$(BIN)/ruff format --check controller tests benchmarks

types: $(READY)
	$(BIN)/mypy

arch: $(READY)
	$(BIN)/lint-imports --no-logo 2>/dev/null || $(BIN)/lint-imports

agent: $(READY)
	@$(BIN)/python -m controller.agent.packing build/ctl-agent.pyz

bench: $(READY)
	$(BIN)/python -m benchmarks

format: $(READY)
	$(BIN)/ruff check --fix-only controller tests benchmarks
	$(BIN)/ruff format controller tests benchmarks

$(READY): pyproject.toml
	@command -v git >/dev/null || { echo "make: git is missing: apt-get install git" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make: $(PYTHON) is older than 3.11: set PYTHON=python3.11 or newer" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "make: python3-venv is missing: apt-get install python3-venv" >&2; exit 1; }
	@echo "preparing $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --upgrade pip
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable . --group dev
	@touch $@

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
