# The front door. `make help` lists the targets.

PYTHON ?= python3
PORT ?= 8000
WEB_PORT ?= 3000
ARGS ?=
# The tests wait more than they work: more workers than cores.
WORKERS ?= 4

ifeq ($(OS),Windows_NT)
BIN := .venv/Scripts
else
BIN := .venv/bin
endif

# A file stays in one worker, so that what it runs is started once. Files begin in the order of the
# collection: the long ones first.
IN_PARALLEL = --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

# Each worker would compile every test anew, and hypothesis, which is a plugin of pytest.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help run example token migrate quick test check lint types integration bench cluster \
	free-port free-web-port newer-node

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: free-port .venv/run .env ## Start the server on PORT (default 8000); it reloads when the code changes
	$(BIN)/uvicorn main:app --reload --port $(PORT)

example: free-port free-web-port newer-node .venv/run .env examples/nextjs/node_modules ## Start it with a front end on WEB_PORT: http://localhost:3000 (needs node)
	cd examples/nextjs && npm run setup
	@# The page of a server that has ended would use another one on the same port.
	@export BETTER_AUTH_URL=http://localhost:$(WEB_PORT); \
	$(BIN)/uvicorn main:app --port $(PORT) & api=$$!; \
	(cd examples/nextjs && NEXT_TELEMETRY_DISABLED=1 NEXT_PUBLIC_API_URL=http://localhost:$(PORT) \
		exec node node_modules/next/dist/bin/next dev --port $(WEB_PORT)) & web=$$!; \
	trap 'kill $$api $$web 2>/dev/null; wait' EXIT; trap 'exit 130' INT TERM; \
	while kill -0 $$api && kill -0 $$web; do sleep 1; done 2>/dev/null; \
	echo "The server or the front end has ended, and so does the other" >&2; exit 1

# Asked before anything is installed or started: the page would use the server that is there.
define refuse_taken_port
@for host in 127.0.0.1 ::1; do \
	! $(PYTHON) -c 'import socket, sys; socket.create_connection((sys.argv[1], $($(1))), 1)' $$host 2>/dev/null \
	|| { echo "Port $($(1)) is taken: make $(strip $(MAKECMDGOALS) $(filter-out $(1)=%,$(MAKEOVERRIDES))) $(1)=$$(($($(1)) + 1))" >&2; exit 1; }; \
done
endef

free-port:
	$(call refuse_taken_port,PORT)

free-web-port:
	$(call refuse_taken_port,WEB_PORT)

newer-node:
	@command -v npm >/dev/null \
	&& node -e 'process.exit(process.versions.node.localeCompare("20.9", "en", {numeric: true}) < 0 ? 1 : 0)' \
	|| { echo "node 20.9 or newer is needed, with npm (https://nodejs.org); found: $$(node --version 2>/dev/null || echo none)" >&2; exit 1; }

token: .venv/run .env ## Print a token for USER_ID (default demo), good for an hour
	@$(BIN)/python dev_token.py

migrate: .venv/run ## Migrate the tables, as a start does, in the database of NEON_DATABASE_URL
	$(BIN)/python -m migrations

quick: .venv/dev ## Run the tests that need SQLite alone, with few examples (ARGS as for test)
	$(BIN)/python -m pytest --quick --hypothesis-profile quick --numprocesses 2 $(ARGS)

test: .venv/dev ## Run the tests, on PostgreSQL and on SQLite (ARGS="-k isolation": some of them)
	$(BIN)/python -m pytest $(IN_PARALLEL) $(ARGS)

check: .venv/dev lint types ## Lint, types, tests and coverage: what CI runs
	@# Alembic executes migrations in a way that slipcover does not see.
	$(BIN)/python -m slipcover --branch --source . --omit 'tests/*,benchmarks/*,migrations/*,.venv/*' \
		--json --out .coverage.json -m pytest $(IN_PARALLEL)
	@# With --fail-under, slipcover reads what the workers measured only once, and prints without it.
	$(BIN)/python -m slipcover --branch --skip-covered --fail-under 95 \
		--merge .coverage.json --out .coverage.json

integration: .venv/dev examples/nextjs/node_modules ## Run the README's commands, and the tests that need node, PgBouncer, nginx, Chromium and buildah
	cd tests/integration && npm ci --no-audit --no-fund
	$(BIN)/python -m pytest -m integration --numprocesses 2 --dist loadfile $(ARGS)

bench: .venv/dev ## Measure the service against 1.1.0, the plan's code and peers (Linux; needs wrk)
	$(BIN)/python -m benchmarks.run --keep

cluster: .venv/dev ## Fail and replace machines under load (Linux; needs nginx and PgBouncer)
	$(BIN)/python -m benchmarks.cluster

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/dev
	$(BIN)/mypy .

# The virtual environment; its marks say which requirements are in it. Nothing goes to stdout, so
# that TOKEN=$(make token) holds a token.
.venv/run: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make $(or $(MAKECMDGOALS),run) PYTHON=python3.13")'
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@echo "Installing the requirements into .venv" >&2
	@$(BIN)/python -m pip install --disable-pip-version-check -r requirements.txt >&2
	@touch $@

.venv/dev: requirements-dev.txt requirements-otel.txt requirements-mcp.txt .venv/run
	@$(BIN)/python -m pip install --disable-pip-version-check -r requirements-dev.txt >&2
	@touch $@

examples/nextjs/node_modules: examples/nextjs/package-lock.json
	cd examples/nextjs && npm ci --no-audit --no-fund
	@touch $@

.env:
	@echo "Writing .env with a new secret" >&2
	@$(PYTHON) -c "import os, pathlib, secrets; example = pathlib.Path('.env.example').read_text(encoding='utf-8'); \
	mine = lambda path, flags: os.open(path, flags, 0o600); \
	open('.env', 'x', encoding='utf-8', opener=mine).write(example.replace('your-32-char-secret-here', secrets.token_urlsafe(32)))"
