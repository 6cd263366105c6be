/** @module The program with the SDK for Go v2. */
import { rm } from "node:fs/promises";
import path from "node:path";
import type { Installer } from "../../support/installer.ts";
import { run } from "../../support/tool.ts";
import { source } from "./source.ts";

const PROGRAM = source("programs/go");

export const installGo: Installer = {
  name: "go",
  pins: ["go.mod", "go.sum", "main.go"].map((name) => path.join(PROGRAM, name)),
  dependsOn: () => run(["go", "version"], "install Go and put it on the path"),
  install: async (folder) => {
    // What the build leaves is several times the size of the program.
    const build = path.join(folder, "build");
    const env = {
      GOMODCACHE: path.join(build, "modules"),
      GOCACHE: path.join(build, "objects"),
      // A module cache is read-only without it, and cannot be removed by others than root.
      GOFLAGS: "-modcacherw -buildvcs=false",
      // Never a compiler that the machine does not have.
      GOTOOLCHAIN: "local",
      CGO_ENABLED: "0",
    };
    const command = ["go", "build", "-trimpath", "-o", path.join(folder, "orders"), "."];
    await run(command, "see that go reaches a module proxy", { cwd: PROGRAM, env });
    await rm(build, { recursive: true });
  },
};
