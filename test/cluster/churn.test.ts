import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Program } from "../clients/program.ts";
import { until } from "../clients/until.ts";
import { askAsSdk } from "../support/daemon.ts";
import { startFakeSts } from "../support/fake-sts.ts";
import type { FakeSts } from "../support/fake-sts.ts";
import { applyAll } from "./apply.ts";
import { startRealBackend } from "./backend.ts";
import type { RealBackend } from "./backend.ts";
import { freePort } from "../support/free-port.ts";
import type { DaemonSet } from "./daemon-pod.ts";
import { only, render } from "./helm.ts";
import {
  createNamespace,
  createPod,
  createServiceAccount,
  deletePod,
  setPodStatus,
} from "./objects.ts";
import type { PodObject } from "./objects.ts";
import { verifyToken } from "./verify-token.ts";

/** The program as it is built, so that its memory is that of a program. */
const BUILT = fileURLToPath(new URL("../../dist/main.js", import.meta.url));

const PODS = 250;
const ROLES = 8;
const ROUNDS = 40;

/** The bound of DESIGN's: 128 MiB resident. */
const MAX_RESIDENT_KIB = 128 * 1024;

const GATEWAY = "arn:aws:iam::111111111111:role/gateway";
const arnOf = (index: number) => `arn:aws:iam::222222222222:role/role-${index}`;
/** Pods are addresses of loopback. */
const addressOf = (index: number) => `127.1.${Math.floor(index / 200)}.${(index % 200) + 1}`;

let backend: RealBackend;
let sts: FakeSts;
let folder: string;
let daemon: Program;
let url: string;
/** By the number of its address. */
const pods = new Map<number, { readonly pod: PodObject; readonly role: number }>();
let serial = 0;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "crossrole-churn-"));
  const access = "impersonation";
  const grant = async (plane: RealBackend["plane"]) => {
    await applyAll(plane, await render({ access }));
  };
  backend = await startRealBackend({ access, grant });
  await createNamespace(backend.plane, "team-a");
  for (let role = 0; role < ROLES; role++) {
    await createServiceAccount(backend.plane, "team-a", `account-${role}`);
  }
  sts = await startFakeSts();
  const keys = await backend.plane.jwks();
  const { issuer } = backend.plane;
  const webIdentity = (token: string) => {
    const expected = { issuer, audience: "sts.amazonaws.com", nowMs: Date.now() };
    return verifyToken(token, keys, expected).sub.startsWith("system:serviceaccount:team-a:");
  };
  sts.addRole({ arn: GATEWAY, webIdentity });
  for (let role = 0; role < ROLES; role++) sts.addRole({ arn: arnOf(role), trusts: [GATEWAY] });
  for (let index = 0; index < PODS; index++) await addPod(index);
  const port = await freePort();
  url = `http://127.0.0.1:${port}`;
  const file = path.join(folder, "crossrole.json");
  await writeFile(file, JSON.stringify(configOf(port)));
  daemon = new Program([process.execPath, BUILT, "serve", "--config", file], {
    env: { PATH: process.env["PATH"] ?? "", NODE_OPTIONS: await nodeOptions() },
    cwd: folder,
  });
});

afterAll(async () => {
  await daemon.stop();
  await sts.close();
  await backend[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

/** As the chart starts it. */
async function nodeOptions(): Promise<string> {
  const { spec } = only(await render(), "DaemonSet") as DaemonSet;
  const [container] = spec.template.spec.containers as readonly {
    readonly env: readonly { readonly name: string; readonly value?: string }[];
  }[];
  return container?.env.find(({ name }) => name === "NODE_OPTIONS")?.value ?? "";
}

function configOf(port: number): object {
  const numbers = Array.from({ length: ROLES }, (_, role) => role);
  const { url: server, caFile, tokenFile } = backend;
  return {
    region: "eu-west-1",
    sts: { endpoint: sts.url, callsPerSecond: 100, burst: 20 },
    roles: Object.fromEntries(
      numbers.map((role) => [`role-${role}`, { arn: arnOf(role), via: [GATEWAY] }]),
    ),
    associations: numbers.map((role) => ({
      namespace: "team-a",
      serviceAccount: `account-${role}`,
      role: `role-${role}`,
    })),
    listeners: [{ address: `127.0.0.1:${port}`, pods: true }],
    kubernetes: { node: "n1", apiServer: { url: server, caFile, tokenFile } },
  };
}

async function addPod(index: number): Promise<void> {
  const role = serial % ROLES;
  const name = `pod-${++serial}`;
  const of = { namespace: "team-a", name, serviceAccount: `account-${role}`, node: "n1" };
  const pod = await createPod(backend.plane, of);
  await setPodStatus(backend.plane, pod, { phase: "Running", addresses: [addressOf(index)] });
  pods.set(index, { pod, role });
}

/** The role of what a process at an address gets. */
async function roleAt(index: number): Promise<string | undefined> {
  const { status, body } = await askAsSdk(url, addressOf(index));
  if (status !== 200) return undefined;
  const { AccessKeyId } = JSON.parse(body) as { AccessKeyId: string };
  return sts.issued.find(({ accessKeyId }) => accessKeyId === AccessKeyId)?.roleArn;
}

it("250 pods get their eight roles, and the daemon stays below 128 MiB", async () => {
  await until("every pod's session is there", () => sts.issued.length >= 2 * PODS, 60_000);

  for (const [index, { role }] of pods) expect(await roleAt(index)).toBe(arnOf(role));

  expect(sts.issued.length).toBe(2 * PODS);
  const status = await readFile(`/proc/${daemon.pid}/status`, "utf8");
  expect(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1])).toBeLessThan(MAX_RESIDENT_KIB);
});

it("while pods come and go and take over each other's addresses, no role is ever another's", async () => {
  const wrong: string[] = [];
  let served = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const index = (round * 7) % PODS;
    const before = pods.get(index);
    if (before === undefined) throw new Error("there is a pod at every address");
    await deletePod(backend.plane, before.pod);
    await addPod(index);
    const asked = [index, (index + 1) % PODS, (index + 2) % PODS];
    const roles = await Promise.all(asked.map(async (one) => [one, await roleAt(one)] as const));
    for (const [one, role] of roles) {
      if (role === undefined) continue;
      served++;
      if (role !== arnOf(pods.get(one)?.role ?? -1)) wrong.push(`${addressOf(one)}: ${role}`);
    }
  }

  expect(wrong).toEqual([]);
  expect(served).toBeGreaterThan(ROUNDS * 2);
});
