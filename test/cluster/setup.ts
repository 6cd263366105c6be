/** @module Once for the whole run: what a control plane consists of is installed. Each file of tests starts its own. */
import type { TestProject } from "vitest/node";
import { install } from "./install.ts";
import type { ClusterTools } from "./install.ts";

declare module "vitest" {
  interface ProvidedContext {
    readonly clusterTools: ClusterTools;
  }
}

export async function setup({ provide }: TestProject): Promise<void> {
  provide("clusterTools", await install());
}
