# The one door. Plain and POSIX: needs python3 (3.11+), pip, git and make. Every target sets up what it needs.
.POSIX:
.SUFFIXES:

# Bytecode is kept although the surroundings may forbid it: the tests start hundreds of processes.
PY = PYTHONDONTWRITEBYTECODE= .venv/bin/python
PATHS = src tests tools

# How many test processes: the machine's cores, at least two, at most eight.
JOBS = $$(n=$$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2); [ "$$n" -gt 8 ] && n=8; [ "$$n" -lt 2 ] && n=2; echo "$$n")
PYTEST = pytest -q -n "$(JOBS)" --dist loadscope --no-loadscope-reorder
# Programs that some tests inject faults with, below .tools/; without a network those tests are skipped, and say so.
PROGRAMS = sh tools/debian.sh --soft strace libfaketime fiu-utils fuse3
# Server and client processes that tests start are measured too (patch = subprocess in pyproject.toml).
COVERED = $(PY) -m coverage erase && $(PY) -m coverage run -m $(PYTEST)

help: ## this list
	@echo 'CybouS3: make TARGET'
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  \1\t\2/p' Makefile | expand -t 13

demo: run ## encrypt a real folder into our own server and get it back (under a minute)
	@$(PY) tools/demo.py

test: dev ## every test, with the branch coverage gate
	@$(PROGRAMS)
	@$(COVERED) --durations=15 tests
	@$(PY) -m coverage combine --quiet
	@$(PY) -m coverage report

quick: dev ## the fast lane: no server processes, no coverage
	@$(PY) -m $(PYTEST) -m 'not e2e and not slow' tests

check: dev format lint types floors generated docs ## everything but the tests

format: dev ## is the code formatted? (make fix repairs)
	@$(PY) -m ruff format --check --quiet $(PATHS) && echo 'format: ok'

lint: dev ## ruff, all rules (make fix repairs what it can)
	@$(PY) -m ruff check --quiet $(PATHS) && echo 'lint: ok'

bench: dev ## count the work of every operation, compare with what is stored (UPDATE=1 stores), and time a few
	@$(PY) tools/bench.py $${UPDATE:+--update}

chaos: dev ## break our own server in every shipped way, then soak it for ten minutes (SOAK=minutes)
	@sh tools/debian.sh --soft strace libfaketime
	@$(PY) tools/chaos.py $${SOAK:+--soak "$$SOAK"}

crash: dev ## a thousand power cuts, every operation at every system call, every planted fault (ten minutes)
	@$(PROGRAMS)
	@$(PY) -m cybous3.cli.cybs3 chaos crash --cuts 1000
	@$(PY) -m cybous3.cli.cybs3 chaos crash --cuts 300 --mode kill
	@$(PY) -m cybous3.cli.cybs3 chaos crash --every
	@CYBS3_CRASH_ALL=1 $(PY) -m $(PYTEST) tests/lab/chaos/powercut/test_planted.py tests/lab/chaos/powercut/test_clientcuts.py

fix: dev ## format, and repair what lint can repair
	@$(PY) -m ruff check --fix $(PATHS) || true
	@$(PY) -m ruff format $(PATHS)

types: dev ## mypy, strict
	@$(PY) -m mypy

floors: dev ## import contracts, their planted faults, house rules
	@$(PY) tools/floors.py
	@$(PY) -m pytest -q -p no:cacheprovider tests/project/test_house_rules.py

generate: dev ## rebuild what is generated and checked in
	@$(PY) tools/generate.py

generated: dev ## is what is generated up to date?
	@$(PY) tools/generate.py --check

docs: dev ## build the documentation into site/, strictly
	@$(PY) -m mkdocs build --strict

cover: dev ## the same as test, and a browsable report in htmlcov/
	@$(PROGRAMS)
	@$(COVERED) tests
	@$(PY) -m coverage combine --quiet
	@$(PY) -m coverage html --quiet
	@$(PY) -m coverage report

pins: dev ## renew the pins in requirements/*.txt within the limits of pyproject.toml and *.in
	@$(PY) tools/pins.py

clean: ## remove everything that is not source
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage .coverage.* htmlcov site build dist
	@find src tests tools -name __pycache__ -type d -prune -exec rm -rf {} +

run:
	@sh tools/setup.sh run

dev:
	@sh tools/setup.sh dev

.PHONY: help demo test quick check format lint bench chaos crash fix types floors generate generated docs cover pins clean run dev
