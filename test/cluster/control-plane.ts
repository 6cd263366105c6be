/**
 * @module A real control plane: kube-apiserver and etcd on loopback, with nobody else in the cluster. No
 * scheduler, kubelet or controller acts: tests bind pods, write their status and delete them (objects.ts).
 */
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { inject } from "vitest";
import type { Program } from "../clients/program.ts";
import { ApiClient } from "./api-client.ts";
import { startEtcd } from "./etcd.ts";
import type { Etcd } from "./etcd.ts";
import { freePort } from "../support/free-port.ts";
import { killServer, lastLines, startServer, untilReady } from "./server-process.ts";
import type { JsonWebKeySet } from "./verify-token.ts";

export interface ControlPlaneOptions {
  /** `new` (the default) has WatchList; with `old` the API server answers it with an ERROR 500. */
  readonly etcd?: "new" | "old";
  readonly featureGates?: Readonly<Record<string, boolean>>;
  /** More flags of kube-apiserver, as `--name=value`. */
  readonly flags?: readonly string[];
}

export interface TokenOptions {
  /** The pod that the token is bound to, as its uid of the moment. */
  readonly pod?: { readonly name: string; readonly uid: string };
  /** The API server's own by default. */
  readonly audiences?: readonly string[];
  /** At least 600; 3600 by default. */
  readonly expirationSeconds?: number;
}

/** The audience of tokens for the API server itself. */
const API_AUDIENCE = "https://kubernetes.default.svc";

