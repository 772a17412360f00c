# Everything lives in .venv; a stamp file per set of extras makes the second call instant.
PYTHON ?= python3
# A folder of PyTorch's own download index: `make demo TORCH_INDEX=cpu` spares a Linux machine without a GPU the
# CUDA libraries (gigabytes). Unset, pip's own configuration decides.
TORCH_INDEX ?=
TORCH_URL = https://download.pytorch.org/whl/$(TORCH_INDEX)

BIN := .venv/bin
PIP_INSTALL = $(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt

.DEFAULT_GOAL := help
# All targets share one .venv, and two pips at once would break it: `make -j` runs them one after the other.
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help demo test test-slow test-cluster bench bench-dashboard example notebook screenshots docs figures lint format clean new-venv

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo "  PYTHON=python3.12   the interpreter to set up with (3.11 or newer; default: python3)"
	@echo "  TORCH_INDEX=cpu     take PyTorch's CPU build (Linux without a GPU: spares gigabytes of CUDA)"

demo: .venv/.installed ## Train a network until it groks, and write the report
	@$(BIN)/latebloom run

# Half as many workers again as cores: they wait for browsers and processes of their own a third of the time.
test: lint ## Check all that CI checks: lint, types, tests
	@$(BIN)/pytest -n $$($(BIN)/python -c 'import os; print((os.cpu_count() or 1) * 3 // 2)')

test-slow: .venv/.installed-dev ## Run the long training runs and kill tests
	@$(BIN)/pytest -m slow

test-cluster: .venv/.installed-cluster ## Run a sweep on a two-node Ray cluster that loses a node
	@$(BIN)/pytest -m cluster

bench: .venv/.installed ## Measure the training speed on this machine
	@$(BIN)/python benchmarks/training.py
	@$(BIN)/python benchmarks/ensembles.py
	@! command -v nvidia-smi >/dev/null || $(BIN)/python benchmarks/ensembles.py --device cuda

bench-dashboard: .venv/.installed-dev ## Measure the dashboard in Chromium: list, run page, scrubbing
	@$(BIN)/python benchmarks/dashboard.py

figures: .venv/.installed-dev ## Draw all figures of the documentation, dark and light (trains their runs, 20 minutes)
	@$(BIN)/python docs/draw_figures.py

# -E: an unchanged page is read again, or its warnings would be errors the first time only.
docs: .venv/.installed-docs ## Build the documentation into docs/_build/html
	@$(BIN)/sphinx-build -q -E -W --keep-going docs docs/_build/html
	@echo "docs/_build/html/index.html"

# Without the variable pyright's wrapper asks the network for newer versions on every call.
lint: .venv/.installed-dev ## Check style and types: ruff, pyright
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright

format: .venv/.installed-dev ## Rewrite the code in the project's style
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

example: .venv/.installed ## Train the run that ships with the package anew
	@$(BIN)/python scripts/example.py

notebook: .venv/.installed-dev ## Run the cells of notebooks/first-look.ipynb anew
	@$(BIN)/python scripts/notebook.py

screenshots: .venv/.installed-dev ## Take the pictures of every page into docs/images/pages
	@$(BIN)/python scripts/screenshots.py

clean: ## Remove .venv, caches and built documentation; never runs/
	rm -rf .venv docs/_build build dist .pytest_cache .ruff_cache .hypothesis .coverage
	find src tests benchmarks docs -name __pycache__ -type d -prune -exec rm -rf {} +

# The set-up. `new-venv` is asked for when .venv's interpreter is gone, for example after a system upgrade.
.venv/pyvenv.cfg: $(shell test -x $(BIN)/python || echo new-venv)
	@command -v "$(PYTHON)" >/dev/null || \
	  { echo "latebloom needs Python 3.11 or newer: '$(PYTHON)' was not found; name another with PYTHON=python3.12"; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "latebloom needs Python 3.11 or newer: '$(PYTHON)' is $$("$(PYTHON)" -V 2>&1); name another with PYTHON=python3.12"; exit 1; }
	@"$(PYTHON)" -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "'$(PYTHON)' cannot make virtual environments: install its venv module (Debian, Ubuntu: python3-venv)"; exit 1; }
	@[ "$$(uname)" != Linux ] || [ -n "$(TORCH_INDEX)" ] || command -v nvidia-smi >/dev/null || \
	  echo "no NVIDIA GPU seen: should pip fetch CUDA (gigabytes), stop it and run again with TORCH_INDEX=cpu"
	@"$(PYTHON)" -m venv --clear .venv

.venv/.installed:      EXTRAS =
.venv/.installed-dev:  EXTRAS = [test,lint]
.venv/.installed-docs: EXTRAS = [docs]
.venv/.installed-cluster: EXTRAS = [test,cluster]
.venv/.installed .venv/.installed-dev .venv/.installed-docs .venv/.installed-cluster: .venv/pyvenv.cfg pyproject.toml constraints.txt
	@echo "setting up .venv for latebloom$(EXTRAS) (once: a minute or two and the download)"
	@case "$(TORCH_INDEX)" in *[!a-z0-9.]*) \
	  echo "TORCH_INDEX: expected a folder of PyTorch's index such as cpu or cu128, got '$(TORCH_INDEX)'"; exit 1;; esac
	@[ -z "$(TORCH_INDEX)" ] || $(PIP_INSTALL) --index-url $(TORCH_URL) torch || \
	  { echo "TORCH_INDEX=$(TORCH_INDEX): pip could not install PyTorch from $(TORCH_URL); expected a folder of that index" \
	    "(cpu, cu128, …) and a way to it; without TORCH_INDEX pip uses its own index"; exit 1; }
	@$(PIP_INSTALL) -e '.$(EXTRAS)'
	@touch $@
