# SPDX-License-Identifier: Apache-2.0
# The only entry points. Those that build do their own set-up; a second run does nothing twice.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# Set-up comes before what needs it, and two cores have enough to do with one build.
.NOTPARALLEL:

ERGON_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/ergon
CARGO_TARGET_DIR ?= $(ERGON_CACHE)/target
# Tests run in folders of their own, where a relative path means something else.
override ERGON_CACHE := $(abspath $(ERGON_CACHE))
override CARGO_TARGET_DIR := $(abspath $(CARGO_TARGET_DIR))
export ERGON_CACHE CARGO_TARGET_DIR

CARGO := scripts/cargo.sh
BIN := $(CARGO_TARGET_DIR)/release
# The file carries the pinned root in its name, so that another pin is another file.
MODEL_ROOT := $(shell sed -n 's/.*"weights_root": "0x\(.\{12\}\).*/\1/p' runtime/presets/models.json)
MODEL := $(ERGON_CACHE)/models/smollm2-135m-instruct-$(MODEL_ROOT).ergon
MDBOOK_VERSION := 0.5.4
MDBOOK_ROOT := $(ERGON_CACHE)/mdbook-$(MDBOOK_VERSION)
MDBOOK := $(MDBOOK_ROOT)/bin/mdbook
# Without a desktop, Mesa's layer that asks one which GPU it draws with complains on stderr.
QUIET_MESA := $(if $(XDG_RUNTIME_DIR),,NODEVICE_SELECT=1)
# The peer of the benchmark.
PEER := gpu-worker/bench/peer
PEER_MODEL := $(ERGON_CACHE)/models/smollm2-135m-instruct-q8_0.gguf
PEER_PYTHON := $(ERGON_CACHE)/bench-python
# What client scripts need to know.
CLIENT := ERGON_BIN=$(BIN) ERGON_MODEL=$(MODEL)

.PHONY: help
help: ## Show this help
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

.PHONY: setup
setup: ## Install what is missing: system packages, the wasm target
	@scripts/setup.sh

.PHONY: build
build: setup ## Build everything once, release profile
	$(CARGO) build --release --workspace --all-targets

.PHONY: demo
demo: build model client ## A real model answers a job on a dev chain with two workers
	@$(CLIENT) npm run --silent --prefix e2e demo

.PHONY: test
test: build model corpus minilm client ## Run every test: unit, property, real model, end to end
	ERGON_MODEL=$(MODEL) ERGON_CORPUS=$$(scripts/fetch-models.sh corpus) $(CARGO) test --release --workspace
	@$(MAKE) --no-print-directory test-production
	$(CLIENT) npm test --silent --prefix e2e

# With the workspace's selection of packages, so that only the runtime is compiled again.
PRODUCTION := ergon-runtime/production,ergon-runtime/development-presets

.PHONY: test-production
test-production: setup ## Run the tests of the runtime with the times and limits of a public network
	SKIP_WASM_BUILD=1 $(CARGO) test --release --workspace --features $(PRODUCTION) --test runtime

.PHONY: e2e
e2e: build model client ## Run the end-to-end tests only
	$(CLIENT) npm test --silent --prefix e2e

.PHONY: e2e-governance
e2e-governance: build model client ## Vote end to end: every track, three operators, no tokens, attacks, and a flood
	scripts/attack-tests.sh
	scripts/reproducible.sh
	next=$$(scripts/next-runtime.sh) && public=$$(scripts/runtime-wasm.sh runtimes production) && \
		$(CLIENT) ERGON_NEXT_RUNTIME=$$next ERGON_PRODUCTION_RUNTIME=$$public npm run --silent --prefix e2e governance

.PHONY: attacks
attacks: build model client ## Attack a development chain as others did, black box; print how many attacks succeed
	$(CLIENT) npm run --silent --prefix e2e attacks

.PHONY: lint
lint: setup ## Check formatting and packaging, and build everything with clippy as the compiler, warnings denied
	cargo fmt --all --check
	scripts/check-packaging.sh
	$(CARGO) build --release --workspace --all-targets

.PHONY: bench
bench: setup model peer ## Measure the engine against llama.cpp, production profile; ADAPTER=... chooses the GPU
	$(QUIET_MESA) $(CARGO) run --quiet --profile production --package ergon-bench -- --model $(MODEL) --gguf $(PEER_MODEL) \
		--peer $(PEER) --out target/bench --adapter $(or $(ADAPTER),auto)

# It runs the WebAssembly that the build of the runtime makes with these features.
.PHONY: bench-chain
bench-chain: setup ## Measure how many whole job lives a block of a public network holds
	$(CARGO) test --quiet --release --workspace --features $(PRODUCTION) --bench chain

# llama.cpp, prebuilt, and our model in its 8-bit encoding.
.PHONY: peer
peer: $(PEER)/node_modules/.package-lock.json $(PEER_MODEL)

