# Commands of the house. `make` alone lists them.
.DEFAULT_GOAL := help
.PHONY: help demo cases test acceptance peers conformance evidence observability drills bench fuzz check

CARGO ?= cargo
PYTHON ?= python3

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## Play an agent's session through the gateway, step by step; STAY=1 leaves it running
	@echo "== building postern (debug profile; some minutes the first time)"
	@$(CARGO) build --locked --bin postern
	@$(PYTHON) examples/quickstart/demo.py

cases: ## The five cases of exceptions, each told step by step; the last line counts them
	@echo "== building postern (debug profile; some minutes the first time)"
	@$(CARGO) build --locked --bin postern
	@$(PYTHON) examples/cases.py

test: ## Set up and run everything: Rust tests, black boxes, real peers, the demo
	@bash tests/all.sh

acceptance: ## The black boxes alone; the last line counts them
	@bash tests/all.sh acceptance

peers: ## Clients and tool servers that are not ours, through the gateway
	@bash tests/all.sh peers

conformance: ## The official conformance suite of MCP through the gateway; the last line counts its checks
	@bash tests/all.sh conformance

evidence: ## The log of a running gateway, verified by software that is not ours; the last line counts
	@bash tests/all.sh evidence

observability: ## Shipped rules, routes and dashboard with the real Prometheus and Alertmanager; the last line counts
	@bash tests/all.sh observability

drills: ## Outages with their timelines, and the count of what each use leaves; DRILL_CALLS=10000
	@bash tests/all.sh drills

bench: ## Benchmarks of the hot path (release profile, long)
	@echo "== benchmarks; the optimised build takes some minutes"
	@$(CARGO) bench --locked --bench hot_path

fuzz: ## Fuzz targets in turn, SECONDS=60 each (needs cargo-fuzz; a stable compiler will do)
	@SECONDS_EACH=$(or $(SECONDS),60) bash fuzz/run.sh

check: ## Formatting and lints; a warning is a failure
	@echo "== cargo fmt"
	@$(CARGO) fmt --check
	@echo "== cargo clippy"
	@$(CARGO) clippy --locked --all-targets -- -D warnings
