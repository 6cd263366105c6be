/** @module The AWS CLI, boto3 and moto. */
import path from "node:path";
import type { Installer } from "../../support/installer.ts";
import { run } from "../../support/tool.ts";
import { source } from "./source.ts";

const REQUIREMENTS = source("pins/requirements.txt");

/** What the requirements were made for: their packages have no release for older ones. */
const OLDEST_PYTHON = 11;

export const installPython: Installer = {
  name: "python",
  pins: [REQUIREMENTS],
  dependsOn: async () => {
    const advice = `install Python 3.${OLDEST_PYTHON} or newer as python3`;
    const version = await run(["python3", "--version"], advice);
    const minor = Number(/^Python 3\.(\d+)/.exec(version)?.[1]);
    if (minor >= OLDEST_PYTHON) return version;
    throw new Error(`python3 is ${version.trim()}: ${advice}`);
  },
  install: async (folder) => {
    const venv = ["python3", "-m", "venv", "--clear", folder];
    await run(venv, "install Python's venv and pip (on Debian: python3-venv)");
    const flags = ["--quiet", "--no-input", "--disable-pip-version-check"];
    const pip = [path.join(folder, "bin", "python"), "-m", "pip", "install", ...flags];
    await run([...pip, "--requirement", REQUIREMENTS], "see that pip reaches a package index");
  },
};