$(PEER)/node_modules/.package-lock.json: $(PEER)/package-lock.json
	@echo "bench: installing llama.cpp" >&2
	npm ci --silent --ignore-scripts --prefix $(PEER)
	@touch $@

$(PEER_MODEL): $(PEER)/q8_0.py $(PEER)/requirements.txt
	@echo "bench: making $@" >&2
	@python3 -m venv $(PEER_PYTHON)
	@$(PEER_PYTHON)/bin/pip install --quiet --disable-pip-version-check --requirement $(PEER)/requirements.txt
	@source=$$(scripts/fetch-models.sh gguf) && $(PEER_PYTHON)/bin/python $(PEER)/q8_0.py "$$source" $@

.PHONY: web
web: build model gpu-worker/web/node_modules/.package-lock.json ## Put the page that computes in a browser, with two layers of the model, into target/web
	@mkdir -p target/web && cp -r gpu-worker/web/. target/web
	$(BIN)/ergon-worker web --model $(MODEL) --layers 2 --out target/web/program
	@echo "To look at it: python3 -m http.server --directory target/web"

FUZZ_MINUTES ?= 1
FUZZ_TARGETS ?= gguf huggingface artifact chat tokenizer

# Without a sanitizer, which stable Rust doesn't have: the engine's only unsafe code is in kernels, and these targets count allocations.
.PHONY: fuzz
fuzz: setup ## Fuzz the parsers and the chat template, FUZZ_MINUTES each of FUZZ_TARGETS
	@command -v cargo-fuzz >/dev/null || { echo "fuzz: cargo-fuzz is missing; 'cargo install --locked cargo-fuzz' installs it" >&2; exit 1; }
	ERGON_FUZZ_CORPUS=$(CURDIR)/gpu-worker/engine/fuzz/corpus $(CARGO) test --release --workspace --test hostile
	cd gpu-worker/engine && for target in $(FUZZ_TARGETS); do \
		CARGO_TARGET_DIR=$(CARGO_TARGET_DIR)/fuzz cargo fuzz run --sanitizer none $$target -- \
			-max_total_time=$$((60 * $(FUZZ_MINUTES))) -max_len=16384 -timeout=30 -rss_limit_mb=2048; \
	done

.PHONY: benchmarks
benchmarks: setup ## Measure the weights of our pallets and write them, in a target folder of its own
	@scripts/benchmarks.sh

.PHONY: metadata
metadata: setup ## Write the runtime's metadata for the worker's chain client
	ERGON_WRITE_METADATA=1 $(CARGO) test --release --workspace --test metadata

.PHONY: runtime-hash
runtime-hash: setup ## Build the runtime of a public network; print its path and hash, which is the same in any folder
	@scripts/runtime-wasm.sh runtimes production

.PHONY: reproducible
reproducible: setup ## Build the runtime of a public network in two folders and compare the bytes
	@scripts/reproducible.sh

.PHONY: next-runtime
next-runtime: setup ## Build the runtime after this one, to rehearse an upgrade with; print its path
	@scripts/next-runtime.sh

.PHONY: docs
docs: setup $(MDBOOK) ## Build the book (docs/) into target/book
	$(MDBOOK) build docs

# In a target folder of its own, which goes away: it shares nothing with our build.
$(MDBOOK):
	@echo "docs: installing mdbook $(MDBOOK_VERSION) into $(MDBOOK_ROOT): once, some minutes" >&2
	CARGO_TARGET_DIR=$(MDBOOK_ROOT)/target cargo install --quiet --locked --force --root $(MDBOOK_ROOT) \
		mdbook --version $(MDBOOK_VERSION) --no-default-features --features search
	@rm -r $(MDBOOK_ROOT)/target

# The imported model and the text for perplexity; cached outside of the checkout, checked by hash.
.PHONY: model
model: $(MODEL)

$(MODEL):
	@$(MAKE) --no-print-directory build >&2
	@mkdir -p $(dir $@)
	@source=$$(scripts/fetch-models.sh gguf) && $(BIN)/ergon-worker model import "$$source" --out $@ >&2

.PHONY: corpus
corpus:
	@scripts/fetch-models.sh corpus >/dev/null

.PHONY: minilm
minilm:
	@scripts/fetch-models.sh minilm >/dev/null

.PHONY: client
client: e2e/node_modules/.package-lock.json gpu-worker/web/node_modules/.package-lock.json

%/node_modules/.package-lock.json: %/package-lock.json
	@echo "installing the JavaScript packages of $*" >&2
	npm ci --silent --prefix $*
	@touch $@

.PHONY: model-path
model-path: model ## Print the path of the imported model
	@echo $(MODEL)

.PHONY: corpus-path
corpus-path: ## Print the path of the State of the Union 2015 text
	@scripts/fetch-models.sh corpus
