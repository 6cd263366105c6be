import { rename, writeFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { expect, it } from "vitest";
import { BOTO3, SHORT_LIFE_MS } from "./clients.ts";
import { GATEWAY, READER, REGION } from "./crossrole.ts";
import { byRequests } from "./proofs.ts";
import { Scene } from "./scene.ts";
import { until } from "./until.ts";

const POD_ROLE = "arn:aws:iam::111111111111:role/orders-pod";

it("carries a pod's web identity over two roles to S3 while its token is replaced", async () => {
  await using scene = await Scene.open(SHORT_LIFE_MS);
  const { recorder } = scene;
  await replaceToken(scene, "token-1");
  const { client } = await scene.serve(configOf(scene), {});
  await until("credentials are held", () => recorder.sessionsOf(READER).length > 0);
  const { command, ways } = BOTO3;
  const additions = { ...scene.client, ...ways[0].whenSessionsAreShort };
  const program = scene.start(command, { ...client, ...additions });
  const listUntil = (sessions: number) =>
    until(`${sessions} sessions are used`, async () => {
      await program.ask("order");
      await delay(100);
      return (await byRequests(scene)).length >= sessions;
    });

  await listUntil(1);
  await replaceToken(scene, "token-2");
  await until("STS gets the new token", () => tokensSeen(scene).includes("token-2"));
  await listUntil((await byRequests(scene)).length + 2);
  await program.finish();

  expect(scene.complaints).toEqual([]);
  expect([...new Set(tokensSeen(scene))]).toEqual(["token-1", "token-2"]);
  expect((await byRequests(scene)).length).toBeGreaterThanOrEqual(3);
  for (const session of await byRequests(scene)) {
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

function configOf(scene: Scene): object {
  return {
    region: REGION,
    sts: { endpoint: scene.url },
    bases: { pod: { webIdentity: { tokenFile: scene.file("token"), roleArn: POD_ROLE } } },
    roles: { "orders-reader": { arn: READER, base: "pod", via: [GATEWAY] } },
    listeners: [{ address: "127.0.0.1:0", role: "orders-reader" }],
  };
}
