SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help bootstrap demo test fuzz seam-kill check fmt schemas bench lock image-check clean

BIN := .venv/bin
UV ?= uv
# Each test process has a PostGIS cluster and an AWS emulator of its own.
PYTEST := $(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

bootstrap: ## Install what is missing: .venv from the lock, PostGIS
	@scripts/bootstrap.sh

demo: bootstrap ## Run the whole service on this machine with sample data and show what happens
	@$(BIN)/nrf-worker demo

test: bootstrap ## Run every test; ARGS="-k lease" narrows
	@$(PYTEST) $(ARGS)

seam-kill: bootstrap ## Kill the worker 20 times at each step of a job and count what comes of it
	@SEAM_KILLS=$${SEAM_KILLS:-20} $(BIN)/pytest tests/process/test_seams.py -p no:cacheprovider -s $(ARGS)

fuzz: bootstrap ## Spoil boundary files for a minute and see whether the reader keeps its promises; ARGS="--seconds 600"
	@$(BIN)/python -m tests.fuzz $(ARGS)

check: bootstrap ## Format, lint, types and layers: what CI runs beside the tests
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/hadolint Dockerfile

fmt: bootstrap ## Format the code and mend what the linter can
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

schemas: bootstrap ## Write the JSON Schemas of the messages from their models
	@$(BIN)/python -m worker.jobs.schemas docs/schemas

bench: bootstrap ## Measure what benchmarks/README.md describes
	@$(BIN)/python -m benchmarks $(ARGS)

lock: ## Resolve the dependencies again (needs uv); add ARGS=--upgrade for newest versions
	@command -v $(UV) >/dev/null || { echo "make lock needs uv: https://docs.astral.sh/uv/"; exit 69; }
	@compile() { $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-header --override requirements-overrides.txt $(ARGS) pyproject.toml "$$@"; }; \
	compile -o requirements.lock; \
	compile --extra dev -o requirements-dev.lock; \
	echo 'setuptools>=77' | $(UV) pip compile --quiet --universal --python-version 3.11 \
		--generate-hashes --no-header --no-annotate $(ARGS) - -o requirements-build.lock

image-check: bootstrap ## Build the image without a container engine and run the demo in it (root, buildah)
	@scripts/image_check.sh

clean: ## Remove everything that was generated, .venv included
	@rm -rf .venv .work build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis \
		.import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
