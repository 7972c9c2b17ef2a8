# Every target is one line: the work is in xtask. `make` alone lists them.
.DEFAULT_GOAL := help
SETUP := ./xtask/setup.sh

help: ## This list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

setup: ## Install what building and testing need (Debian, Ubuntu)
	@$(SETUP) test

quickstart: ## Build and start raccord with an embedded broker
	@$(SETUP) build && . ./xtask/env.sh && cargo run --release -p raccord -- quickstart $(ARGS)

build: ## Build the release binary: target/release/raccord
	@$(SETUP) build && . ./xtask/env.sh && cargo build --release -p raccord

test: ## All tests that fit in minutes: lints, unit, property, integration, recorded parity
	@$(SETUP) test && . ./xtask/env.sh && cargo xtask test

parity: ## Compare with the real Kafka Connect, live
	@$(SETUP) test && . ./xtask/env.sh && cargo xtask parity $(ARGS)

bench: ## The same work by raccord and by its peers, in one run
	@$(SETUP) test && . ./xtask/env.sh && cargo xtask bench $(ARGS)

soak: ## Kill worker and broker at random under load and count every line
	@$(SETUP) test && . ./xtask/env.sh && cargo xtask soak $(ARGS)

fuzz: ## Fuzz every parser of foreign bytes (ARGS="--minutes 10")
	@$(SETUP) test && . ./xtask/env.sh && cargo xtask fuzz $(ARGS)

deny: ## Licences, bans, sources and advisories of all dependencies
	@$(SETUP) test && . ./xtask/env.sh && cargo xtask deny

docs: ## Rewrite the generated reference pages
	@. ./xtask/env.sh && cargo xtask docs

.PHONY: help setup quickstart build test parity bench soak fuzz deny docs
