# Every target sets up what it needs. Paths are relative, so the folder may have a space in its name.
# Written for GNU make 3.81 (macOS) and later.

PYTHON ?= python3
SEED ?= 0
PYTEST_ARGS ?=

VENV := .venv
PY := $(VENV)/bin/python
# The stamp's name holds a checksum of what was installed and where, so a changed or moved checkout is set up again.
KEY := $(shell (pwd; cat pyproject.toml constraints.txt) | cksum | tr ' ' '-')
STAMP := $(VENV)/.installed-$(KEY)
WHEEL := build/check
# Safe path: the checkout is not on sys.path by accident; what is imported is what is installed (editable, or the wheel).
# One process more than cores, since tests wait for servers and workers; at most four, for each loads the small models,
# about 1 GB. A file's tests stay in one process and share its fixtures. PYTEST_ARGS="-n 0" keeps all tests in one process,
# as a debugger needs it.
# All at the lowest priority: workers lower their own, and would wait for the tests that wait for them.
WORKERS := $(shell $(PYTHON) -c 'import os; print(min(4, (os.cpu_count() or 1) + 1))')
PYTEST := PYTHONSAFEPATH=1 nice -n 19 $(PY) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

.PHONY: help install demo test test-fast check lint wheel bench conformance faults clients docs picture viewer test-viewer clean

help:
	@echo 'make install      a virtual environment in .venv, with the versions of constraints.txt'
	@echo 'make demo         draws an hour of video and answers a three-hop question over MCP (SEED=n)'
	@echo 'make demo VIDEO=/path/to/file QUESTION="..."   the evidence for your question in your own file'
	@echo 'make test         all tests (PYTEST_ARGS="tests/memory -x" narrows them)'
	@echo 'make test-fast    the tests that need no training, no long ingest and no database server'
	@echo 'make check        format, lint, types, import contracts, and all tests on the built wheel'
	@echo 'make bench | conformance | faults   measurements, MCP conformance, fault injection'
	@echo 'make docs         the pages of docs/ in build/docs; make picture: the pictures of the front page'
	@echo 'make viewer       the page of the viewer, out of viewer/ (needs Node 20.19 or later and npm)'
	@echo 'make test-viewer  the viewer in a real Chromium (AGENT_TOOLS_TEST_CHROMIUM names it where it is not on PATH)'
	@echo 'make clients      real MCP clients and frameworks against the server, in environments of their own'

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || { \
		echo "$(PYTHON) is not Python 3.11, 3.12 or 3.13: name one that is, as in make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(PY) -m pip install --disable-pip-version-check -q -c constraints.txt hatchling editables setuptools
	@$(PY) -m lab.install $(PY) $(VENV)/install.log -c constraints.txt --no-build-isolation -e '.[dev]'
	@rm -f $(VENV)/.installed-*
	@touch $(STAMP)

# VIDEO and QUESTION reach the shell through the environment: any quote in them is only a character.
demo: $(STAMP)
ifeq ($(origin VIDEO),undefined)
	@$(PY) -m agent_tools demo --seed $(SEED)
else
	@VIDEO="$$VIDEO" QUESTION="$$QUESTION" $(PY) -m agent_tools demo --video "$$VIDEO" --question "$$QUESTION"
endif

test: $(STAMP)
	$(PYTEST) $(PYTEST_ARGS)

test-fast: $(STAMP)
	$(PYTEST) -m 'not slow and not train and not faults' $(PYTEST_ARGS)

lint: $(STAMP)
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	PYTHONPATH=. $(PY) -c 'from importlinter.cli import lint_imports_command; lint_imports_command()'

# The wheel, alone in an environment of its own; its dependencies are those of .venv, seen through a .pth file
# (a .pth file's folder is not searched for further .pth files, so the editable checkout stays unseen).
wheel: $(STAMP)
	rm -rf $(WHEEL)
	$(PY) -m build --no-isolation --outdir $(WHEEL)/dist .
	$(PY) -m venv --without-pip $(WHEEL)/venv
	$(PY) -m pip --python $(WHEEL)/venv/bin/python install --disable-pip-version-check -q --no-index --no-deps $(WHEEL)/dist/*.whl
	$(PY) -c 'import pathlib, sysconfig; s = pathlib.Path(sysconfig.get_path("purelib")); \
		v = pathlib.Path("$(WHEEL)/venv"); (v / s.relative_to(pathlib.Path("$(VENV)").absolute()) / "dependencies.pth").write_text(f"{s}\n")'

check: lint wheel
	$(MAKE) test PY=$(WHEEL)/venv/bin/python

bench: $(STAMP)
	$(PY) -m lab.bench $(BENCH_ARGS)

conformance: $(STAMP)
	$(PY) -m lab.conformance

clients: $(STAMP)
	$(PY) -m lab.clients

faults: $(STAMP)
	$(PY) -m lab.faults $(SLICE)

# Strict: a broken link or anchor ends it. Tables are written by `python -m lab.docs`, and a test compares them.
docs: $(STAMP)
	$(PY) -m zensical build --clean --strict

# The hour is kept in build/picture, so a second run ingests nothing. The pictures of the viewer need Chromium.
picture: $(STAMP)
	$(PY) -m pip install --disable-pip-version-check -q -c constraints.txt -e '.[browser]' --no-build-isolation
	$(PY) -m lab.picture --home build/picture
	$(PY) -m lab.picture.viewer --home build/picture

# The page is committed, so that a user needs no Node.
NODE_STAMP := viewer/node_modules/.installed
viewer: $(NODE_STAMP)
	cd viewer && npm run --silent check && npm run --silent build

$(NODE_STAMP): viewer/package.json viewer/.npmrc
	cd viewer && npm install --silent
	@touch $@

# What is missing (Chromium, Node, npm) costs the tests that need it, each with its reason.
test-viewer: $(STAMP)
	$(PY) -m pip install --disable-pip-version-check -q -c constraints.txt -e '.[browser]' --no-build-isolation
	@command -v npm >/dev/null && $(MAKE) -s $(NODE_STAMP) || echo 'test-viewer: no npm, so the page is not built again' >&2
	AGENT_TOOLS_TEST_VIEWER=1 PYTHONSAFEPATH=1 $(PY) -m pytest tests/viewer $(PYTEST_ARGS)

clean:
	rm -rf $(VENV) build dist viewer/node_modules
