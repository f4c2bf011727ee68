SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help bootstrap demo test fuzz faults fault-proof seam-kill soak check synth infra-check environments fmt schemas events bench lock image-check clean

BIN := .venv/bin
UV ?= uv
STAGE ?= dev
# Each test process has a PostGIS cluster and an AWS emulator of its own. Many tests wait for a real
# worker rather than compute, so there are five for two cores.
TEST_PROCESSES ?= $(shell n=$$(( $$(getconf _NPROCESSORS_ONLN) * 5 / 2 )); echo $$(( n < 8 ? n : 8 )))
# In the order of tests/conftest.py: by number of tests, the slowest file would begin last.
PYTEST := $(BIN)/pytest -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

bootstrap: ## Install what is missing: .venv from the lock, PostGIS
	@scripts/bootstrap.sh

environments: bootstrap
	@scripts/environments.sh

demo: bootstrap ## Run the whole service on this machine with sample data and show what happens
	@$(BIN)/nrf-worker demo

test: bootstrap environments ## Run every test; ARGS="-k lease" narrows
	@$(PYTEST) $(ARGS)

seam-kill: bootstrap ## Kill the worker 20 times at each step of a job and count what comes of it
	@SEAM_KILLS=$${SEAM_KILLS:-20} $(BIN)/pytest tests/process/test_seams.py -p no:cacheprovider -s $(ARGS)

soak: bootstrap ## Send 10,000 messages through two workers while everything goes wrong; ARGS="--messages 500"
	@$(BIN)/python -m tests.soak $(ARGS)

fuzz: bootstrap ## Spoil boundary files for a minute and see whether the reader keeps its promises; ARGS="--seconds 600"
	@$(BIN)/python -m tests.fuzz $(ARGS)

faults: bootstrap ## Run the tests of docs/faults.md three times in a row; TIMES=1, ARGS="24 31" for single rows
	@$(BIN)/python -m tests.fault_proof tests --times $(or $(TIMES),3) $(ARGS)

fault-proof: bootstrap ## Take each protection out of a copy and show that a test notices; ARGS="24 31" for single rows
	@$(BIN)/python -m tests.fault_proof prove $(ARGS)

check: bootstrap environments ## Format, lint, types and layers: what CI runs beside the tests
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --config-file infra/mypy.ini & infra=$$!; $(BIN)/mypy && wait $$infra
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/hadolint Dockerfile

fmt: bootstrap ## Format the code and mend what the linter can
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

schemas: bootstrap ## Write the JSON Schemas of the messages from their models
	@$(BIN)/python -m worker.jobs.schemas docs/schemas

events: bootstrap ## Write docs/events.md from the code and the runbook's table
	@$(BIN)/python -m scripts.events

synth: environments ## Write the CloudFormation templates of a stage to build/cdk; STAGE=prod, ARGS="--config-dir DIR"
	@.venv-infra/bin/python -m infra.app --stage $(STAGE) --output build/cdk/$(STAGE) $(ARGS)

infra-check: environments ## Tests of infra alone: every resource, cfn-lint, checkov, the worker on a deployed queue
	@$(PYTEST) tests/infra tests/process/test_deployed_queue.py $(ARGS)

bench: bootstrap ## Measure what benchmarks/README.md describes
	@$(BIN)/python -m benchmarks $(ARGS)

lock: ## Resolve the dependencies again (needs uv); add ARGS=--upgrade for newest versions
	@command -v $(UV) >/dev/null || { echo "make lock needs uv: https://docs.astral.sh/uv/"; exit 69; }
	@compile() { $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-header --override requirements-overrides.txt $(ARGS) pyproject.toml "$$@"; }; \
	compile -o requirements.lock; \
	compile --extra dev -o requirements-dev.lock; \
	echo 'setuptools>=77' | $(UV) pip compile --quiet --universal --python-version 3.11 \
		--generate-hashes --no-header --no-annotate $(ARGS) - -o requirements-build.lock; \
	for group in infra checkov; do $(UV) pip compile --quiet --universal --python-version 3.11 \
		--generate-hashes --no-header $(ARGS) --group "pyproject.toml:$$group" \
		-o "requirements-$$group.lock"; done

image-check: bootstrap ## Build the image without a container engine and run the demo in it (root, buildah)
	@scripts/image_check.sh

clean: ## Remove everything that was generated, .venv included
	@rm -rf .venv .venv-infra .venv-checkov .work build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis \
		.import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
