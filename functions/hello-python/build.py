# Makes hello.wasm of hello.py: `pip install -r requirements.txt && python3 build.py`, or `make foreign` in the repository.

import json
import pathlib
import subprocess

# The WIT package of wasi:http is where the host has it from.
metadata = subprocess.run(
    ["cargo", "metadata", "--format-version", "1", "--manifest-path", "../../Cargo.toml"],
    check=True,
    capture_output=True,
)
crates = json.loads(metadata.stdout)["packages"]
manifest = next(crate["manifest_path"] for crate in crates if crate["name"] == "wasmtime-wasi-http")
wit = pathlib.Path(manifest).parent / "wit"
world = ["--wit-path", str(wit), "--world", "bindings"]
subprocess.run(["componentize-py", *world, "componentize", "hello", "--output", "hello.wasm"], check=True)
