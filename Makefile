# Every target does its own set-up: it needs git, an SSH client and Python >= 3.11, nothing else.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
UV = $(shell command -v uv 2>/dev/null)

.PHONY: help demo test check lint types layers conformance control-plane guide benchmarks chart clean

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(BIN)/.demo: pyproject.toml
	$(call install,demo)
	@touch $@

$(BIN)/.dev: pyproject.toml
	$(call install,dev)
	@touch $@ $(BIN)/.demo

$(BIN)/go: $(BIN)/.dev # a Go for who has none
	$(call install,control-plane)

define install
	@test -x $(BIN)/python || $(if $(UV),uv venv --quiet --python $(PYTHON) $(VENV),$(PYTHON) -m venv $(VENV))
	@echo "Installing gitops-canary[$(1)] into $(VENV)"
	@$(if $(UV),uv pip install --quiet --python $(BIN)/python -e '.[$(1)]',$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[$(1)]')
endef

demo: $(BIN)/.demo ## the whole story on this machine, in about a minute
	@$(BIN)/gitops-canary demo $(ARGS)

test: $(BIN)/.dev ## all tests that this machine can run; says which it left out and why
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

check: lint types layers test ## everything CI checks

lint: $(BIN)/.dev ## ruff
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: $(BIN)/.dev ## mypy, strict
	@$(BIN)/mypy

layers: $(BIN)/.dev ## import-linter: imports go only downward
	@$(BIN)/lint-imports

control-plane: $(BIN)/.dev ## kube-apiserver, kube-controller-manager, etcd, kubectl and helm into the cache (about 11 minutes once)
	@$(BIN)/python -m gitops_canary.sandbox.control_plane can-build || $(MAKE) --no-print-directory $(BIN)/go
	@$(BIN)/gitops-canary control-plane build

conformance: $(BIN)/.dev ## a table: the same cases on the sandbox and on a real control plane; fails when a row differs
	@GITOPS_CANARY_PLANTED_STORIES=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -p tests.conformance.report tests/conformance $(ARGS)

guide: $(BIN)/.dev ## follow docs/guide.md and print command, expected, seen; CONTROL_PLANE=real for kube-apiserver
	@$(BIN)/python -m tests.guide $(CONTROL_PLANE)

benchmarks: $(BIN)/.dev ## figures, side by side with the goals
	@for one in benchmarks/*.py; do echo "== $$one"; $(BIN)/python $$one || exit 1; done

chart: ## the chart's own copies of definitions, alert rules and dashboards, which Helm cannot read elsewhere
	@cp deploy/crds/*.*.yaml deploy/chart/crds/
	@mkdir -p deploy/chart/files/prometheus deploy/chart/files/grafana
	@cp deploy/prometheus/rules.yaml deploy/chart/files/prometheus/
	@cp deploy/grafana/*.json deploy/chart/files/grafana/ 2>/dev/null || true

clean: ## forget the virtualenv and the caches in this folder
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