/** Starts a control plane of its own. @throws Error with the log of what does not start. */
export async function startControlPlane(options: ControlPlaneOptions = {}): Promise<ControlPlane> {
  const tools = inject("clusterTools");
  const folder = await mkdtemp(path.join(tmpdir(), "crossrole-cluster-"));
  let etcd: Etcd | undefined;
  try {
    etcd = await startEtcd(options.etcd === "old" ? tools.oldEtcd : tools.newEtcd, folder);
    const adminToken = randomBytes(16).toString("hex");
    await writeFile(
      path.join(folder, "tokens.csv"),
      `${adminToken},admin,admin,"system:masters"\n`,
    );
    await writeServiceAccountKeys(folder);
    const port = await freePort();
    const command = [tools.kubeApiserver, ...flagsOf(folder, etcd.url, port, options)];
    const plane = new ControlPlane({ folder, etcd, port, adminToken, command });
    await plane.start();
    return plane;
  } catch (error) {
    await etcd?.stop();
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

interface Parts {
  readonly folder: string;
  readonly etcd: Etcd;
  readonly port: number;
  readonly adminToken: string;
  readonly command: readonly string[];
}

export class ControlPlane implements AsyncDisposable {
  readonly url: string;
  /** The issuer of tokens, which is this API server. */
  readonly issuer: string;
  /** The certificate of the API server. */
  readonly caFile: string;
  readonly adminToken: string;
  readonly #folder: string;
  readonly #etcd: Etcd;
  readonly #command: readonly string[];
  #server: Program | undefined;
  #client: ApiClient | undefined;

  constructor({ folder, etcd, port, adminToken, command }: Parts) {
    this.url = this.issuer = `https://127.0.0.1:${port}`;
    this.caFile = path.join(folder, "certificates", "apiserver.crt");
    this.adminToken = adminToken;
    this.#folder = folder;
    this.#etcd = etcd;
    this.#command = command;
  }

  /** As the administrator unless `options.token` says otherwise; a refusal is an answer. */
  readonly request: ApiClient["request"] = (...args) => this.#connected().request(...args);

  readonly watch: ApiClient["watch"] = (...args) => this.#connected().watch(...args);

  /** A token of a service account, as the kubelet would have it projected into a pod. */
  async tokenFor(
    namespace: string,
    serviceAccount: string,
    { pod, audiences = [API_AUDIENCE], expirationSeconds = 3600 }: TokenOptions = {},
  ): Promise<string> {
    const boundObjectRef = pod && { apiVersion: "v1", kind: "Pod", name: pod.name, uid: pod.uid };
    const { status, body } = await this.request<{ status: { token: string }; message?: string }>(
      "POST",
      `/api/v1/namespaces/${namespace}/serviceaccounts/${serviceAccount}/token`,
      {
        apiVersion: "authentication.k8s.io/v1",
        kind: "TokenRequest",
        spec: { audiences, expirationSeconds, ...(boundObjectRef && { boundObjectRef }) },
      },
    );
    if (status !== 201) throw new Error(`no token of ${serviceAccount}: ${status} ${body.message}`);
    return body.status.token;
  }

  /** The keys that its tokens are signed with, from where STS would fetch them. */
  async jwks(): Promise<JsonWebKeySet> {
    // Its content type is jwk-set+json.
    return (await this.request<JsonWebKeySet>("GET", "/openid/v1/jwks")).body;
  }

  /** Starts the API server, on the same port and with the same data as before. */
  async start(): Promise<void> {
    const server = startServer(this.#command, this.#folder);
    this.#server = server;
    const isReady = async () => {
      this.#client ??= new ApiClient(this.url, await readFile(this.caFile), this.adminToken);
      return (await this.#client.request("GET", "/readyz")).status === 200;
    };
    try {
      await untilReady("kube-apiserver", server, isReady);
    } catch (error) {
      await this.kill();
      throw error;
    }
  }

  /** Kills the API server; {@link start} brings it back. */
  async kill(): Promise<void> {
    this.#client?.close();
    this.#client = undefined;
    if (this.#server !== undefined) await killServer(this.#server);
    this.#server = undefined;
  }

  async restart(): Promise<void> {
    await this.kill();
    await this.start();
  }

  /** Stops the API server's process: its connections stay open, and nothing is answered on them. */
  pause(): void {
    if (this.#server !== undefined) process.kill(this.#server.pid, "SIGSTOP");
  }

  resume(): void {
    if (this.#server !== undefined) process.kill(this.#server.pid, "SIGCONT");
  }

  /**
   * Forgets the past: a watch from any resource version of before is answered with 410. The API server is
   * restarted, for it remembers what etcd has forgotten.
   */
  async compact(): Promise<void> {
    // What a watch was told last must be the past.
    const event = {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { generateName: "compaction-" },
    };
    await this.request("POST", "/api/v1/namespaces/default/configmaps", event);
    await this.kill();
    await this.#etcd.compact();
    await this.start();
  }

  /** The end of the API server's log. */
  log(): string {
    return this.#server === undefined ? "" : lastLines(this.#server);
  }

  /** Ends everything, and removes its data. */
  async stop(): Promise<void> {
    await this.kill();
    await this.#etcd.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #connected(): ApiClient {
    if (this.#client === undefined) throw new Error("the API server was killed");
    return this.#client;
  }
}

async function writeServiceAccountKeys(folder: string): Promise<void> {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", {
    modulusLength: 2048,
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" },
  });
  await writeFile(path.join(folder, "sa.key"), privateKey, { mode: 0o600 });
  await writeFile(path.join(folder, "sa.pub"), publicKey);
  await mkdir(path.join(folder, "certificates"));
}

function flagsOf(
  folder: string,
  etcdUrl: string,
  port: number,
  { featureGates = {}, flags = [] }: ControlPlaneOptions,
): string[] {
  const named = {
    "etcd-servers": etcdUrl,
    "secure-port": port,
    "bind-address": "127.0.0.1",
    "advertise-address": "127.0.0.1",
    // It makes a certificate for itself here.
    "cert-dir": path.join(folder, "certificates"),
    "service-account-issuer": `https://127.0.0.1:${port}`,
    "api-audiences": API_AUDIENCE,
    "service-account-signing-key-file": path.join(folder, "sa.key"),
    "service-account-key-file": path.join(folder, "sa.pub"),
    "authorization-mode": "Node,RBAC",
    "token-auth-file": path.join(folder, "tokens.csv"),
    "enable-admission-plugins": "NodeRestriction",
    "service-cluster-ip-range": "10.96.0.0/16",
    "allow-privileged": true,
    "endpoint-reconciler-type": "none",
  };
  const gates = Object.entries(featureGates).map(([name, isOn]) => `${name}=${isOn}`);
  return [
    ...Object.entries(named).map(([name, value]) => `--${name}=${value}`),
    ...(gates.length === 0 ? [] : [`--feature-gates=${gates.join()}`]),
    ...flags,
  ];
}
