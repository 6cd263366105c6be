import { request } from "node:http";
import { describe, expect, it } from "vitest";
import { startCrossrole } from "../src/library.ts";
import { startFakeSts } from "./support/fake-sts.ts";

const ROLE = "arn:aws:iam::222222222222:role/orders-reader";
const roleArn = ROLE;
const config = { roles: { reader: { arn: ROLE } } };

const cyclic: Record<string, unknown> = {};
cyclic["roles"] = cyclic;

describe("startCrossrole", () => {
  it.each<[string, unknown, string]>([
    ["nothing", undefined, "options must be an object"],
    ["null", null, "options must be an object"],
    ["a text", ROLE, "options must be an object"],
    ["a list", [ROLE], "options must be an object"],
    ["no role", {}, "roleArn must be given, or config"],
    ["a role that is undefined", { roleArn: undefined }, "roleArn must be given, or config"],
    ["both", { roleArn, config }, "roleArn and config must not be given together"],
    ["an unknown name", { roleArn, rolArn: ROLE }, 'there is no option "rolArn" beside roleArn'],
    ["another's name", { config, via: [] }, 'there is no option "via" beside config'],
    ["a number for a role", { roleArn: 7 }, "roleArn must be a string"],
    ["null for a region", { roleArn, region: null }, "region must be a string"],
    ["a text for via", { roleArn, via: ROLE }, "via must be a list of strings"],
    ["a text for a number", { roleArn, durationSeconds: "1h" }, "durationSeconds must be a number"],
    ["no environment", { roleArn, environment: null }, "environment must be an object"],
    ["a log that is none", { roleArn, onLog: console }, "onLog must be a function"],
    ["another protocol", { roleArn, protocol: "x" }, "protocol must be imds or container"],
    ["a text for a configuration", { config: "x" }, "config must be an object"],
    ["a cyclic configuration", { config: cyclic }, "config must be what JSON can hold"],
    ["a BigInt", { config: { ...config, x: 1n } }, "config must be what JSON can hold"],
  ])("refuses %s in its own words", async (_, options, message) => {
    const start: (given: never) => Promise<unknown> = startCrossrole;

    await expect(start(options as never)).rejects.toMatchObject({
      code: "ERR_USAGE",
      message: `startCrossrole: ${message}`,
    });
  });

  it("names the option whose value breaks a rule of the configuration", async () => {
    await expect(startCrossrole({ roleArn, durationSeconds: 60 })).rejects.toMatchObject({
      code: "ERR_CONFIG_INVALID",
      message: expect.stringMatching(/^startCrossrole: durationSeconds must be .*, is 60$/),
    });
  });

  it.each<[string, () => unknown]>([
    [
      "throws",
      () => {
        throw new Error("full");
      },
    ],
    ["is rejected", () => Promise.reject(new Error("full"))],
  ])("answers, whatever becomes of the log: it %s", async (_, onLog) => {
    await using sts = await startFakeSts();
    sts.addRole({ arn: ROLE });
    const { accessKeyId, secretAccessKey } = sts.addKey();
    const environment = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
    await using crossrole = await startCrossrole({
      roleArn,
      stsEndpoint: sts.url,
      environment,
      onLog,
    });

    expect(await statusOf(`${crossrole.url}/latest/meta-data/`)).toBe(401);
  });
});

async function statusOf(url: string): Promise<number | undefined> {
  return await new Promise((resolve, reject) => {
    request(url, { agent: false }, (response) => {
      response.resume().once("close", () => resolve(response.statusCode));
    })
      .once("error", reject)
      .end();
  });
}
