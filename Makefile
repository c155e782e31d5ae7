# The two commands people need are `demo` and `test`; both set up what they need themselves.

CARGO ?= cargo
NODE_FOR_TESTS := $(CURDIR)/target/tools/node/bin

.PHONY: demo test test-quick test-rust test-wrapper test-every-call lint fuzz bench tools

demo:
	$(CARGO) build --quiet --bin fnlocal
	$(CARGO) run --quiet --bin fnlocal -- dev examples/auction

test: tools lint test-wrapper test-rust

# Everything a test needs and this machine lacks: a Docker engine, a Node.js that strips types.
tools:
	.ci/tools

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --quiet -- -D warnings
	cd wrapper-js && npm run --silent check

test-wrapper:
	cd wrapper-js && PATH="$(NODE_FOR_TESTS):$$PATH" npm test --silent

test-rust:
	ulimit -n "$$(ulimit -Hn)"; PATH="$(NODE_FOR_TESTS):$$PATH" $(CARGO) test --workspace --no-fail-fast

# What needs no Docker, browser or AWS API server: for a look while working.
test-quick:
	PATH="$(NODE_FOR_TESTS):$$PATH" $(CARGO) test --workspace --lib --test decisions --test simulated \
	  --test protocol --test jobs --test own --test short

# Fails every single AWS call of a promote and of a destroy, where `test` tries every fifth.
test-every-call: tools
	FNLOCAL_EVERY_CALL=1 $(CARGO) test -p fnlocal-cloud --test cloud whichever

# Feeds every parser of strangers' bytes for FUZZ_SECONDS each, guided by coverage. Wants a C++
# compiler. FUZZ_TARGETS names some of them. `test` feeds each a few thousand inputs.
FUZZ_SECONDS ?= 60
fuzz:
	CARGO="$(CARGO)" emulator/fuzz/run $(FUZZ_SECONDS) $(FUZZ_TARGETS)

# Ratios from one run, also written to bench-results/. Needs wrk and nginx.
bench: tools
	.ci/tools bench
	PATH="$(NODE_FOR_TESTS):$$PATH" $(CARGO) bench --workspace
