/** @module The bundle, as the package and the image run it. */
import path from "node:path";
import { Program } from "../support/program.ts";
import type { Ended, StartOptions } from "../support/program.ts";

export const ROOT = path.join(import.meta.dirname, "..", "..");
/** An application that asks the endpoint of its environment. */
export const CLIENT = path.join(import.meta.dirname, "client.mjs");
export const BUNDLE = path.join(ROOT, "bundle");

/** A running crossrole of the bundle; V8's cache is in the home directory that `env` names. */
export function start(args: readonly string[], options: StartOptions = {}): Program {
  return new Program(args, {
    command: [process.execPath, path.join(BUNDLE, "crossrole.js")],
    ...options,
    env: { ...options.env, NODE_COMPILE_CACHE: undefined },
  });
}

/** Runs it to its end. */
export async function run(args: readonly string[], options: StartOptions = {}): Promise<Ended> {
  await using program = start(args, options);
  return await program.ended;
}
