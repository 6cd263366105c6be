import { Agent } from "node:http";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { GATEWAY, READER, startPodScene, WRITER } from "./support/pod-scene.ts";
import type { PodScene } from "./support/pod-scene.ts";
import { request, tokenFrom } from "./support/http.ts";

let scene: PodScene | undefined;

afterEach(async () => {
  await scene?.[Symbol.asyncDispose]();
  scene = undefined;
});

async function start(...[options]: Parameters<typeof startPodScene>): Promise<PodScene> {
  scene = await startPodScene(options);
  return scene;
}

function keyIn(body: string): string {
  return (JSON.parse(body) as { AccessKeyId: string }).AccessKeyId;
}

/** The call of STS that issued `accessKeyId`. */
function callBehind({ sts }: PodScene, accessKeyId: string) {
  return sts.calls.find(({ issued }) => issued === accessKeyId);
}

describe("a pod", () => {
  it("gets the role of its own service account, in a session that has its names", async () => {
    const started = await start();
    started.addPod("web-1", "127.0.0.11");

    const { status, body } = await started.ask("127.0.0.11");

    expect(status).toBe(200);
    expect(callBehind(started, keyIn(body))).toMatchObject({
      action: "AssumeRoleWithWebIdentity",
      parameters: { RoleArn: READER, RoleSessionName: "team-a.reader.web-1" },
    });
  });

  it("gets it through the chain: its token assumes the first role, and that one the next", async () => {
    const started = await start();
    started.addPod("db-1", "127.0.0.12", { serviceAccount: "writer" });

    const { body } = await started.ask("127.0.0.12");

    const call = callBehind(started, keyIn(body));
    expect(call).toMatchObject({
      action: "AssumeRole",
      parameters: { RoleArn: WRITER, ExternalId: "7f2c", RoleSessionName: "team-a.writer.db-1" },
    });
    expect(callBehind(started, call?.accessKeyId ?? "")).toMatchObject({
      action: "AssumeRoleWithWebIdentity",
      parameters: { RoleArn: GATEWAY, RoleSessionName: "team-a.writer.db-1" },
    });
  });

  it("never gets another pod's, whose token is worth nothing to it", async () => {
    const started = await start();
    started.addPod("web-1", "127.0.0.11");
    started.addPod("db-1", "127.0.0.12", { serviceAccount: "writer" });
    const [reader, writer] = [await started.ask("127.0.0.11"), await started.ask("127.0.0.12")];

    const stolen = { "x-aws-ec2-metadata-token": await tokenFrom(started.url, 60, "127.0.0.11") };
    const list = "/latest/meta-data/iam/security-credentials/";
    const { status } = await request(started.url, list, { headers: stolen, from: "127.0.0.12" });

    expect(keyIn(reader.body)).not.toBe(keyIn(writer.body));
    expect(status).toBe(401);
  });

  it("is answered from memory: its credentials were fetched when it was bound", async () => {
    const started = await start();
    started.api.world.addPod({
      namespace: "team-a",
      name: "web-1",
      serviceAccount: "reader",
      node: "n1",
    });
    await started.sts.called(1);
    started.sts.fault({ kind: "blackHole" });
    await vi.waitFor(() => {
      expect(started.log.lines.map(({ event }) => event)).toContain("credentials obtained");
    });

    started.api.world.giveAddresses("team-a", "web-1", ["127.0.0.11"]);
    const { status } = await started.ask("127.0.0.11");

    expect(status).toBe(200);
    expect(started.sts.calls).toHaveLength(1);
  });

  it("without a role gets nothing, and an Event that says which rule is missing", async () => {
    const started = await start();
    started.addPod("job-1", "127.0.0.13", { serviceAccount: "other" });

    const token = await request(started.url, "/latest/api/token", TOKEN_FROM("127.0.0.13"));
    // boto3 goes on without a token that it could not have, and must get nothing then.
    const list = await started.ask("127.0.0.13");

    expect(token).toMatchObject({ status: 500, body: "" });
    expect(list).toMatchObject({ status: 404, body: "" });
    await vi.waitFor(() => expect(started.api.events).toHaveLength(1));
    expect(started.api.events[0]).toMatchObject({
      reason: "NoRole",
      type: "Warning",
      involvedObject: { kind: "Pod", name: "job-1", namespace: "team-a" },
      message: expect.stringContaining("no association fits service account team-a/other"),
    });
    expect(started.sts.calls).toEqual([]);
  });

  it("that has finished is not told that there are no tokens here", async () => {
    const started = await start();
    started.addPod("job-1", "127.0.0.11");
    await started.ask("127.0.0.11");
    started.api.world.finishPod("team-a", "job-1");

    await vi.waitFor(async () => {
      const answer = await request(started.url, "/latest/api/token", TOKEN_FROM("127.0.0.11"));
      expect(answer).toMatchObject({ status: 500, body: "", headers: { connection: "close" } });
    });
    const list = "/latest/meta-data/iam/security-credentials/";
    expect((await request(started.url, list, { from: "127.0.0.11" })).status).toBe(403);
  });

  it("that IAM refuses gets an Event that says which policy to change, in which account", async () => {
    const started = await start({
      rules: `
associations: [{ namespace: team-a, serviceAccount: "*", role: reader }]
`,
    });
    started.addPod("job-1", "127.0.0.13", { serviceAccount: "other" });

    const { status } = await started.ask("127.0.0.13");

    expect(status).toBe(500);
    await vi.waitFor(() => expect(started.api.events).toHaveLength(1));
    expect(started.api.events[0]).toMatchObject({
      reason: "CredentialsRefused",
      message: expect.stringMatching(
        /trust policy of arn:aws:iam::222222222222:role\/reader in account 222222222222 must allow sts:AssumeRoleWithWebIdentity .*system:serviceaccount:team-a:other/,
      ),
    });
  });

  it("is waited for while it has no address yet, and answered as soon as it has", async () => {
    const started = await start();
    started.addPod("web-1", "127.0.0.11");
    await started.ask("127.0.0.11");
    started.api.world.addPod({
      namespace: "team-a",
      name: "web-2",
      serviceAccount: "reader",
      node: "n1",
    });

    const asked = tokenFrom(started.url, 60, "127.0.0.12");
    await vi.waitFor(() => expect(started.sts.calls.length).toBeGreaterThan(1));
    started.api.world.giveAddresses("team-a", "web-2", ["127.0.0.12"]);

    expect(await asked).not.toBe("");
  });

  it("that has ended is refused, and its sessions end with it", async () => {
    const started = await start();
    started.addPod("web-1", "127.0.0.11");
    await started.ask("127.0.0.11");

    started.api.world.deletePod("team-a", "web-1");

    await vi.waitFor(() => {
      expect(started.log.lines.map(({ event }) => event)).toContain(
        "session dropped, it is no longer wanted",
      );
    });
    expect(await request(started.url, "/latest/api/token", TOKEN_FROM("127.0.0.11"))).toMatchObject(
      {
        status: 500,
        body: "",
      },
    );
  });

  it("that is being deleted is served to the end of its grace", async () => {
    const started = await start();
    started.addPod("web-1", "127.0.0.11");
    await started.ask("127.0.0.11");

    started.api.world.deletePod("team-a", "web-1", 30);

    expect((await started.ask("127.0.0.11")).status).toBe(200);
  });

  it("that took over an address gets its own role at the next request", async () => {
    const started = await start();
    started.addPod("web-1", "127.0.0.11");
    const before = await started.ask("127.0.0.11");
    started.api.world.deletePod("team-a", "web-1");
    started.addPod("db-1", "127.0.0.11", { serviceAccount: "writer" });

    const after = await started.ask("127.0.0.11");

    expect(callBehind(started, keyIn(after.body))?.parameters["RoleArn"]).toBe(WRITER);
    expect(keyIn(after.body)).not.toBe(keyIn(before.body));
  });
});

