import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startFakeApiServer } from "../support/fake-api-server.ts";
import type { FakeApiServer } from "../support/fake-api-server.ts";
import { crossrole, startMachine } from "../support/program.ts";
import type { Machine } from "../support/program.ts";

const READER = "arn:aws:iam::222222222222:role/reader";

let machine: Machine;
let api: FakeApiServer;
let config: string;

beforeAll(async () => {
  machine = await startMachine();
  api = await startFakeApiServer();
  api.world.addNamespace("team-a");
  const pods: readonly (readonly [string, string, boolean?])[] = [
    ["web-1", "reader"],
    ["job-1", "other"],
    ["agent-1", "reader", true],
  ];
  for (const [name, serviceAccount, hostNetwork = false] of pods) {
    api.world.addPod({ namespace: "team-a", name, serviceAccount, node: "n1", hostNetwork });
  }
  config = await machine.write("check.yaml", {
    roles: { reader: { arn: READER, via: ["arn:aws:iam::111111111111:role/gateway"] } },
    listeners: [{ address: "127.0.0.1:0", pods: true }],
    associations: [
      { namespace: "team-b", serviceAccount: "*", role: "reader" },
      { namespace: "team-a", serviceAccount: "reader", role: "reader" },
    ],
    kubernetes: {
      node: "n1",
      apiServer: { url: api.url, caFile: api.caFile, tokenFile: api.tokenFile },
    },
  });
});

afterAll(async () => {
  await api[Symbol.asyncDispose]();
  await machine[Symbol.asyncDispose]();
});

const check = (pod: string, ...more: string[]) =>
  crossrole(["check", "--config", config, "--pod", pod, ...more], {
    env: machine.env,
    cwd: machine.directory,
  });

describe("crossrole check --pod", () => {
  it("tells which rule gives the role, and each step of the way to it", async () => {
    const { code, stdout } = await check("team-a/web-1");

    expect(code).toBe(0);
    expect(stdout).toContain("associations[0] does not fit");
    expect(stdout).toContain("associations[1] (team-a, reader) gives reader");
    expect(stdout).toMatch(
      /from +the pod's own token, team-a\/reader\n +assumes arn:aws:iam::111111111111:role\/gateway\n +assumes arn:aws:iam::222222222222:role\/reader/,
    );
  });

  it("tells which rules were looked at for a pod that gets nothing, and ends with 1", async () => {
    const { code, stdout } = await check("team-a/job-1");

    expect(code).toBe(1);
    expect(stdout).toContain("no association fits service account team-a/other");
  });

  it("tells that a pod is not served, whatever its role", async () => {
    const { code, stdout } = await check("team-a/agent-1");

    expect(code).toBe(1);
    expect(stdout).toContain("not served: it has hostNetwork");
  });

  it("prints the same as JSON", async () => {
    const { stdout } = await check("team-a/web-1", "--json");

    expect(JSON.parse(stdout)).toMatchObject({
      pod: { namespace: "team-a", name: "web-1", node: "n1", serviceAccount: "reader" },
      role: { name: "reader", arn: READER, sessionName: "team-a.reader.web-1" },
    });
  });

  it("says where to ask for a pod that is not on this node", async () => {
    const { code, errors } = await check("team-a/web-9");

    expect(code).toBe(1);
    expect(errors.at(-1)).toMatch(
      /^crossrole: node n1 has no pod team-a\/web-9; .*kubectl get pod/,
    );
  });

  it("refuses what is no pod's name as a usage error", async () => {
    const { code, errors } = await check("web-1");

    expect(code).toBe(2);
    expect(errors.at(-1)).toBe('crossrole: --pod is "web-1"; say NAMESPACE/NAME');
  });
});
