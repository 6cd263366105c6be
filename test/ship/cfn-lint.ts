/** @module cfn-lint of a pinned version, in an environment of its own. */
import path from "node:path";
import { cached, run } from "./tools.ts";

const VERSION = "1.58.0";

/** The path of the command. */
export async function cfnLint(): Promise<string> {
  const folder = await cached(`cfn-lint-${VERSION}`, async (made) => {
    const venv = path.join(made, "venv");
    // Where it is made is where it stays: pip writes its path into what it installs.
    await run(["python3", "-m", "venv", venv], "install Python's venv (on Debian: python3-venv)");
    const flags = ["--quiet", "--no-input", "--disable-pip-version-check"];
    const pip = [path.join(venv, "bin", "python"), "-m", "pip", "install", ...flags];
    await run([...pip, `cfn-lint==${VERSION}`], "see that pip reaches a package index");
  });
  // Not by its script, which names the folder that it was made in.
  return path.join(folder, "venv", "bin", "python");
}
