// Makes hello.wasm of hello.js. Run it with `npm install && npm run build`, or `make foreign` in the repository.

import { componentize } from "@bytecodealliance/componentize-js";
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

// The version of wasi:http that the JavaScript engine is built for. Hosts of any 0.2 serve it.
const ENGINE_VERSION = "0.2.10";

// The WIT package of wasi:http is where the host has it from.
function hostWit() {
  const metadata = execFileSync("cargo", ["metadata", "--format-version", "1", "--manifest-path", "../../Cargo.toml"], {
    encoding: "utf8",
    maxBuffer: 256 * 1024 * 1024,
  });
  const crate = JSON.parse(metadata).packages.find((candidate) => candidate.name === "wasmtime-wasi-http");
  return join(dirname(crate.manifest_path), "wit");
}

function setVersions(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    const file = join(entry.parentPath, entry.name);
    writeFileSync(file, readFileSync(file, "utf8").replace(/\b0\.2\.\d+/g, ENGINE_VERSION));
  }
}

const wit = mkdtempSync(join(tmpdir(), "wit-"));
try {
  cpSync(hostWit(), wit, { recursive: true });
  setVersions(wit);
  const options = { sourcePath: "hello.js", witPath: wit, worldName: "wasi:http/proxy" };
  const { component } = await componentize(options);
  writeFileSync("hello.wasm", component);
} finally {
  rmSync(wit, { recursive: true });
}
