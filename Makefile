# What a user and a developer type. Everything is built in release mode, so that it is compiled once.

.PHONY: build start test test-kit functions foreign guests host lint docs

build: functions host

start: build
	./target/release/durance start functions

# All that a change must pass, from a clean machine.
test: lint guests build docs test-kit
	cargo test --release --workspace

# The SDK's test kit, and the samples' own tests, which run natively.
test-kit:
	cargo test --release -p durance-sdk --features testing
	cd functions && cargo test --target $$(rustc --print host-tuple)

host:
	cargo build --release -p durance

functions: .target-ready
	cd functions && cargo build --release

# Samples in JavaScript and Python: each is built if its toolchain is there.
foreign:
	.ci/foreign-samples

guests: .target-ready
	cd tests/guests && cargo build --release

lint: .target-ready
	cargo fmt --all --check
	cd functions && cargo fmt --all --check
	cd tests/guests && cargo fmt --all --check
	cargo clippy --release --workspace --all-targets -- -D warnings
	cargo clippy --release -p durance-sdk --features testing --all-targets -- -D warnings
	cd functions && cargo clippy --release -- -D warnings
	cd tests/guests && cargo clippy --release -- -D warnings

docs:
	RUSTDOCFLAGS="-D warnings" cargo doc --release --workspace --no-deps

# Never up to date as a file: the script looks itself whether there is anything to do.
.PHONY: .target-ready
.target-ready:
	.ci/wasm-target
