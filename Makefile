# Everything that a person does here, by name. `make help` lists it.

DATA_DIR ?= /var/lib/atoll
PORT ?= 3001
HOST ?= 127.0.0.1
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
# The root tests are asked for by name.
UNIT := --workspace --exclude atoll-system-tests
export DATA_DIR PORT HOST TARGET_DIR

.DEFAULT_GOAL := help
.PHONY: help setup build dist dist-small run stop test test-system test-docs test-sdk test-api test-dist test-guest sdk fuzz bench lint deny fmt clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install what is missing on Debian or Ubuntu
	@scripts/setup.sh

dist: ## one file with everything inside: target/dist/atoll
	cargo xtask dist --embed

dist-small:
	cargo xtask dist

build: dist-small ## the programs, as `make run` starts them
	cargo build --package atoll-cli

run: setup build ## install what is missing, build, start, log in
	@scripts/run.sh

stop: ## stop what `make run` started; sandboxes that are up go on
	@scripts/stop.sh

test: dist-small ## unit and integration tests; no root needed
	scripts/nextest.sh default $(UNIT)

test-system: build ## tests of the real programs; they need root
	scripts/nextest.sh system --package atoll-system-tests

test-guest: build ## the same on a kernel with cgroup v2 alone, in QEMU
	scripts/test-guest.sh

test-docs: build ## runs every command that README.md shows
	scripts/test-docs.sh

test-sdk: build ## the SDKs against a live server: generated parts, lints, types, tests, examples
	scripts/test-sdk.sh

test-api: build ## every operation of the OpenAPI document, asked at random; API_SECONDS for longer
	scripts/test-api.sh

sdk: ## make the generated parts of the SDKs anew from openapi/atoll.json
	scripts/sdk.sh

test-dist: ## builds the one file that ships, and uses it alone in an empty folder
	cargo xtask dist --embed --profile dev --output $(TARGET_DIR)/dist/atoll-test
	scripts/test-dist.sh $(TARGET_DIR)/dist/atoll-test

fuzz: ## each parser of strangers' bytes for a moment; FUZZ_SECONDS for longer
	@mkdir -p $(TARGET_DIR)
	scripts/fuzz.sh

bench: build ## measure against Docker, runc, bubblewrap and the floor; needs root
	scripts/bench.sh

lint: ## format, clippy, the house's rules, shell scripts
	scripts/lint.sh

deny: ## licences and bans of dependencies; builds cargo-deny when it is not there
	scripts/deny.sh

fmt: ## format everything
	cargo fmt --all

clean: ## remove what was built; data stay
	cargo clean
	rm -f atoll
