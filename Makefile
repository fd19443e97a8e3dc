# PYTHON holds candidates: the first that runs and fits is taken. Running them is the test,
# because a version manager's shim may stand on the PATH for a Python that is not active.
PYTHON ?= python3.11 python3.12 python3.13 python3
FITS = import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))

SECONDS ?= 600

# Python reads again what it has compiled: each worker and each process of a test would compile all it imports otherwise
unexport PYTHONDONTWRITEBYTECODE

VENV = .venv
BIN = $(VENV)/bin
# not bin/python, a link whose date is that of the Python it points to
CREATED = $(VENV)/pyvenv.cfg
RUNTIME = $(VENV)/.runtime-installed
DEV = $(VENV)/.dev-installed
PYTEST = $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal
PIP_INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# two installations into one .venv at the same time would break it
.NOTPARALLEL:
.PHONY: $(shell sed -n 's/^\([a-z-]*\):.* ## .*/\1/p' $(MAKEFILE_LIST))

help: ## show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(RUNTIME) ## train a small net on handwritten digits, evaluate it, draw its pictures
	$(BIN)/mlphys train configs/conv_digits.yaml
	$(BIN)/mlphys evaluate

test: $(DEV) ## run the tests, all but test-configs, test-soak, test-property, test-notebooks and hostile
	$(PYTEST)

again: $(DEV) ## run the tests that failed last time, one after the other
	$(BIN)/python -m pytest --last-failed --last-failed-no-failures none

quick: $(DEV) ## run the tests that train nothing and start no process; a minute
	$(PYTEST) -m 'not slow and not configs and not soak and not property and not hostile' --durations=10 --durations-min=1

test-configs: $(DEV) ## train every config on little data, evaluate it, draw its pictures
	$(PYTEST) -m configs tests/test_configs.py

test-soak: $(DEV) ## kill ten trainings at random instants, resume them, compare every byte
	$(PYTEST) -m soak -o faulthandler_timeout=0 tests/test_soak.py

test-property: $(DEV) ## compare 500 random nets by machine code, and 180 on pages, with TensorFlow; five minutes
	$(PYTEST) -m property tests/training/test_random_chains.py tests/report/test_layers_in_the_browser.py

test-notebooks: $(DEV) ## run the notebooks of docs/; a fault in a cell fails
	$(BIN)/python -m scripts.notebooks

hostile: $(DEV) ## give every command inputs that are made to harm, by the thousand; half an hour
	$(PYTEST) -m hostile tests/hostile

hostile-sample: $(DEV) ## the same for some of each kind; two minutes
	$(PYTEST) -m 'hostile and sample' tests/hostile

verify: $(DEV) ## train twelve small runs; recompute their numbers with NumPy and SciPy alone
	@folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; \
	$(BIN)/python -m scripts.verified_runs "$$folder" >/dev/null && $(BIN)/python -m scripts.verify "$$folder"

coverage: $(DEV) ## run the tests of make test; list the modules of which they run less than 95 % of the lines
	$(PYTEST) --cov --cov-report=
	@$(BIN)/coverage report --sort=cover | awk 'NR <= 2 || /^TOTAL/ || $$4 + 0 < 95'

soak: $(DEV) ## kill trainings at random instants, resume them, compare every byte; ten minutes
	$(BIN)/python -m scripts.soak

fuzz: $(DEV) ## open changed files, configs and requests, by the thousand, where atheris is installed; SECONDS=600
	$(BIN)/python -m scripts.fuzz --seconds $(SECONDS)

mutants: $(DEV) ## remove each guard against bad input, run the tests that reach it; an hour, goes on where it ended
	$(BIN)/python -m scripts.mutants

bench: $(RUNTIME) ## time epochs beside Keras, scikit-learn and, where they are installed, PyTorch and JAX
	$(BIN)/python -m scripts.bench

bench-backends: $(RUNTIME) ## time steps of machine code beside TensorFlow's, term by term; two minutes
	$(BIN)/python -m scripts.bench_backends --write

bench-studies: $(DEV) ## time a study of twenty seeds beside as many commands, and members on Ray; ten minutes
	$(BIN)/python -m scripts.bench_studies --write

bench-page: $(DEV) ## measure the page of a run in Chromium: size, first paint, answer to a stroke
	$(BIN)/python -m scripts.bench_page

bench-convolutions: $(RUNTIME) ## time convolutions of machine code beside TensorFlow's; two minutes
	$(BIN)/python -m scripts.bench_convolutions --write

bench-catalogue: $(RUNTIME) ## time an epoch of every config beside Keras; goes on where it was interrupted; an hour
	$(BIN)/python -m scripts.bench_catalogue

bench-scale: $(RUNTIME) ## time epochs against samples, width and batch beside Keras; half an hour
	$(BIN)/python -m scripts.bench_scale

lint: $(DEV) ## check style, format and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(DEV) ## repair style and format where that is safe
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

results: $(RUNTIME) ## measure what is missing or outdated with five seeds (ID=M8: that row) into docs/results, and quote it
	$(BIN)/python -m scripts.results $(ID)

pictures: $(RUNTIME) ## draw the pictures of README.md and docs/ from new trainings; those of the gallery that are missing
	$(BIN)/python -m scripts.pictures
	$(BIN)/python -m scripts.gallery

docs: $(DEV) ## build the documentation as a site into build/site; warnings are errors; a minute
	$(BIN)/python -m scripts.site

notebooks: $(DEV) ## run the notebooks of docs/ and keep their new outputs
	$(BIN)/python -m scripts.notebooks --write

install: $(DEV) ## install mlphys and the developers' tools into .venv

wheel: $(DEV) ## build the wheel into dist/
	$(BIN)/python -m build --wheel

clean: ## remove .venv, caches and built files; runs/ stays
	rm -rf $(VENV) build dist *.egg-info .coverage .fuzz .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find mlphys tests scripts -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

$(CREATED):
	@for candidate in $(PYTHON); do \
	  if $$candidate -c '$(FITS)' >/dev/null 2>&1; then exec $$candidate -m venv --clear $(VENV); fi; \
	done; \
	echo "mlphys needs Python 3.11, 3.12 or 3.13 with its venv module; none of these is one: $(PYTHON)" >&2; \
	echo "Install one (Debian, Ubuntu: also its python3-venv), or name it: make PYTHON=/path/to/python3.12" >&2; \
	exit 1

$(RUNTIME): pyproject.toml constraints.txt $(CREATED)
	@echo "installing mlphys into $(VENV), about two minutes, once"
	@$(PIP_INSTALL) -e .
	@touch $@

# asks for both sets at once and marks both, so that test and lint need one installation
$(DEV): pyproject.toml constraints.txt $(CREATED)
	@echo "installing mlphys and its developers' tools into $(VENV), about two minutes, once"
	@$(PIP_INSTALL) -e '.[dev]'
	@touch $(RUNTIME) $@
