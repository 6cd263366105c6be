/** @module A Python with cfn-lint and a validator of JSON Schema, of pinned versions, in an environment of its own. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { run } from "../support/tool.ts";
import { cached } from "./tools.ts";

const REQUIREMENTS = path.join(import.meta.dirname, "pins", "requirements.txt");

/** The path of the interpreter. */
export async function pythonWithLinters(): Promise<string> {
  const pins = createHash("sha256")
    .update(await readFile(REQUIREMENTS))
    .digest("hex");
  const folder = await cached(`python-${pins.slice(0, 12)}`, async (made) => {
    const venv = path.join(made, "venv");
    await run(["python3", "-m", "venv", venv], "install Python's venv (on Debian: python3-venv)");
    const flags = ["--quiet", "--no-input", "--disable-pip-version-check"];
    const pip = [path.join(venv, "bin", "python"), "-m", "pip", "install", ...flags];
    await run([...pip, "--requirement", REQUIREMENTS], "see that pip reaches a package index");
  });
  return path.join(folder, "venv", "bin", "python");
}
