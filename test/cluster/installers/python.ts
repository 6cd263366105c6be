/** @module boto3, in a virtual environment of its own: the machine's packages are never seen. */
import path from "node:path";
import type { Installer } from "../../support/installer.ts";
import { run } from "../../support/tool.ts";

const REQUIREMENTS = path.join(import.meta.dirname, "../python/requirements.txt");

export const installPython: Installer = {
  name: "python",
  pins: [REQUIREMENTS],
  dependsOn: async () => await run(["python3", "--version"], "install Python 3.10 or newer"),
  install: async (folder) => {
    const venv = ["python3", "-m", "venv", "--clear", folder];
    await run(venv, "install Python's venv and pip (on Debian: python3-venv)");
    const flags = ["--quiet", "--no-input", "--disable-pip-version-check"];
    const pip = [path.join(folder, "bin", "python"), "-m", "pip", "install", ...flags];
    await run([...pip, "--requirement", REQUIREMENTS], "see that pip reaches a package index");
  },
};
