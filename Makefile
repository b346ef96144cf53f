# `make run` and `make test` do all the set-up themselves; they need Python >= 3.11 and nothing else.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1
PIP := $(BIN)/python -m pip install --quiet

# two workers, of up to 3 GB each; a module's tests stay together, and the browser's come last;
# what judges sound in real time comes after them, with the machine for itself
PARALLEL := --numprocesses 2 --dist loadfile --no-loadscope-reorder

.PHONY: run test check browser weights install clean

run: $(VENV)/.run
	@$(BIN)/litestar run

test: $(VENV)/.test browser weights
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest $(PARALLEL) -m "not sound"
	$(BIN)/pytest -m sound

install: $(VENV)/.run

# a fast round while you work, under two minutes on two idle cores: see CONTRIBUTING.md
check: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest $(PARALLEL) tests/core tests/toolkit tests/stages tests/test_architecture.py tests/test_docs.py

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# pip reads no dependency groups before 25.1, so the environment gets its own
$(VENV)/.run: pyproject.toml hatch_build.py $(shell find aichat/web/frontend -type f 2>/dev/null) | $(BIN)/python
	@echo "aichat: installing (the first time takes a minute or two)"
	@$(PIP) --upgrade "pip>=25.1"
	@$(PIP) --editable ".[whisper,offline]"
	@touch $@

# torch comes without CUDA (200 MB, not 3 GB) where pip finds it so, as its own index has it
$(VENV)/.test: $(VENV)/.run
	@$(BIN)/python -c "import torch" 2>/dev/null \
	  || $(PIP) "torch==2.13.0+cpu" 2>/dev/null \
	  || $(PIP) --index-url https://download.pytorch.org/whl/cpu "torch>=2.6" 2>/dev/null \
	  || $(PIP) "torch>=2.6"
	@$(PIP) --group dev
	@touch $@

# Chromium for the browser tests: Debian's where apt works, else Playwright's
browser: $(VENV)/.test
	@$(BIN)/python tests/support/browser/install_chromium.py

# real weights and recordings for the tests, about 500 MB, once for all checkouts
weights: $(VENV)/.test
	@cd tests && ../$(BIN)/python -m support.real_weights

clean:
	rm -rf $(VENV) aichat/web/static/dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
