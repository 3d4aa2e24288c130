# Everything runs in .venv, which the first target that needs it makes. Python 3.11 or newer, pip and make are enough.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# setuptools warns about every editable installation, whatever the project looks like
PIP := PYTHONWARNINGS=ignore $(BIN)/python -m pip
EXTRAS := test,lint,train,report,onnx,ray
NET := zennet_cifar_model_size1M_res32

export OMP_NUM_THREADS ?= 1

.PHONY: demo test bench lint format docs clean

demo: $(VENV)/demo-ready
	$(BIN)/plainnet analyze $(NET)

test: $(VENV)/test-ready
	$(BIN)/python -m pytest -n 2 --dist loadfile

bench: $(VENV)/test-ready
	$(BIN)/python -m pytest benchmarks --benchmark-only --benchmark-columns=min,median,max,rounds

lint: $(VENV)/test-ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/test-ready
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/test-ready
	$(BIN)/python docs/generate.py

clean:
	rm -rf $(VENV) build dist *.egg-info

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --upgrade pip

$(VENV)/demo-ready: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) install --quiet --constraint constraints.txt --editable '.[train,report]'
	touch $@

$(VENV)/test-ready: $(VENV)/demo-ready
	$(PIP) install --quiet --constraint constraints.txt --editable '.[$(EXTRAS)]'
	touch $@
