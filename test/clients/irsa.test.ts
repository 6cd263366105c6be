import { rename, writeFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { expect, it } from "vitest";
import { CLIENTS, SHORT_LIFE_MS } from "./clients.ts";
import { GATEWAY, READER, REGION } from "./crossrole.ts";
import { Scene } from "./scene.ts";
import { until } from "./until.ts";

const POD_ROLE = "arn:aws:iam::111111111111:role/orders-pod";

it("carries a pod's web identity over two roles to S3 while its token is replaced", async () => {
  await using scene = await Scene.open(SHORT_LIFE_MS);
  const { recorder } = scene;
  await replaceToken(scene, "token-1");
  const { client } = await scene.serve(["--config", await writeConfig(scene)], {});
  const program = scene.start(boto3().command, { ...client, ...boto3().whenSessionsAreShort });
  const listUntil = (sessions: number) =>
    until(`${sessions} sessions are used`, async () => {
      await program.ask("order");
      await delay(100);
      return scene.provenSessions().length >= sessions;
    });

  await listUntil(1);
  await replaceToken(scene, "token-2");
  await until("STS gets the new token", () => tokensSeen(scene).includes("token-2"));
  await listUntil(scene.provenSessions().length + 2);
  await program.finish();

  expect(scene.complaints).toEqual([]);
  expect([...new Set(tokensSeen(scene))]).toEqual(["token-1", "token-2"]);
  expect(scene.provenSessions().length).toBeGreaterThanOrEqual(3);
  for (const session of scene.provenSessions()) {
    const gateway = recorder.issued.find(({ accessKeyId }) => accessKeyId === session.signedBy);
    const pod = recorder.issued.find(({ accessKeyId }) => accessKeyId === gateway?.signedBy);
    expect([session, gateway, pod].map((issued) => issued?.roleArn)).toEqual([
      READER,
      GATEWAY,
      POD_ROLE,
    ]);
  }
  expect(
    recorder.sessionsOf(POD_ROLE).every(({ action }) => action === "AssumeRoleWithWebIdentity"),
  ).toBe(true);
});

function tokensSeen({ recorder }: Scene): (string | undefined)[] {
  return recorder.sessionsOf(POD_ROLE).map(({ webIdentityToken }) => webIdentityToken);
}

/** As the kubelet does it: whoever reads sees the old token or the new one. */
async function replaceToken(scene: Scene, token: string): Promise<void> {
  await writeFile(scene.file("token.new"), token);
  await rename(scene.file("token.new"), scene.file("token"));
}

async function writeConfig(scene: Scene): Promise<string> {
  const config = {
    region: REGION,
    sts: { endpoint: scene.url },
    bases: { pod: { webIdentity: { tokenFile: scene.file("token"), roleArn: POD_ROLE } } },
    roles: { "orders-reader": { arn: READER, base: "pod", via: [GATEWAY] } },
    listeners: [{ address: "127.0.0.1:0", role: "orders-reader" }],
  };
  await writeFile(scene.file("crossrole.json"), JSON.stringify(config));
  return scene.file("crossrole.json");
}

function boto3() {
  const found = CLIENTS.find(({ name }) => name === "boto3");
  if (found === undefined) throw new Error("boto3 is one of the clients");
  return found;
}
