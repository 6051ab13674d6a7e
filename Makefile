# Both main targets set up everything they need: python >= 3.11 and make are enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# torch first and by its exact version, so that nothing else pulls in another build of it.
TORCH := $(shell grep '^torch==' constraints.txt)
# What commands and tests load of others. Of all that is installed Python loads a quarter, so pip compiles nothing to
# bytecode, and this part is loaded once, with its bytecode kept (see `test`).
LOADED := array_api_compat, dask.distributed, flint, hypothesis, matplotlib.pyplot, mpmath, numba, pytest, rich.progress, \
	safetensors, scipy.optimize, scipy.stats, sympy, torch, typer, xarray, xdist, zarr

.PHONY: diagram test portable versions lint types docs wheel slow bench clean

diagram: $(STAMP)
	$(BIN)/tegum diagram --features 2 --hidden 1 --out out

# A file's tests go to one worker, so that what its fixtures compute is computed once. (Groups of tests, by xdist's mark
# of that name, are silently ignored: pytest-xdist 3.8 doesn't know them under pytest 9.2.)
# Bytecode is kept, even where the environment says otherwise (an empty value unsets that): workers, and the hundred
# processes that tests start, would each compile all sources again.
test: $(STAMP)
	PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -n auto --dist loadfile --durations=30

# The tests of numbers as other x86-64 machines would run them; CONTRIBUTING.md names the settings.
portable: $(STAMP)
	PYTHONDONTWRITEBYTECODE= $(BIN)/python .ci/portable.py --pytest "-n auto --dist loadfile"

# Theory's tests under other versions of Python, where they are installed.
versions: $(STAMP)
	$(BIN)/python .ci/versions.py

slow: $(STAMP)
	$(BIN)/pytest -m slow

lint: $(STAMP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(STAMP)
	$(BIN)/mypy

docs: $(STAMP)
	$(BIN)/pytest -q tests/house/test_documents.py

wheel: $(STAMP)
	$(BIN)/python .ci/check_wheel.py

bench: $(STAMP)
	$(BIN)/python benchmarks/phase_diagram.py
	$(BIN)/python benchmarks/training.py --full
	$(BIN)/python benchmarks/thomson.py
	$(BIN)/python benchmarks/certificate.py
	$(BIN)/python benchmarks/packing.py
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/memory.py
	OPENBLAS_NUM_THREADS=1 $(BIN)/python benchmarks/minima.py
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python benchmarks/loss.py

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "tegum needs python 3.11 or newer")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile $(TORCH)
	$(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt --editable '.[dev]'
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -c 'import $(LOADED)'
	touch $@

clean:
	rm -rf $(VENV) build dist out *.egg-info
