/** @module The SDKs for JavaScript. */
import { copyFile } from "node:fs/promises";
import path from "node:path";
import type { Installer } from "../../support/installer.ts";
import { run } from "../../support/tool.ts";
import { source } from "./source.ts";

const PINS = ["package.json", "package-lock.json"].map((name) => source(`pins/${name}`));

export const installNode: Installer = {
  name: "node",
  pins: PINS,
  dependsOn: () => Promise.resolve(""),
  install: async (folder) => {
    for (const file of PINS) await copyFile(file, path.join(folder, path.basename(file)));
    const flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
    const command = ["npm", "ci", "--prefix", folder, ...flags];
    await run(command, "see that npm reaches a registry", { cwd: folder });
  },
};
