# The two commands people need are `demo` and `test`; both set up what they need themselves.

CARGO ?= cargo
NODE_FOR_TESTS := $(CURDIR)/target/tools/node/bin

.PHONY: demo test test-rust test-wrapper lint bench tools

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

# Ratios from one run, also written to bench-results/. Needs wrk and nginx.
bench: tools
	.ci/tools bench
	PATH="$(NODE_FOR_TESTS):$$PATH" $(CARGO) bench --workspace
