# Needs make and Python 3.11 or newer; everything else is fetched into .venv and .local.

PYTHON ?= python3
UV_VERSION := 0.13.9
STACK := .venv/bin/python -m local_stack
TOOLS := .venv/bin/python -m tools
# More arguments for pytest, for instance TEST_ARGS="-k orders -x".
TEST_ARGS ?=
# For `make bench`: one case alone, such as place_order.
BENCH ?=
# For `make chaos`.
MINUTES ?= 10
# For `make chaos-full`: so many scenarios at a time.
LANES ?= 2
# For `make footprint`.
SECONDS ?= 30
# For `make replay`: so many times what the file sells is received into stock first.
STOCK ?= 1.0

SYNC := VIRTUAL_ENV= UV_PYTHON_DOWNLOADS=never .venv/bin/uv sync --quiet --locked --all-extras --inexact --compile-bytecode --python .venv/bin/python >&2
NOT_INSTALLED := echo "The dependencies could not be installed: see above. Where PyPI can't be reached, set HTTPS_PROXY or UV_DEFAULT_INDEX." >&2; exit 1

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help setup up down status logs restart trail traces replay footprint reset bench chaos chaos-full drill drill-alerts test test-long check audit check-compose kubernetes check-kubernetes kafka-lock

help:  ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "  make %-16s %s\n", $$1, $$2}'

setup: .venv/locked-dev  ## Make .venv with the locked dependencies

# Both again only when the lock changes. A running shop needs a third of what tests and checks need, and is up sooner.
.venv/locked: uv.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "Online Mart needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1 | head -1). Name another one: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	@test -x .venv/bin/python || { echo "Making .venv ..." >&2; $(PYTHON) -m venv .venv >&2; } || { \
	    echo "No virtual environment could be made. On Debian and Ubuntu, install the package python3-venv." >&2; rm -rf .venv; exit 1; }
	@test "$$(.venv/bin/uv --version 2>/dev/null | cut -d' ' -f2)" = $(UV_VERSION) || { \
	    echo "Installing uv $(UV_VERSION) ..." >&2; .venv/bin/python -m pip install --quiet uv==$(UV_VERSION) >&2; } || { \
	    echo "uv could not be had from PyPI: is there a network, or does pip need a proxy (HTTPS_PROXY) or a mirror (PIP_INDEX_URL)?" >&2; exit 1; }
	@echo "Installing the locked dependencies ..." >&2
	@$(SYNC) --no-default-groups || { $(NOT_INSTALLED); }
	@touch $@

.venv/locked-dev: .venv/locked
	@echo "Installing what tests and checks need ..." >&2
	@$(SYNC) || { $(NOT_INSTALLED); }
	@touch $@

up: .venv/locked  ## Start everything, and print where it is and who may sign in
	@$(TOOLS) up

down: .venv/locked  ## Stop everything; the data stays
	@$(STACK) down

status: .venv/locked  ## Each part: up, ready, consumer lag, events not published yet
	@$(STACK) status

logs: .venv/locked  ## Follow the logs (SERVICE=order for one)
	@$(STACK) logs $(SERVICE)

restart: .venv/locked  ## Restart one part (SERVICE=order); the others keep running
	@test -n "$(SERVICE)" || { echo "Name the part: make restart SERVICE=order" >&2; exit 1; }
	@$(STACK) restart $(SERVICE)

replay: .venv/locked  ## Replay a real shop's month and reconcile it (FILE=path.csv.gz STOCK=0.8 TAX=gb)
	@$(TOOLS) replay --stock "$(STOCK)" $(if $(TAX),--tax "$(TAX)") $(if $(FILE),"$(FILE)")

trail: .venv/locked  ## One order's way through all services (ORDER=100001)
	@test -n "$(ORDER)" || { echo "Name the order: make trail ORDER=100001" >&2; exit 1; }
	@$(TOOLS) trail $(ORDER)

traces: .venv/locked  ## Record the spans of a running shop, and show them in Zipkin
	@$(STACK) traces

footprint: .venv/locked  ## CPU and memory of one part of the running shop (SERVICE=console SECONDS=30)
	@test -n "$(SERVICE)" || { echo "Name the part: make footprint SERVICE=console" >&2; exit 1; }
	@$(TOOLS) footprint $(SERVICE) --seconds $(SECONDS)

reset: .venv/locked  ## Stop everything and delete its data; .env stays
	@$(STACK) reset

test: setup  ## Run all tests, beside a running shop too (TEST_ARGS="-k orders")
	@$(TOOLS) test -n auto --dist loadgroup -m "not long" $(TEST_ARGS)

test-long: setup  ## Run all tests, and the long ones
	@$(TOOLS) test -n auto --dist loadgroup $(TEST_ARGS)

bench: setup  ## Measure the hot paths, each beside its limit or an alternative implementation (BENCH=place_order for one)
	@.venv/bin/python -m benchmarks $(BENCH)

chaos: setup  ## Break a shop of its own while customers buy, then check its books (MINUTES=10 SEED=1 FAULT=kill-broker)
	@.venv/bin/python -m tests.chaos --minutes $(MINUTES) $(if $(SEED),--seed $(SEED)) $(if $(FAULT),--fault $(FAULT))

chaos-full: setup  ## Every scenario of faults and all long tests, for hours; docs/reliability.md has the table (SCENARIO=kill-broker LANES=2)
	@.venv/bin/python -m tests.chaos.full --lanes $(LANES) $(SCENARIO)

drill: setup  ## What operators do, on a shop of its own while customers buy; then check its books (NAME=restore, restore-all, primary, brokers, rotation)
	@.venv/bin/python -m tests.drills $(NAME)

drill-alerts: setup  ## Break a shop of its own, and see each alert fire in a real Prometheus and end (FAULT=3,7)
	@.venv/bin/python -m tests.monitoring.drill $(if $(FAULT),--fault $(FAULT))

check: setup  ## Format, lint, types, layers, migrations, lengths, lock, secrets, manifests, a short benchmark, then all tests
	@$(TOOLS) check >&2
	@.venv/bin/python -m benchmarks check >&2
	@$(MAKE) test

audit: setup  ## Known vulnerabilities of the dependencies, secrets in the tree, a bill of materials (.local/audit)
	@$(TOOLS) audit

check-compose: setup  ## Build the images, start the shop with Docker, pay an order, kill a container; then delete it all
	@$(TOOLS) check-compose

kubernetes: setup  ## Generate and render deploy/kubernetes (needs kustomize 5; KUSTOMIZE="kubectl kustomize" for another)
	@KUSTOMIZE="$(KUSTOMIZE)" $(TOOLS) kubernetes

check-kubernetes: setup  ## Install the overlay local in a real cluster and check it there: see deploy/README.md (KUBECTL= LOAD_IMAGE= CRDS= STEPS=)
	@KUBECTL="$(KUBECTL)" LOAD_IMAGE="$(LOAD_IMAGE)" CRDS="$(CRDS)" DNS_ADDRESS="$(DNS_ADDRESS)" BUILD="$(BUILD)" \
	    $(TOOLS) check-kubernetes $(if $(FILE),--file "$(FILE)") $(STEPS)

kafka-lock: setup  ## Renew the lock of Kafka's jars (needs Maven; VERSION=4.1.1)
	@$(STACK) kafka-lock $(VERSION)
