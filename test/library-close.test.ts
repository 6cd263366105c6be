import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { startFakeSts } from "./support/fake-sts.ts";
import { leftBehind } from "./support/left-behind.ts";

const LIBRARY = fileURLToPath(new URL("../src/library.ts", import.meta.url));
const ROLE = "arn:aws:iam::222222222222:role/orders-reader";

it("leaves no timer, no socket and no other handle in a process that has closed it", async () => {
  await using sts = await startFakeSts();
  sts.addRole({ arn: ROLE });
  const { accessKeyId, secretAccessKey } = sts.addKey();

  const { open, left, keepingAlive } = await leftBehind({
    library: LIBRARY,
    roleArn: ROLE,
    stsEndpoint: sts.url,
    environment: {
      PATH: process.env["PATH"] ?? "",
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
    },
  });

  expect(open).toEqual(expect.arrayContaining(["TCPSERVERWRAP", "Timeout"]));
  expect(left).toEqual([]);
  expect(keepingAlive).toEqual([]);
});
