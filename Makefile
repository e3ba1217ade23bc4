# `make demo` and `make test` need Python 3.11, gcc and make; everything else they install into .venv themselves.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
RAIL   := $(BIN)/rail
PIP    := $(BIN)/python -m pip --disable-pip-version-check install --quiet
GENERATED := native/_native.c native/tables.h ledger/compiled/_compiled.c
SOURCES := $(filter-out $(GENERATED),$(wildcard native/*.c native/*.h ledger/compiled/*.[ch])) \
	native/build.py native/tables.py ledger/compiled/build.py

.PHONY: demo serve test lint check bench model lock clean

demo: $(VENV)/.installed
	$(RAIL) demo

serve: $(VENV)/.installed
	$(RAIL) serve

test: $(VENV)/.tests-installed
	$(BIN)/python -m pytest -q -n 2 --dist loadgroup

lint: $(VENV)/.tests-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.tests-installed
	for script in tests/bench/bench_*.py; do $(BIN)/python $$script; done

# Retrains the shipped model, measures and converts it; needs the corpora (CORPORA=folder) and MINUTES of processor time.
CORPORA ?= ../shared/data/corpora
MINUTES ?= 76
TRAINED ?= var/training
MODULE = $(BIN)/python -m inference.training
model: $(VENV)/.installed
	@$(PIP) --requirement inference/training/requirements.txt || { \
		echo "hint: training needs torch and matplotlib, from the package index or a folder named by PIP_FIND_LINKS"; exit 2; }
	$(MODULE).train --corpora $(CORPORA) --out $(TRAINED) --minutes $(MINUTES)
	$(MODULE).check_export --corpora $(CORPORA) --out $(TRAINED)
	$(MODULE).figures --corpora $(CORPORA) --out $(TRAINED) > $(TRAINED)/figures.json
	$(MODULE).plot_loss $(TRAINED)/log.jsonl inference/models/loss.png
	mkdir -p inference/training/checkpoint
	cp $(TRAINED)/model.bin $(TRAINED)/tokenizer.model inference/training/checkpoint/
	$(RAIL) convert $(TRAINED)/model.bin inference/models/default.rail --tokenizer $(TRAINED)/tokenizer.model \
		--name rail-stories-5m --licence Apache-2.0
	$(MODULE).memorisation --corpora $(CORPORA) > $(TRAINED)/memorisation.json

# Says what is missing before anything is made. Debian splits venv and headers off Python.
NEEDS := import pathlib, sys, sysconfig; sys.version_info >= (3, 11) or sys.exit("RAIL needs Python 3.11 or later: make PYTHON=python3.11 ..."); \
	import ensurepip; (pathlib.Path(sysconfig.get_paths()["include"]) / "Python.h").exists() or sys.exit("no Python.h")

$(VENV)/.created:
	@$(PYTHON) -c '$(NEEDS)' || { echo "hint, on Debian 12: apt install python3-venv python3-dev gcc make"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.installed: $(VENV)/.created requirements.lock pyproject.toml setup.py $(SOURCES)
	$(PIP) --require-hashes --no-deps --requirement requirements.lock
	$(PIP) --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/.tests-installed: $(VENV)/.installed requirements-test.lock
	$(PIP) --require-hashes --no-deps --requirement requirements-test.lock
	touch $@

# Clients that need Python 3.12: make aics PYTHON312=/path/to/python3.12
PYTHON312 ?= python3.12
.PHONY: aics
aics: $(VENV)/aics/.installed
$(VENV)/aics/.installed: $(VENV)/.created tests/requirements-aics.txt
	$(PYTHON312) -m venv $(VENV)/aics
	$(VENV)/aics/bin/python -m pip --disable-pip-version-check install --quiet --requirement tests/requirements-aics.txt
	touch $@

# An S3-compatible server, for the test that puts a mirrored log into a bucket.
.PHONY: object-store
object-store: $(VENV)/object-store/.installed
$(VENV)/object-store/.installed: $(VENV)/.created tests/requirements-object-store.txt
	$(PYTHON) -m venv $(VENV)/object-store
	$(VENV)/object-store/bin/python -m pip --disable-pip-version-check install --quiet --requirement tests/requirements-object-store.txt
	touch $@

# Rewrites the lock files from pyproject.toml: versions and hashes only.
COMPILE = $(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --no-emit-index-url --no-emit-options \
	--no-header --annotation-style line pyproject.toml
lock: $(VENV)/.tests-installed
	$(PIP) pip-tools
	$(COMPILE) --extra build --output-file requirements.lock
	$(COMPILE) --extra build --extra test --constraint requirements.lock --output-file requirements-test.lock

clean:
	rm -rf $(VENV) build *.egg-info native/_native*.so ledger/compiled/_compiled*.so $(GENERATED) artifacts
