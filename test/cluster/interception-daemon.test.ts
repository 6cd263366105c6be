import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, it } from "vitest";
import { startFakeSts } from "../support/fake-sts.ts";
import { nodeNetwork } from "./namespaces.ts";
import type { Reply } from "./namespaces-agent-tasks.ts";
import type { Namespace } from "./namespaces-namespace.ts";
import { crossroleIn, startCrossroleIn } from "./namespaces-program.ts";

const READER = "arn:aws:iam::222222222222:role/orders-reader";

const LATEST = "http://169.254.169.254/latest";
const LIST = `${LATEST}/meta-data/iam/security-credentials/`;

/** What an AWS SDK does. */
async function credentialsOf(namespace: Namespace): Promise<Record<string, string>> {
  const token = await namespace.ask(`${LATEST}/api/token`, {
    method: "PUT",
    headers: { "X-aws-ec2-metadata-token-ttl-seconds": "60" },
  });
  const headers = { "X-aws-ec2-metadata-token": bodyOf(token) };
  const role = bodyOf(await namespace.ask(LIST, { headers }));
  return JSON.parse(bodyOf(await namespace.ask(`${LIST}${role}`, { headers })));
}

function bodyOf(reply: Reply): string {
  if ("error" in reply) throw new Error(reply.error);
  expect(reply.status).toBe(200);
  return reply.body;
}

it("an unmodified client in a pod gets the role's credentials from crossrole serve, and after its end nothing", async () => {
  await using network = await nodeNetwork();
  await using sts = await startFakeSts();
  sts.addRole({ arn: READER });
  const key = sts.addKey();
  await network.node.relay(Number(new URL(sts.url).port));
  const folder = await mkdtemp(path.join(tmpdir(), "crossrole-interception-"));
  const file = path.join(folder, "crossrole.json");
  const addresses = ["169.254.171.254:51679", "[fd00:ec2:fa11::254]:51679"];
  const config = {
    region: "eu-west-1",
    sts: { endpoint: sts.url },
    roles: { reader: { arn: READER } },
    listeners: addresses.map((address) => ({ address, role: "reader", allowUsers: "any" })),
  };
  await writeFile(file, JSON.stringify(config));
  expect(await crossroleIn(network.node, ["node", "install"])).toMatchObject({ code: 0 });
  const daemon = startCrossroleIn(network.node, ["serve", "--config", file], {
    env: {
      AWS_ACCESS_KEY_ID: key.accessKeyId,
      AWS_SECRET_ACCESS_KEY: key.secretAccessKey,
      AWS_EC2_METADATA_DISABLED: "true",
    },
  });
  try {
    await daemon.said("stderr", /"msg":"listening".*"msg":"listening"/s);

    for (const { namespace } of network.everyPod) {
      expect(await credentialsOf(namespace)).toMatchObject({
        Code: "Success",
        AccessKeyId: expect.stringMatching(/EXAMPLE$/),
      });
    }
    await daemon.stop();
    for (const { namespace } of network.everyPod) {
      await expect(credentialsOf(namespace)).rejects.toThrow("ECONNREFUSED");
    }
  } finally {
    await daemon.stop();
    await rm(folder, { recursive: true, force: true });
  }
});
