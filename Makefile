# What README and CONTRIBUTING name; CI calls the same targets.
PYTHON ?= python3
VENV := .venv
IN_VENV := $(VENV)/bin/
EXTRAS ?= dev
OLDEST ?= adaptax tests

.PHONY: demo compare test slow browser oldest newest traffic mutants costs compile-time notebooks gallery docs release lint format clean

# One environment for everything, made when missing and again when the pins or the requirements change.
$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(IN_VENV)pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[$(EXTRAS)]"
	@touch $@

demo: $(VENV)/installed  ## the two experiments of the first release: progress, tables, pictures in results/demo/
	$(IN_VENV)python -m experiments demo

compare: $(VENV)/installed  ## two tasks, four methods, judged in some minutes; the report is in comparison/
	$(IN_VENV)python -m experiments compare --tasks digits,sparse_logistic --methods optax_momentum,adam,lsalr,local_gains \
		--resume

# With these flags XLA compiles faster and optimizes less. Tests compile more than they compute. `make mutants` runs
# without the flags: there every test that guards a formula also passes with XLA's own optimizations.
COMPILE_QUICKLY := --xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1 \
	--xla_backend_optimization_level=0

test: $(VENV)/installed  ## the suite, doctests included, but for what is marked slow
	XLA_FLAGS="$(COMPILE_QUICKLY)" $(IN_VENV)python -m pytest -n auto --durations 12 -m "not slow"

slow: $(VENV)/installed  ## what is marked slow: the suite is whole only with it
	XLA_FLAGS="$(COMPILE_QUICKLY)" $(IN_VENV)python -m pytest -n auto --durations 12 -m slow

browser: $(VENV)/installed  ## explorer, report and site in the system's Chromium: what they show, and that the numbers are right
	$(IN_VENV)pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[docs]"
	ADAPTAX_BROWSER=1 $(IN_VENV)python -m pytest tests/experiments/test_explorer.py \
		tests/experiments/test_explorer_numbers.py tests/comparison/test_wheel.py tests/house/test_site.py

mutants: $(VENV)/installed  ## wrong formulas on purpose: the tests must kill every one
	$(IN_VENV)python -m tests.mutants $(ONLY)

costs: $(VENV)/installed  ## record what a step of each method costs; a test then lets no step cost more
	JAX_PLATFORMS=cpu $(IN_VENV)python -m tests.core.test_costs

compile-time: $(VENV)/installed  ## how much longer a step of 1,000 leaves compiles with each rate around its direction
	JAX_PLATFORMS=cpu $(IN_VENV)python -m tests.compile_time

notebooks: $(VENV)/installed  ## run every notebook from top to bottom
	$(IN_VENV)python -m pytest --nbmake -n auto notebooks

gallery: $(VENV)/installed  ## every picture and film of docs/gallery.md, in some four minutes on two cores
	$(IN_VENV)python -m experiments gallery

docs: $(VENV)/installed  ## the documentation, into site/
	$(IN_VENV)pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[docs]"
	NO_MKDOCS_2_WARNING=1 $(IN_VENV)python -m mkdocs build --strict

lint: $(VENV)/installed  ## formatting, lint and types
	$(IN_VENV)ruff format --check .
	$(IN_VENV)ruff check .
	$(IN_VENV)pyright

format: $(VENV)/installed
	$(IN_VENV)ruff format .
	$(IN_VENV)ruff check --fix .

# The same library tests at the oldest JAX and Optax that pyproject.toml promises, and at the newest that there are, in
# environments of their own. `make newest PYTHON=python3.13` also takes another Python.
.venv-oldest/installed: constraints-oldest.txt
.venv-oldest/installed .venv-newest/installed: .venv-%/installed: pyproject.toml
	$(PYTHON) -m venv .venv-$*
	.venv-$*/bin/pip install --quiet --disable-pip-version-check \
		$(if $(filter oldest,$*),--constraint constraints-oldest.txt) \
		--editable . beartype chex hypothesis pytest pytest-xdist scikit-learn
	@touch $@

oldest newest: %: .venv-%/installed
	.venv-$*/bin/python -m pytest -n auto $(OLDEST) --ignore adaptax/comparison --ignore adaptax/live \
		--ignore tests/core/test_frameworks.py --ignore tests/core/test_own_layers.py --ignore tests/comparison \
		--ignore tests/experiments --ignore tests/live

# XLA's compilers for GPU and TPU, from wheels alone: no such device, no driver, none of NVIDIA's libraries.
.venv-traffic/installed: pyproject.toml constraints.txt constraints-traffic.txt
	$(PYTHON) -m venv .venv-traffic
	.venv-traffic/bin/pip install --quiet --disable-pip-version-check --constraint constraints.txt \
		--editable ".[experiments]"
	.venv-traffic/bin/pip install --quiet --disable-pip-version-check --no-deps --requirement constraints-traffic.txt
	@touch $@

traffic: traffic-h100 traffic-v5e  ## the bytes of every step by those compilers: both records anew (-j2: at once)

traffic-%: .venv-traffic/installed
	.venv-traffic/bin/python -m experiments traffic --target $* --out experiments/results

# Both archives, made and checked in environments of their own; nothing is uploaded. hatchling packs what it finds, so
# what is not committed would be packed, too.
.venv-release/installed: Makefile
	$(PYTHON) -m venv .venv-release
	.venv-release/bin/pip install --quiet --disable-pip-version-check build check-wheel-contents twine
	@touch $@

release: .venv-release/installed  ## sdist and wheel in dist/, checked, and each extra tried in a fresh environment
	@test -z "$$(git status --porcelain)" || { echo "release: commit or remove these first:"; git status --short; false; }
	rm -rf dist
	.venv-release/bin/python -m build
	.venv-release/bin/twine check --strict dist/*
	.venv-release/bin/check-wheel-contents dist/*.whl
	.venv-release/bin/python -m tests.release

clean:
	rm -rf $(VENV) .venv-oldest .venv-newest .venv-release .venv-traffic dist site results comparison
