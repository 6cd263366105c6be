/** @module The clients, each an unmodified program that reads lines and uses S3 once a line. */
import { readFileSync } from "node:fs";
import path from "node:path";

export interface Client {
  readonly name: string;
  readonly version: string;
  /** Run in the folder of `programs/`, with the installed clients on the path. */
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** So short that a test sees several sessions, and as long as the client needs it. */
  readonly shortLifeMs: number;
  /** What else it needs to look for new credentials within seconds, with no change to the program. */
  readonly whenSessionsAreShort: Readonly<Record<string, string>>;
}

/** crossrole renews at half of it. */
export const SHORT_LIFE_MS = 8_000;

export const CLIENTS: readonly Client[] = [
  {
    name: "AWS CLI",
    version: pythonPin("awscli"),
    command: ["sh", "aws-cli.sh"],
    environment: {},
    shortLifeMs: SHORT_LIFE_MS,
    whenSessionsAreShort: {},
  },
  {
    name: "boto3",
    version: pythonPin("boto3"),
    command: ["python", "boto3-client.py"],
    environment: {},
    shortLifeMs: SHORT_LIFE_MS,
    whenSessionsAreShort: { PYTHONPATH: "fast-clock" },
  },
  {
    name: "AWS SDK for JavaScript v2",
    version: nodePin("aws-sdk"),
    command: [process.execPath, "sdk-v2.cjs"],
    // It tells on stderr that its days are over, and so does Node of what it uses.
    environment: { AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE: "1", NODE_NO_WARNINGS: "1" },
    // It stops for good when an answer has less than 15 s to live: its warning goes to no logger.
    shortLifeMs: 36_000,
    whenSessionsAreShort: {},
  },
  {
    name: "AWS SDK for JavaScript v3",
    version: nodePin("@aws-sdk/client-s3"),
    command: [process.execPath, "sdk-v3.mjs"],
    environment: {},
    shortLifeMs: SHORT_LIFE_MS,
    whenSessionsAreShort: {},
  },
];

function pythonPin(name: string): string {
  const line = pins("requirements.txt")
    .split("\n")
    .find((requirement) => requirement.startsWith(`${name}==`));
  if (line === undefined) throw new Error(`${name} is not pinned`);
  return line.slice(name.length + "==".length);
}

function nodePin(name: string): string {
  const { dependencies } = JSON.parse(pins("package.json")) as {
    dependencies: Record<string, string>;
  };
  const version = dependencies[name];
  if (version === undefined) throw new Error(`${name} is not pinned`);
  return version;
}

function pins(file: string): string {
  return readFileSync(path.join(import.meta.dirname, "pins", file), "utf8");
}
