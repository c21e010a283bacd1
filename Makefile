# `make demo` runs the main job, `make test` passes the tests; both make .venv when it is not there, and reuse it.
# Another Python or another place: make test PYTHON=python3.12 VENV=.venv312

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
R_VENV ?= .venv-r
# R loads the system's libpython whatever Python the environment is from; with another's modules it has no https
R_PYTHON ?= $(shell for p in /usr/bin/python3 "$(PYTHON)"; do \
	$$p -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
# TensorFlow's start-up notes are of no use to who runs these.
export TF_CPP_MIN_LOG_LEVEL ?= 2

.PHONY: demo test test-all test-r lint tables docs r-env r-check test-r-package help

help:
	@echo "make demo      train, explain, export and check LeNet-5 on real digits; opens as runs/lenet5_mnist/report.html"
	@echo "make test      lint and the tests (what CI runs)"
	@echo "make test-all  the same, and the slow tests"
	@echo "make r-env     a Python for the R package reticulate that is here; the R tests then use it"
	@echo "make test-r    the scripts of examples/r, whose numbers must equal Python's, and the vignette"
	@echo "make test-r-package  the tests of the R package in r/, also the long ones"
	@echo "make r-check   R CMD check of the R package in r/: its help, examples, tests and vignettes"
	@echo "make docs      the documents and the reference of all functions as a site: docs/_build/html/index.html"
	@echo "make tables    write the documents' tables anew from the registry"

$(VENV)/.installed: setup.cfg pyproject.toml
	@test -n "$(PYTHON)" || { echo "no Python found: install Python 3.11, or say make PYTHON=/path/to/python"; exit 1; }
	@echo "== making $(VENV) with $$($(PYTHON) --version), once; about two minutes and 3 GB"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --no-compile --editable '.[dev]'
	@touch $@

demo: $(VENV)/.installed
	@echo "== using $(VENV)"
	$(BIN)/zoo train lenet5_mnist --out runs/lenet5_mnist --overwrite

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

test: $(VENV)/.installed lint
	@echo "== using $(VENV)"
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

test-all: $(VENV)/.installed lint
	$(BIN)/python -m pytest -n 2 --dist worksteal

# The scripts of examples/r beside Python, the vignette, and all tests of the R package; each starts R anew, which `make test` has no time for
test-r: $(VENV)/.installed
	$(BIN)/python -m pytest -n 2 --dist worksteal -m slow tests/r/test_r.py

# The long tests of the R package in r/; `make test` runs the short ones
test-r-package: $(VENV)/.installed
	$(BIN)/python -m pytest tests/r/test_package.py

# The R package as CRAN checks it, by the Python of R_VENV; its vignettes are executed once, by the build
r-check:
	@test -x $(R_VENV)/bin/python || { echo "no $(R_VENV): make r-env makes it"; exit 1; }
	rm -rf build/r && mkdir -p build/r
	cd build/r && RETICULATE_PYTHON=$(abspath $(R_VENV))/bin/python R CMD build $(CURDIR)/r
	cd build/r && RETICULATE_PYTHON=$(abspath $(R_VENV))/bin/python _R_CHECK_FORCE_SUGGESTS_=false \
		R CMD check --no-manual --no-vignettes $(R_CHECK_OPTIONS) fieldzoo_*.tar.gz
	@! grep -E "^Status:.*(ERROR|WARNING)" build/r/fieldzoo.Rcheck/00check.log

tables: $(VENV)/.installed
	$(BIN)/python -m recipes.reference.document_tables

docs: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --no-compile --editable '.[docs]'
	$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going docs docs/_build/html
	@echo "docs/_build/html/index.html"

# An older reticulate reads neither NumPy 2's arrays nor pandas 3's frames; `zoo$$r_check()` knows the same limits.
r-env:
	@command -v Rscript >/dev/null || { echo "no Rscript found: install R, then its package reticulate"; exit 1; }
	@Rscript -e 'cat("== for reticulate", as.character(packageVersion("reticulate")), "\n")'
	@test -n "$(R_PYTHON)" || { echo "no Python found: install Python 3.11, or say make r-env R_PYTHON=/path/to/python"; exit 1; }
	$(R_PYTHON) -m venv $(R_VENV)
	$(R_VENV)/bin/python -m pip install --quiet --upgrade pip
	$(R_VENV)/bin/python -m pip install --quiet --no-compile --editable '.[serve,raster,shap]' $$(Rscript -e 'v <- packageVersion("reticulate"); \
		cat(if (v < "1.41") "numpy<2 pyarrow<21", if (v < "1.45") "pandas<3")')
	@# reticulate adds site-packages to the path without reading the .pth files in it, so it needs the packages there
	ln -sfn $(CURDIR)/zoo $(CURDIR)/recipes $$($(R_VENV)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
	@echo "RETICULATE_PYTHON=$(abspath $(R_VENV))/bin/python"
	@cd / && RETICULATE_PYTHON=$(abspath $(R_VENV))/bin/python Rscript -e 'invisible(reticulate::import("zoo")$$r_check())'
