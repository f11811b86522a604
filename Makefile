# Everything works from a fresh clone with nothing but Python 3.11+ and make.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help up down status logs reset airflow test test-fast test-database test-containers test-wheel soak lint audit bench reference pictures lock venv

# The newest Python that fits; another one: make PYTHON=/path/to/python up
PYTHON ?= $(shell for each in python3 python3.13 python3.12 python3.11 python3.14; do \
	$$each -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null && echo $$each && exit; \
	done; echo python3)
BIN := .venv/bin
# Settings may stand in the environment, in .env or behind the target: make up DATA_DIR=/somewhere
# PYTHONPATH of the caller must not reach our processes. Nor may they compile all that they import anew each time.
unexport PYTHONPATH PYTHONDONTWRITEBYTECODE

help: ## Show all commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

venv:
	@$(PYTHON) -I stack/bootstrap.py

up: venv ## Start everything, run the first sync, print addresses and passwords
	@$(BIN)/python -m stack up

down: venv ## Stop everything; data stays
	@$(BIN)/python -m stack down

status: venv ## Show what runs and what the last sync did
	@$(BIN)/python -m stack status || [ $$? -eq 3 ] # 3: down

logs: venv ## Show the logs; follow one component: make logs COMPONENT=scheduler FOLLOW=1
	@$(BIN)/python -m stack logs $(COMPONENT) $(if $(FOLLOW),--follow)

reset: venv ## Stop everything and delete all data (CONFIRM=yes: without asking)
	@$(BIN)/python -m stack reset $(if $(filter yes,$(CONFIRM)),--yes)

airflow: venv ## Airflow's own command line: make airflow ARGS="dags list"
	@$(BIN)/python -m stack airflow -- $(ARGS)

# From Python 3.12 on the interpreter itself tells which lines run. Before, each line is traced, which costs a
# quarter to two thirds more of Python's time: there ask for it, make test ARGS=--cov
COVERAGE = $(shell $(BIN)/python -c 'import sys; sys.version_info >= (3, 12) and print("--cov")')

# File by file, in the order of tests/conftest.py.
SPREAD = --dist loadfile --no-loadscope-reorder

# Four beside each other on two cores: many wait for servers to start, and for time to pass.
test: venv ## Run all tests, long-running ones with small counts; with coverage from Python 3.12 on
	$(BIN)/python -m pytest -n 4 $(SPREAD) $(COVERAGE) $(ARGS)

test-fast: venv ## Run the tests that need neither Airflow nor PostgreSQL; about a minute
	$(BIN)/python -m pytest -n 2 $(SPREAD) -m "not slow and not airflow and not chaos and not database" $(ARGS)

test-database: venv ## Run the tests that need PostgreSQL, with that whose programs are in the folder TEST_POSTGRES
	$(BIN)/python -m pytest -n 4 $(SPREAD) -m "database and not slow and not airflow and not chaos" $(ARGS)

test-containers: venv ## Run docker-compose.yaml on Docker: build, sync, restart, upgrade, restore, killed workers
	CONTAINERS=1 $(BIN)/python -m pytest --log-cli-level=INFO tests/containers $(ARGS)

test-wheel: venv ## Install the wheel into Airflow 3.2 and 3.3, and with the oldest packages it takes, and sync the sandbox
	SOAK=1 $(BIN)/python -m pytest tests/wheel $(ARGS)

soak: venv ## Run the fault, load and property tests with large counts; hours
	SOAK=1 $(BIN)/python -m pytest -m "chaos or slow or hypothesis" $(ARGS)

lint: venv ## Style, formatting and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

audit: venv ## Check the locked packages for known vulnerabilities
	$(BIN)/uvx pip-audit@2.10.1 --requirement requirements.txt --no-deps --disable-pip --strict

bench: venv ## Measure speed and calls; results in benchmarks/results
	@for each in benchmarks/*.py; do [ -e "$$each" ] || continue; \
		echo "== $$each"; PYTHONPATH=plugins:. $(BIN)/python "$$each" $(ARGS) || exit 1; done

reference: venv ## Write the pages that are made from the code: settings, views and their answers
	WRITE_REFERENCE=1 $(BIN)/python -m pytest -q -k the_rendered_one \
		tests/reconciliation/settings/test_reference.py tests/reconciliation/web/test_views.py \
		tests/reconciliation/test_data_team.py

pictures: venv ## Write the pictures of the pages anew (needs Chromium)
	WRITE_PICTURES=docs/images $(BIN)/python -m pytest -q -n 0 -k axe tests/reconciliation/web/test_in_a_browser.py

lock: venv ## Resolve pyproject.toml into requirements.txt and requirements-image.txt, with the newest versions
	$(BIN)/uv pip compile pyproject.toml --group sandbox --group dev --universal --python-version 3.11 \
		--no-header --quiet --upgrade -o requirements.txt
	@# What is in the file already is preferred: the image gets the same versions wherever it can.
	cp requirements.txt requirements-image.txt
	$(BIN)/uv pip compile pyproject.toml --group image --universal --python-version 3.11 \
		--no-header --quiet -o requirements-image.txt
