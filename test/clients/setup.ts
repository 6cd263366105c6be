/** @module Once for the whole run: the clients are installed, and moto answers as STS and S3. */
import type { TestProject } from "vitest/node";
import { install } from "./install.ts";
import type { Tools } from "./install.ts";
import { startMoto } from "./moto.ts";

declare module "vitest" {
  interface ProvidedContext {
    readonly tools: Tools;
    readonly motoUrl: string;
  }
}

export async function setup({ provide }: TestProject): Promise<() => Promise<void>> {
  const tools = await install();
  const moto = await startMoto(tools);
  provide("tools", tools);
  provide("motoUrl", moto.url);
  return () => moto.stop();
}
