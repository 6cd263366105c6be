/** @module What the tests of the configuration share: a good file, and one value of it put wrong. */
import { inspect } from "node:util";
import { expect } from "vitest";
import { parseConfig } from "../../src/config/load.ts";
import type { Environment, Settings } from "../../src/config/settings.ts";
import type { Config } from "../../src/config/types.ts";
import { CrossroleError } from "../../src/errors.ts";

export const READER = "arn:aws:iam::222222222222:role/orders-reader";
export const GATEWAY = "arn:aws:iam::111111111111:role/gateway";
const FILE = "crossrole.yaml";

/** Text that must never be repeated. */
export const SECRET = "CANARY-7f2c";

interface Beside {
  readonly environment?: Environment;
  readonly settings?: Settings;
  readonly hostname?: string;
}

/** The configuration of a file: YAML text, or what such a text would mean. */
export function configOf(file: unknown, beside: Beside = {}): Config {
  const { environment = {}, settings = {}, hostname = "laptop" } = beside;
  const text = typeof file === "string" ? file : JSON.stringify(file);
  const origin = { kind: "file", path: FILE, settings } as const;
  return parseConfig(origin, text, { flags: settings, environment, hostname });
}

/** One role called `reader`, with `fields`; and what else is in the file. */
export function fileOf(fields: object = {}, rest: object = {}): object {
  return { roles: { reader: { arn: READER, ...fields } }, ...rest };
}

/** The problems of a file, one line each, without the name of the file. */
export function problemsIn(file: unknown, beside: Beside = {}): string[] {
  const { message } = refusalOf(() => configOf(file, beside));
  const [head = "", ...lines] = message.split("\n");
  if (lines.length === 0) return [head.slice(head.indexOf(": ") + 2)];
  expect(head).toBe(`${FILE} has ${lines.length} problems:`);
  return lines.map((line) => line.trim());
}

/** What `load` throws, which must be one of ours. */
export function refusalOf(load: () => unknown): CrossroleError {
  try {
    return expect.fail(`was not refused, but gave ${inspect(load())}`);
  } catch (error) {
    if (error instanceof CrossroleError) return error;
    throw error;
  }
}

/** {@link refusalOf} of what comes later. */
export async function rejectionOf(loading: Promise<unknown>): Promise<CrossroleError> {
  const error = await loading.then(
    (value) => expect.fail(`was not refused, but gave ${inspect(value)}`),
    (reason: unknown) => reason,
  );
  if (error instanceof CrossroleError) return error;
  throw error;
}
