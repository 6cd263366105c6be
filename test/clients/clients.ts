/** @module The clients, each an unmodified program that reads lines and uses S3 once a line. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { inject } from "vitest";
import type { Environment } from "./daemon.ts";
import { byDocuments, byRequests } from "./proofs.ts";
import type { Prove } from "./proofs.ts";
import type { WayName } from "./ways.ts";

export interface Client {
  readonly name: string;
  readonly version: string;
  /** Run in the folder of `programs/`, with the installed clients on the path. */
  readonly command: readonly string[];
  readonly environment: Environment;
  readonly prove: Prove;
  /** How it finds crossrole. The first is the way in which every case is run. */
  readonly ways: readonly [ClientWay, ...ClientWay[]];
}

export interface ClientWay {
  readonly by: WayName;
  /** So short that a test sees several sessions, and as long as the client needs it. */
  readonly shortLifeMs: number;
  /** What else it needs to look for new credentials within seconds, with no change to the program. */
  readonly whenSessionsAreShort: Environment;
  /** Whether it takes the token of container credentials from the environment alone. */
  readonly readsNoTokenFile?: boolean;
}

/** crossrole renews at half of it. */
export const SHORT_LIFE_MS = 8_000;

/** A client that asks again as soon as what it holds has seconds to live. */
function way(by: WayName, options: Partial<ClientWay> = {}): ClientWay {
  return { by, shortLifeMs: SHORT_LIFE_MS, whenSessionsAreShort: {}, ...options };
}

const FAST_CLOCK = { whenSessionsAreShort: { PYTHONPATH: "fast-clock" } };

/** Java warns of each answer with less than a minute to live, and goes on. */
const QUIET = {
  whenSessionsAreShort: {
    CLASSPATH: `short-lives${path.delimiter}${inject("tools").javaClasspath}`,
  },
};

/** JS v2 stops for good when an answer has less than 15 s to live: its warning goes to no logger. */
const LONGER = { shortLifeMs: 36_000 };

export const AWS_CLI: Client = {
  name: "AWS CLI",
  version: pinned("pins/requirements.txt", /^awscli==(.+)$/m),
  command: ["sh", "aws-cli.sh"],
  environment: {},
  prove: byRequests,
  ways: [way("endpoint"), way("exec"), way("container")],
};

export const BOTO3: Client = {
  name: "boto3",
  version: pinned("pins/requirements.txt", /^boto3==(.+)$/m),
  command: ["python", "boto3-client.py"],
  environment: {},
  prove: byRequests,
  ways: [
    way("endpoint", FAST_CLOCK),
    way("exec", FAST_CLOCK),
    // By container credentials botocore believes the expiration.
    way("container"),
    way("address", FAST_CLOCK),
  ],
};

export const CLIENTS: readonly Client[] = [
  AWS_CLI,
  BOTO3,
  {
    name: "AWS SDK for JavaScript v2",
    version: pinned("pins/package.json", /"aws-sdk": "(.+)"/),
    command: [process.execPath, "sdk-v2.cjs"],
    // It tells on stderr that its days are over, and so does Node of what it uses.
    environment: { AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE: "1", NODE_NO_WARNINGS: "1" },
    prove: byRequests,
    ways: [way("endpoint", LONGER), way("exec", LONGER), way("container", LONGER)],
  },
  {
    name: "AWS SDK for JavaScript v3",
    version: pinned("pins/package.json", /"@aws-sdk\/client-s3": "(.+)"/),
    command: [process.execPath, "sdk-v3.mjs"],
    environment: {},
    prove: byRequests,
    ways: [way("endpoint"), way("exec"), way("container")],
  },
  {
    name: "AWS SDK for Go v2",
    version: pinned("programs/go/go.mod", /aws-sdk-go-v2\/service\/s3 v(\S+)/),
    command: [inject("tools").goProgram],
    environment: {},
    prove: byRequests,
    ways: [way("endpoint"), way("exec"), way("container"), way("address")],
  },
  {
    name: "AWS SDK for Java v2",
    version: pinned("programs/java/pom.xml", /<artifactId>s3<\/artifactId>\s*<version>(.+)</),
    command: ["java", "-XX:TieredStopAtLevel=1", "Orders"],
    environment: { CLASSPATH: inject("tools").javaClasspath },
    prove: byRequests,
    ways: [way("endpoint"), way("exec"), way("container", QUIET)],
  },
  {
    name: "rclone",
    version: inject("tools").rclone,
    command: ["sh", "rclone.sh"],
    environment: {},
    prove: byRequests,
    ways: [way("endpoint"), way("exec"), way("container", { readsNoTokenFile: true })],
  },
  {
    name: "s3cmd",
    version: inject("tools").s3cmd,
    command: ["sh", "s3cmd.sh"],
    environment: {},
    prove: byRequests,
    ways: [way("address")],
  },
  {
    name: "curl",
    version: inject("tools").curl,
    command: ["sh", "curl.sh"],
    environment: {},
    prove: byDocuments,
    ways: [way("address")],
  },
];

function pinned(file: string, pattern: RegExp): string {
  const text = readFileSync(path.join(import.meta.dirname, file), "utf8");
  const version = pattern.exec(text)?.[1];
  if (version === undefined) throw new Error(`${file} has no ${pattern.source}`);
  return version;
}
