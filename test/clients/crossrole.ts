/** @module The built program as a user starts it. */
import path from "node:path";

const MAIN = path.join(import.meta.dirname, "../../dist/main.js");

export const READER = "arn:aws:iam::222222222222:role/orders-reader";
export const GATEWAY = "arn:aws:iam::111111111111:role/gateway";
export const REGION = "eu-west-1";

/** The keys that the first AssumeRole is signed with: an account of neither role. */
export const BASE_KEYS = {
  AWS_ACCESS_KEY_ID: "AKIAHUBHUBHUBEXAMPLE",
  AWS_SECRET_ACCESS_KEY: "hub/hub/hub/hub/hub/hub/hub/hub/hub/hub1",
} as const;

export function crossrole(...args: readonly string[]): string[] {
  return [process.execPath, MAIN, ...args];
}

/** The flags for the role in one account behind a role in another. */
export function roleFlags(stsUrl: string): string[] {
  const target = ["--role-arn", READER, "--via", GATEWAY];
  return [...target, "--region", REGION, "--sts-endpoint", stsUrl];
}
