/** @module Once for the whole run: what the suite needs of the machine. */
import type { TestProject } from "vitest/node";
import { debianTree } from "./debian.ts";
import { pythonWithLinters } from "./python.ts";
import { needCommands } from "./tools.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** The folder of a Debian, for reading only. */
    readonly debian: string;
    /** The interpreter. */
    readonly python: string;
  }
}

export async function setup({ provide }: TestProject): Promise<void> {
  await needCommands({
    buildah: "buildah",
    debootstrap: "debootstrap",
    ip: "iproute2",
    nft: "nftables",
    setpriv: "util-linux",
    unshare: "util-linux",
  });
  provide("debian", await debianTree());
  provide("python", await pythonWithLinters());
}