const LIST = "/latest/meta-data/iam/security-credentials/";

/** Another pod has the address, and gets a token of its own. */
async function replaced(started: PodScene): Promise<string> {
  started.addPod("db-1", "127.0.0.11", { serviceAccount: "writer" });
  return await vi.waitFor(async () => {
    expect((await started.ask("127.0.0.11")).status).toBe(200);
    return await tokenFrom(started.url, 60, "127.0.0.11");
  });
}

describe("a connection that was kept", () => {
  let agent: Agent;
  beforeEach(() => {
    agent = new Agent({ keepAlive: true, maxSockets: 1 });
  });
  afterEach(() => agent.destroy());

  /** The one connection of the first pod at the address, which has been served on it. */
  async function kept(started: PodScene) {
    started.addPod("web-1", "127.0.0.11");
    await started.ask("127.0.0.11");
    const token = (
      await request(started.url, "/latest/api/token", { ...TOKEN_FROM("127.0.0.11"), agent })
    ).body;
    const ask = (shown: string) =>
      request(started.url, LIST, {
        headers: { "x-aws-ec2-metadata-token": shown },
        from: "127.0.0.11",
        agent,
      });
    expect(await ask(token)).toMatchObject({ status: 200, body: "reader" });
    return { token, ask };
  }

  it("is closed, and serves nobody, when its pod is gone and another has the address", async () => {
    const started = await start();
    const { ask } = await kept(started);
    started.api.world.deletePod("team-a", "web-1");
    const token = await replaced(started);

    const refused = await ask(token);

    expect(refused).toMatchObject({ status: 401, body: "", headers: { connection: "close" } });
    expect(await ask(token)).toMatchObject({ status: 200, body: "writer" });
    expect(started.log.lines).toContainEqual(
      expect.objectContaining({
        fields: expect.objectContaining({
          reason: expect.stringContaining("the connection was pod team-a/web-1's"),
        }),
      }),
    );
  });

  it("gets no token then either, and is not told that there are none", async () => {
    const started = await start();
    await kept(started);
    started.api.world.deletePod("team-a", "web-1");
    await replaced(started);

    const refused = await request(started.url, "/latest/api/token", {
      ...TOKEN_FROM("127.0.0.11"),
      agent,
    });

    expect(refused).toMatchObject({ status: 500, body: "", headers: { connection: "close" } });
    expect(
      await request(started.url, "/latest/api/token", { ...TOKEN_FROM("127.0.0.11"), agent }),
    ).toMatchObject({
      status: 200,
    });
  });

  it("is closed when another pod has got the address of its own that is still ending", async () => {
    const started = await start();
    const { ask, token } = await kept(started);
    started.api.world.deletePod("team-a", "web-1", 30);
    const others = await replaced(started);

    const refused = await ask(token);

    expect(refused).toMatchObject({ status: 401, headers: { connection: "close" } });
    expect(await ask(others)).toMatchObject({ status: 200, body: "writer" });
  });
});

