# The two commands people need are `demo` and `test`; both set up what they need themselves.

CARGO ?= cargo
NODE_FOR_TESTS := $(CURDIR)/target/tools/node/bin
# What a person's own builds left must not change what tests see.
CACHE_FOR_TESTS := $(CURDIR)/target/tools/cache

.PHONY: demo generate test test-quick test-rust test-wrapper test-every-call check-features lint doc docs pictures deny fuzz bench tools

# Without AWS, load tests and OpenTelemetry, which take more than half of a build's time.
DEMO := --package fnlocal --no-default-features
demo:
	@echo "Building fnlocal, which takes some minutes the first time." >&2
	$(CARGO) build $(DEMO)
	$(CARGO) run --quiet $(DEMO) -- dev examples/auction

test: tools lint test-wrapper test-rust

# Everything a test needs and this machine lacks: a Docker engine, a Node.js that strips types.
tools:
	.ci/tools

# Set up by itself, since it is also run alone.
lint:
	.ci/tools lint
	.ci/paths
	.ci/words
	target/tools/lint/bin/typos
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --quiet -- -D warnings
	$(MAKE) --no-print-directory doc
	cd wrapper-js && npm run --silent check

# The book of docs/, in target/book. Installs mdBook into target/tools if it is missing.
MDBOOK := $(CURDIR)/target/tools/mdbook/bin/mdbook
docs:
	test -x $(MDBOOK) || $(CARGO) install mdbook --locked --root target/tools/mdbook
	$(MDBOOK) build docs

# The pictures of README.md and docs/. Wants Chromium, which `.ci/tools` installs.
pictures:
	$(CARGO) build --workspace
	PATH="$(NODE_FOR_TESTS):$$PATH" .ci/pictures

# Links of comments lead somewhere, if only for those who read private items.
doc:
	RUSTDOCFLAGS="-D warnings -A rustdoc::private-intra-doc-links" $(CARGO) doc --workspace --no-deps --document-private-items --quiet

# Writes the files that code describes: the types of `config`, and pages of the reference in docs/.
generate:
	FNLOCAL_WRITE_GENERATED=1 $(CARGO) test --workspace --quiet --test project generated::the
	FNLOCAL_WRITE_GENERATED=1 $(CARGO) test --workspace --quiet --bin fnlocal documents::reference

# Each feature of the program alone, and none. CI runs it beside `test`.
check-features:
	for one in '' aws loadtest otel typescript; do \
	  $(CARGO) clippy --quiet --package fnlocal --no-default-features --features "$$one" -- \
	    -D warnings || exit 1; \
	done

# Licences, advisories, sources and duplicates of crates. Wants cargo-deny and the network.
deny:
	$(CARGO) deny check

test-wrapper:
	cd wrapper-js && PATH="$(NODE_FOR_TESTS):$$PATH" npm test --silent

test-rust:
	ulimit -n "$$(ulimit -Hn)"; PATH="$(NODE_FOR_TESTS):$$PATH" XDG_CACHE_HOME="$(CACHE_FOR_TESTS)" \
	  $(CARGO) test --workspace --no-fail-fast

# What needs no Docker, browser or AWS API server: for a look while working.
test-quick:
	PATH="$(NODE_FOR_TESTS):$$PATH" $(CARGO) test --workspace --lib --test decisions --test simulated \
	  --test protocol --test jobs --test own --test short

# Fails every single AWS call of a promote and of a destroy, where `test` tries every fifth.
test-every-call: tools
	FNLOCAL_EVERY_CALL=1 $(CARGO) test -p fnlocal-cloud --test cloud after_any_call

# Feeds every parser of strangers' bytes for FUZZ_SECONDS each, guided by coverage. Wants a C++
# compiler. FUZZ_TARGETS names some of them. `test` feeds each a few thousand inputs.
FUZZ_SECONDS ?= 60
fuzz:
	CARGO="$(CARGO)" emulator/fuzz/run $(FUZZ_SECONDS) $(FUZZ_TARGETS)

# Ratios from one run, also written to bench-results/. Needs wrk and nginx.
bench: tools
	.ci/tools bench
	PATH="$(NODE_FOR_TESTS):$$PATH" $(CARGO) bench --workspace
