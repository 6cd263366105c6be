/** @module The ways in which a client finds crossrole. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { BASE_KEYS, crossrole, GATEWAY, READER, REGION, roleFlags } from "./crossrole.ts";
import type { Daemon, Environment } from "./daemon.ts";
import type { Scene } from "./scene.ts";

export type WayName = "endpoint" | "exec" | "container" | "address";

interface Way {
  /** As a reader of the README knows it. */
  readonly title: string;
  /** Where crossrole listens. */
  readonly address: string;
  /** What the client is told of a daemon; of one that it knows by another address, at `address`. */
  readonly tell: (daemon: Daemon, address?: string) => Promise<Environment>;
}

/** Free, as every scene has a network of its own. */
const LOOPBACK = "127.0.0.1:9911";

export const WAYS: Readonly<Record<WayName, Way>> = {
  endpoint: {
    title: "`AWS_EC2_METADATA_SERVICE_ENDPOINT`",
    address: LOOPBACK,
    tell: (daemon, address = daemon.address) =>
      Promise.resolve({ AWS_EC2_METADATA_SERVICE_ENDPOINT: `http://${address}` }),
  },
  exec: {
    title: "`crossrole exec`",
    address: LOOPBACK,
    tell: () => Promise.reject(new Error("a child of crossrole is told by it")),
  },
  container: {
    title: "`AWS_CONTAINER_CREDENTIALS_FULL_URI`",
    address: LOOPBACK,
    tell: (daemon, address = daemon.address) => {
      const { AWS_CONTAINER_CREDENTIALS_FULL_URI: uri = "", ...token } = daemon.client;
      const known = uri.replace(daemon.address, address);
      return Promise.resolve({ ...token, AWS_CONTAINER_CREDENTIALS_FULL_URI: known });
    },
  },
  address: {
    title: "169.254.169.254:80",
    address: "169.254.169.254:80",
    tell: () => Promise.resolve({}),
  },
};

/** For a client that reads no token file: the token itself. */
export async function withTokenValue(told: Environment): Promise<Environment> {
  const { AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: file, ...others } = told;
  if (file === undefined) return told;
  return { ...others, AWS_CONTAINER_AUTHORIZATION_TOKEN: await readFile(file, "utf8") };
}

/** Starts the daemon for a client of this way; on `address`, when it is not the way's own. */
export function serve(scene: Scene, way: WayName, address: string = WAYS[way].address) {
  const role = "orders-reader";
  const isContainer = way === "container";
  const token = isContainer ? { authorizationToken: { file: scene.file("token") } } : {};
  return scene.serve({
    region: REGION,
    sts: { endpoint: scene.url },
    roles: { [role]: { arn: READER, via: [GATEWAY], ...token } },
    listeners: [{ address, ...(isContainer ? { roles: [role] } : { role }) }],
    state: { directory: scene.state },
  });
}

/** Keys that STS never issued, which no proof lets pass. */
const OTHER_KEYS = `[default]
aws_access_key_id = AKIAOTHEROTHEREXAMPLE
aws_secret_access_key = other/other/other/other/other/other/other
`;

/** Starts a program as crossrole's child, of a user whose AWS files have other keys. */
export async function exec(scene: Scene, command: readonly string[], environment: Environment) {
  await mkdir(scene.file(".aws"), { recursive: true });
  await writeFile(scene.file(".aws/credentials"), OTHER_KEYS);
  await writeFile(scene.file(".aws/config"), OTHER_KEYS);
  return scene.start(crossrole("exec", ...roleFlags(scene.url), "--", ...command), {
    ...BASE_KEYS,
    ...scene.endpoint,
    ...environment,
  });
}
