# Everything that is done with Skyrail from a clone. Plain `make` is the whole check, the same that CI runs.
# It needs git, make and Python 3.11 to 3.13; all else is installed into .venv and .cache here.

.DEFAULT_GOAL := check
.PHONY: check up venv lint test e2e e2e-full docs bench image image-check compose-check

BIN := .venv/bin
# Flags of the command behind a target: make up ARGS="--port 8081", make test ARGS="tests/unit/cli"
ARGS ?=
# The Python to use; if empty, the newest that fits.
PYTHON ?=

# Lint and test.
check: lint test

# Start the whole platform on this machine.
up: .venv/.installed
	@exec $(BIN)/skyrail up $(ARGS)

# The environment alone, for `.venv/bin/skyrail`: to install on a cluster, for one.
venv: .venv/.installed

# Style, types, and the contracts between layers.
lint: .venv/.installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

# All tests, in three processes: most of them wait for processes of their own.
test: .venv/.installed
	$(BIN)/pytest --numprocesses 3 $(ARGS)

# One install of the chart on the cluster of KUBECONFIG, which has the images: minutes. It needs kubectl and helm.
e2e: .venv/.installed
	$(BIN)/pytest tests/e2e --ignore tests/e2e/full --timeout 900 $(ARGS)

# What takes longer there: upgrades under load, pods that die, other installs. SKYRAIL_E2E_NEXT is the tag of a second
# build of the images that the nodes have, too: make image TAG=next
e2e-full: .venv/.installed
	$(BIN)/pytest tests/e2e/full --timeout 2400 $(ARGS)

# Make docs/reference/ from the code.
docs: .venv/.installed
	$(BIN)/python docs/generate.py

# Measure Skyrail beside stock Airflow, in the same run.
bench: .venv/.installed
	$(BIN)/python -m bench $(ARGS)

# Build the images. EXTRAS are more of the package's optional dependencies: make image EXTRAS="examples gcs azure"
EXTRAS ?= examples
# Packages of Debian to add: DEBIAN_EXTRAS=graphviz
DEBIAN_EXTRAS ?=
# Certificates that the package index needs beyond Debian's: by default those that were added to this machine.
IMAGE_CA ?= $(wildcard /usr/local/share/ca-certificates/*.crt)
# More for `docker build`, such as --network host.
IMAGE_ARGS ?=
# The images' tag. Checks and the compose file take another by the variable SKYRAIL_VERSION.
TAG ?= $(VERSION)
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
image:
	@for target in skyrail mlflow store; do \
		docker build --target $$target --tag skyrail/$$target:$(TAG) \
			--build-arg EXTRAS="$(EXTRAS)" --build-arg DEBIAN_EXTRAS="$(DEBIAN_EXTRAS)" \
			--build-arg EXTRA_CA="$$(cat /dev/null $(IMAGE_CA))" --build-arg PIP_INDEX_URL --build-arg UV_DEFAULT_INDEX \
			--build-arg VERSION=$(VERSION) --build-arg REVISION="$$(git rev-parse HEAD 2>/dev/null)" \
			$(IMAGE_ARGS) . || exit 1; \
	done

# The images as they were built: sizes by package, every part as any user on a read-only root, no secret inside.
image-check: .venv/.installed
	SKYRAIL_VERSION=$(TAG) $(BIN)/python -m bench image
	SKYRAIL_VERSION=$(TAG) SKYRAIL_REQUIRE_ALL=1 $(BIN)/pytest tests/image/test_image.py tests/image/parts.py --timeout 700

# The compose file on this machine's engine, with a project of its own: some minutes.
compose-check: .venv/.installed
	$(BIN)/python -m tests.compose.live

# The environment, exactly as uv.lock says. It is made again only when that changes, so that all else works offline.
# Bytecode is compiled here: a task is a new process, and would compile each module that it imports.
.venv/.installed: uv.lock pyproject.toml
	@found=; for python in $(PYTHON) python3.13 python3.12 python3.11 python3 python; do \
		if "$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then break; fi; \
		version=$$("$$python" --version 2>/dev/null) && found="$$found $$python is $$version."; python=; \
	done; \
	if test -z "$$python"; then \
		echo "Skyrail needs Python 3.11, 3.12 or 3.13.$${found:- There is no Python on the PATH.}" >&2; \
		echo "Install one (Debian, Ubuntu: apt install python3 python3-venv; macOS: brew install python@3.13)," >&2; \
		echo "or say where it is: make up PYTHON=/path/to/python3.13" >&2; \
		exit 1; \
	fi; \
	uv=$$(command -v uv) || { uv=.cache/uv-venv/bin/uv; test -x $$uv; } || { \
		echo "Installing uv into .cache/uv-venv"; \
		rm -rf .cache/uv-venv; \
		"$$python" -m venv .cache/uv-venv || { rm -rf .cache/uv-venv; \
			echo "$$python cannot make a virtual environment." >&2; \
			echo "Install its venv module (Debian, Ubuntu: apt install python3-venv) and try again." >&2; exit 1; }; \
		.cache/uv-venv/bin/python -m pip install --quiet --disable-pip-version-check uv || { rm -rf .cache/uv-venv; \
			echo "pip could not install uv, for the reason above. A network is needed this once." >&2; exit 1; }; \
	}; \
	echo "Installing what uv.lock names into .venv"; \
	env -u PYTHONDONTWRITEBYTECODE -u VIRTUAL_ENV UV_PYTHON_DOWNLOADS=never \
		$$uv sync --frozen --all-extras --compile-bytecode --python "$$python"
	@touch $@
