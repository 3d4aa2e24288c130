# Everything runs in .venv, which the first target that needs it makes. Python 3.11 or newer, pip and make are enough.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# setuptools warns about every editable installation, whatever the project looks like
PIP := PYTHONWARNINGS=ignore $(BIN)/python -m pip
EXTRAS := test,lint,train,detect,tune,dashboard,notebook,onnx,ray,frameworks
NET := zennet_cifar_model_size1M_res32

export OMP_NUM_THREADS ?= 1

.PHONY: demo test test-all test-ends axe fuzz bench lint format docs screenshots clean

# From a published network over a search, the optimum and an export to a trained network, which is kept in a store and predicts on ONNX
# Runtime; everything lands in demo/.
demo: $(VENV)/demo-ready
	rm -rf demo
	$(BIN)/plainnet analyze $(NET)
	$(BIN)/plainnet search examples/digits.yaml --candidates 40000 --workers 2 --out demo/search
	$(BIN)/plainnet optimum --judge demo/search --out demo/optimum
	$(BIN)/plainnet report demo/optimum
	$(BIN)/plainnet export demo/optimum --to plainnet --out demo/export
	$(BIN)/plainnet train demo/export/train.yaml --out demo/run
	$(BIN)/plainnet store add demo/run --name digits --store demo/models
	$(BIN)/plainnet store convert digits --to onnxruntime --store demo/models
	PLAINNET_HOME=demo PLAINNET_PLATFORM=onnxruntime $(BIN)/plainnet predict store:digits \
		examples/data/digit-1.png examples/data/digit-2.png examples/data/digit-5.png

test: $(VENV)/test-ready
	$(BIN)/python -m pytest -n 2 --dist loadfile -m 'not tail'

# What `make test` leaves out for its length, too.
test-all: $(VENV)/test-ready
	$(BIN)/python -m pytest -n 2 --dist loadfile

# What the tests of the pages ask whether anything is in the way of anybody; without it, and npm, they are skipped.
AXE := node_modules/axe-core/axe.min.js
axe: $(AXE)
$(AXE):
	npm install --silent --no-save --no-package-lock --no-audit --no-fund axe-core@4.14.1

# Other inputs than the tests' for the fuzzers, so many minutes of the processor.
MINUTES ?= 1
fuzz: $(VENV)/test-ready
	$(BIN)/python tests/fuzz.py --minutes $(MINUTES)

# A smoke set at the two ends of what pyproject.toml allows, each in an environment of its own. The low end takes the oldest
# version of every dependency; its torch comes from the package index, with the libraries of CUDA where that is how it is built
# (several GB on x86_64), so CI, which may not download these, runs the high end alone: `make test` with constraints.txt.
ENDS := tests/network/test_net.py tests/blocks/test_counts.py tests/profiler/test_front_door.py tests/engine/test_trainer.py \
	tests/proxies/test_zen.py tests/configs tests/network/test_module_counts.py tests/results tests/store/test_store_reuse.py \
	tests/cli/test_validate_command.py tests/cli/test_search_panel.py tests/test_module_imports.py \
	tests/cli/test_completion.py tests/engine/test_targets.py tests/engine/test_moved_targets.py
LOWEST := import tomllib; p = tomllib.load(open("pyproject.toml", "rb"))["project"]; o = p["optional-dependencies"]; \
	print(*(r.split(",")[0].split("[")[0].replace(">=", "==") for r in p["dependencies"] + o["train"]), sep="\n")
test-ends: $(VENV)/test-ready
	$(BIN)/python -m pytest $(ENDS) -m 'not tail'
	$(PYTHON) -m venv $(VENV)-low
	$(BIN)/python -c '$(LOWEST)' > $(VENV)-low/lowest.txt
	PYTHONWARNINGS=ignore $(VENV)-low/bin/python -m pip install --quiet --requirement $(VENV)-low/lowest.txt \
		pytest pytest-timeout pytest-benchmark hypothesis
	PYTHONPATH=. $(VENV)-low/bin/python -m pytest $(ENDS) -m 'not tail'

bench: $(VENV)/test-ready
	$(BIN)/python -m pytest benchmarks --benchmark-only --benchmark-columns=min,median,max,rounds
	$(BIN)/python benchmarks/bench_search.py
	$(BIN)/python benchmarks/bench_engine.py
	$(BIN)/python benchmarks/counters.py

lint: $(VENV)/test-ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/test-ready
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/test-ready
	$(BIN)/python docs/generate.py

# The pictures of pages in the documents; needs Chromium.
screenshots: $(VENV)/test-ready
	$(BIN)/python docs/screenshots.py

clean:
	rm -rf $(VENV) node_modules build dist *.egg-info

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --upgrade pip

$(VENV)/demo-ready: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) install --quiet --constraint constraints.txt --editable '.[train,onnx]'
	touch $@

$(VENV)/test-ready: $(VENV)/demo-ready
	$(PIP) install --quiet --constraint constraints.txt --editable '.[$(EXTRAS)]'
	touch $@
