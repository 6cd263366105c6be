/** @module Programs that Go builds from a module of their own, whose go.mod and go.sum pin every source. */
import { rm } from "node:fs/promises";
import path from "node:path";
import type { Installer } from "../../support/installer.ts";
import { run } from "../../support/tool.ts";

interface GoProgram {
  /** The folder of go.mod, and the name of the program. */
  readonly name: string;
  /** Its main package. */
  readonly main: string;
  /** `-X` of the linker: what `--version` says. */
  readonly variables?: Readonly<Record<string, string>>;
}

export const installKubeApiserver = goProgram({
  name: "kube-apiserver",
  main: "k8s.io/kubernetes/cmd/kube-apiserver",
  // Without them it says that it is v0.0.0, and its feature gates are those of no release.
  variables: {
    "k8s.io/component-base/version.gitVersion": "v1.36.2",
    "k8s.io/component-base/version.gitMajor": "1",
    "k8s.io/component-base/version.gitMinor": "36",
  },
});

export const installEtcd = goProgram({ name: "etcd", main: "go.etcd.io/etcd/server/v3" });

export const installHelm = goProgram({ name: "helm", main: "helm.sh/helm/v4/cmd/helm" });

function goProgram({ name, main, variables = {} }: GoProgram): Installer {
  const source = path.join(import.meta.dirname, "..", name);
  const linked = Object.entries(variables).map(([key, value]) => `-X ${key}=${value}`);
  const flags = ["-trimpath", "-ldflags", ["-s", "-w", ...linked].join(" ")];
  return {
    name,
    pins: ["go.mod", "go.sum"].map((file) => path.join(source, file)),
    dependsOn: async () =>
      (await run(["go", "version"], "install Go 1.26 or later and put it on the path")) +
      flags.join(" "),
    install: async (folder) => {
      // What the build leaves is twenty times the size of the program.
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
      const command = ["go", "build", ...flags, "-o", path.join(folder, name), main];
      await run(command, "see that Go is 1.26 or later and reaches a module proxy", {
        cwd: source,
        env,
      });
      await rm(build, { recursive: true });
    },
  };
}
