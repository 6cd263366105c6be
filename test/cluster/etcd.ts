/** @module etcd, one member, on free ports of loopback. */
import path from "node:path";
import { freePort } from "../support/free-port.ts";
import { killServer, startServer, untilReady } from "./server-process.ts";

export interface Etcd {
  readonly url: string;
  /** Forgets every revision before the present one. */
  compact(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts the etcd `program` with its data below `folder`. @throws Error with its log. */
export async function startEtcd(program: string, folder: string): Promise<Etcd> {
  const url = `http://127.0.0.1:${await freePort()}`;
  const peerUrl = `http://127.0.0.1:${await freePort()}`;
  const flags = {
    "data-dir": path.join(folder, "etcd"),
    "listen-client-urls": url,
    "advertise-client-urls": url,
    "listen-peer-urls": peerUrl,
    "initial-advertise-peer-urls": peerUrl,
    "initial-cluster": `default=${peerUrl}`,
    "log-level": "warn",
  };
  const args = Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
  const server = startServer([program, ...args], folder);
  const stop = () => killServer(server);
  try {
    await untilReady("etcd", server, async () => (await fetch(`${url}/health`)).ok);
  } catch (error) {
    await stop();
    throw error;
  }
  return { url, compact: () => compact(url), stop };
}

/** etcd's API as JSON, so that no etcdctl is needed. */
async function compact(url: string): Promise<void> {
  const any = Buffer.from("any").toString("base64");
  const { header } = (await ask(`${url}/v3/kv/range`, { key: any })) as {
    readonly header: { readonly revision: string };
  };
  await ask(`${url}/v3/kv/compaction`, { revision: header.revision, physical: true });
}

async function ask(url: string, body: object): Promise<unknown> {
  const response = await fetch(url, { method: "POST", body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`etcd answers ${response.status}: ${await response.text()}`);
  return await response.json();
}