const TOKEN_FROM = (from: string) => ({
  method: "PUT",
  headers: { "x-aws-ec2-metadata-token-ttl-seconds": "60" },
  from,
});

describe("the pod's own token at /v1/credentials", () => {
  const path = "/v1/credentials";

  it("is its identity, checked by the API server, and is what STS is shown", async () => {
    const started = await start();
    started.addPod("web-1", "127.0.0.11");
    const pod = started.api.world.pods.get("team-a/web-1");
    const of = { namespace: "team-a", serviceAccount: "reader", ...(pod && { pod }) };
    const token = started.api.tokens.issue(of, ["sts.amazonaws.com"]);
    await vi.waitFor(() => expect(started.sts.calls).toHaveLength(1));

    const headers = { Authorization: token };
    const answer = await request(started.url, path, { headers, from: "127.0.0.99" });

    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.body)).toMatchObject({ AccountId: "222222222222", RoleArn: READER });
  });

  it.each([
    ["none", () => ({})],
    ["no token", () => ({ Authorization: "hello" })],
    ["a token for somebody else", ({ token }: { token: string }) => ({ Authorization: token })],
    [
      "a forged one",
      ({ token }: { token: string }) => ({ Authorization: `${token.slice(0, -8)}AAAAAAAA` }),
    ],
  ])("is refused: %s", async (kind, headersOf) => {
    const started = await start();
    started.addPod("web-1", "127.0.0.11");
    const pod = started.api.world.pods.get("team-a/web-1");
    const audience = kind === "a forged one" ? "sts.amazonaws.com" : "vault";
    const of = { namespace: "team-a", serviceAccount: "reader", ...(pod && { pod }) };
    const token = started.api.tokens.issue(of, [audience]);
    await vi.waitFor(() => expect(started.sts.calls).toHaveLength(1));

    const answer = await request(started.url, path, { headers: headersOf({ token }) });

    expect(answer.status).toBe(401);
    expect(JSON.parse(answer.body)).toMatchObject({ code: "ERR_TOKEN_INVALID" });
  });
});
