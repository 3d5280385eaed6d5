# Everything for development. Two commands set up a fresh machine: `make demo` and `make test`.
# Needs Python 3.11 or later with pip, git, make and a C compiler; nothing else is assumed.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check

DEMO_OUT    ?= demo
JOBS        ?= 2
PYTEST_ARGS ?=

# One BLAS and torch thread a process: the workers are the parallelism, and sums do not depend on the thread count.
export OMP_NUM_THREADS      ?= 1
export OPENBLAS_NUM_THREADS ?= 1
export MKL_NUM_THREADS      ?= 1
# Hundreds of processes load the package, and each worker the tests: what Python compiled is kept.
unexport PYTHONDONTWRITEBYTECODE

# Stamps live in .venv and carry a checksum of what they depend on, so a repeat is instant,
# a change of the files (or a moved folder) installs again, and a failed installation leaves no stamp.
KEY       := $(shell { cat settings.ini constraints.txt setup.py; pwd; } | cksum | cut -d' ' -f1)
VENV_OK   := $(VENV)/.made-$(shell pwd | cksum | cut -d' ' -f1)
INSTALLED := $(VENV)/.installed-$(KEY)
DEV       := $(VENV)/.installed-dev-$(KEY)

.DEFAULT_GOAL := help
.PHONY: help demo test slow install dev export clean-nbs readme notebooks lab lint docs clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## (.*)/\1|\2/' | awk -F'|' '{printf "  make %-10s %s\n", $$1, $$2}'

demo: $(INSTALLED) ## install the package and run the demonstration into demo/
	$(BIN)/graphsel demo --out $(DEMO_OUT)

test: $(DEV) ## install with the dev extra, then run every test and every notebook
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(PYTEST_ARGS)

slow: $(DEV) ## run what `make test` leaves out: slow tests and slow notebook cells
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m slow $(PYTEST_ARGS)

install: $(INSTALLED) ## make .venv and install the package
dev: $(DEV) ## the same with the dev extra

export: $(DEV) ## write the modules from the notebooks
	$(BIN)/nbdev-export

clean-nbs: $(DEV) ## strip volatile metadata from the notebooks
	$(BIN)/nbdev-clean

readme: $(DEV) ## render README.md from nbs/index.ipynb
	$(BIN)/python tools/render_readme.py

FLAGS ?=
notebooks: export ## export, run every notebook saving its outputs, clean (FLAGS=slow: slow cells too)
	@# A process for each: nbdev reuses its workers, and what one notebook defines would be known to the next.
	printf '%s\n' nbs/*.ipynb nbs/*/*.ipynb | xargs -P $(JOBS) -n 1 $(BIN)/nbdev-test --save --cell-timing-min 5 --flags "$(FLAGS)"
	$(BIN)/nbdev-clean
	$(MAKE) readme

lab: $(DEV) ## open JupyterLab on the notebooks
	$(BIN)/jupyter lab --notebook-dir=nbs

lint: $(DEV) ## ruff over modules, notebooks and tests; imports one way; types by mypy; the measures of the house
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-cache --no-logo
	$(BIN)/mypy
	$(BIN)/python tools/house.py

docs: $(DEV) ## build the site in _docs/html; any warning fails, a link that leads nowhere too
	rm -rf _docs
	$(BIN)/python -m sphinx -q -E -n -W --keep-going -c docs -d _docs/doctrees . _docs/html
	@echo "open _docs/html/index.html"

clean: ## remove what these targets made, .venv aside
	rm -rf build dist demo _docs docs/api docs/gallery .pytest_cache .ruff_cache .mypy_cache .hypothesis *.egg-info

# Where `python -m venv` cannot work (Debian without python3-venv), virtualenv does, installed beside and not into the system.
$(VENV_OK):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "graphsel needs Python 3.11 or later; try: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@grep -qsF "$(CURDIR)/$(BIN)/python" $(BIN)/pip && $(BIN)/python -c '' || $(PYTHON) -m venv --clear $(VENV) || { \
	    $(PYTHON) -m pip install --quiet --upgrade --target build/virtualenv virtualenv && \
	    PYTHONPATH=build/virtualenv $(PYTHON) -m virtualenv --clear $(VENV); }
	@rm -f $(VENV)/.made-*
	@touch $@

$(INSTALLED): | $(VENV_OK)
	$(PIP) install -c constraints.txt -e .
	@rm -f $(VENV)/.installed-*
	@touch $@

$(DEV): | $(VENV_OK)
	$(PIP) install -c constraints.txt -e '.[dev]'
	@rm -f $(VENV)/.installed-*
	@touch $@ $(INSTALLED)
