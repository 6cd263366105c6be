import { mkdir, writeFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { CASES } from "./cases.ts";
import { AWS_CLI } from "./clients.ts";
import { BASE_KEYS, crossrole, GATEWAY, READER, REGION, roleFlags } from "./crossrole.ts";
import { byRequests } from "./proofs.ts";
import { Scene } from "./scene.ts";

it("tells the AWS CLI under crossrole exec that it is the role of the other account", async () => {
  await using scene = await Scene.open();
  const command = ["aws", "sts", "get-caller-identity", "--output", "json"];
  const program = scene.start(crossrole("exec", ...roleFlags(scene.url), "--", ...command), {
    ...BASE_KEYS,
    ...scene.endpoint,
  });

  const identity: unknown = JSON.parse(await program.finish());

  expect(identity).toMatchObject({
    Account: "222222222222",
    Arn: expect.stringMatching(
      /^arn:aws:sts::222222222222:assumed-role\/orders-reader\/[\w+=,.@-]+$/,
    ),
  });
  const [session] = scene.recorder.sessionsOf(READER);
  const asked = scene.recorder.requests.at(-1);
  expect(asked?.accessKeyId).toBe(session?.accessKeyId);
  expect(asked?.headers["x-amz-security-token"]).toBe(session?.sessionToken);
});

it("serves the AWS CLI as the credential process of a profile", async ({ task }) => {
  task.meta.proved = {
    client: AWS_CLI.name,
    version: AWS_CLI.version,
    way: "`crossrole credential-process`",
    what: CASES.cold.title,
    sentence: CASES.cold.sentence,
  };
  await using scene = await Scene.open();
  await writeAwsFiles(scene);

  const list = ["aws", "--profile", "orders", "s3api", "list-objects-v2", "--bucket", "orders"];
  await scene.start(list, scene.endpoint).finish();

  expect(await byRequests(scene)).toEqual(scene.recorder.sessionsOf(READER));
  const signedBy = scene.recorder.sessionsOf(GATEWAY).map((issued) => issued.signedBy);
  expect(signedBy).toEqual([BASE_KEYS.AWS_ACCESS_KEY_ID]);
});

/** A laptop's: keys of one profile, and a profile that asks crossrole, which starts from those keys. */
async function writeAwsFiles(scene: Scene): Promise<void> {
  const process = crossrole("credential-process", "--profile", "hub", ...roleFlags(scene.url));
  await mkdir(scene.file(".aws"));
  await writeFile(
    scene.file(".aws/credentials"),
    [
      "[hub]",
      `aws_access_key_id = ${BASE_KEYS.AWS_ACCESS_KEY_ID}`,
      `aws_secret_access_key = ${BASE_KEYS.AWS_SECRET_ACCESS_KEY}`,
      "",
    ].join("\n"),
  );
  await writeFile(
    scene.file(".aws/config"),
    [
      "[profile orders]",
      `region = ${REGION}`,
      `credential_process = ${process.map((word) => JSON.stringify(word)).join(" ")}`,
      "",
    ].join("\n"),
  );
}
