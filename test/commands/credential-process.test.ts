import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { GATEWAY, READER, crossrole, startMachine } from "../support/program.ts";
import type { Machine } from "../support/program.ts";

let machine: Machine;
beforeAll(async () => {
  machine = await startMachine();
  machine.sts.addRole({ arn: GATEWAY });
  machine.sts.addRole({ arn: "arn:aws:iam::222222222222:role/closed", trusts: [] });
});
afterAll(() => machine[Symbol.asyncDispose]());

describe.concurrent("credential-process", () => {
  it("prints what AWS's clients read of a credential_process, on one line and nothing else", async () => {
    const args = ["credential-process", ...machine.role, "--via", GATEWAY];
    const { code, stdout, stderr } = await crossrole(args, { env: machine.env });

    const output = JSON.parse(stdout) as Record<string, unknown>;
    const issued = machine.sts.issued.find((one) => one.accessKeyId === output["AccessKeyId"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toBe(`${JSON.stringify(output)}\n`);
    expect(issued?.roleArn).toBe(READER);
    expect(Object.entries(output)).toEqual([
      ["Version", 1],
      ["AccessKeyId", issued?.accessKeyId],
      ["SecretAccessKey", issued?.secretAccessKey],
      ["SessionToken", issued?.sessionToken],
      ["Expiration", expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)],
    ]);
    const lifeMs = Date.parse(String(output["Expiration"])) - Date.now();
    expect(lifeMs).toBeGreaterThan(3_500_000);
    expect(lifeMs).toBeLessThanOrEqual(3_600_000);
  });

  it("takes its role from a file by name, opens none of its listeners, and needs no state", async () => {
    const file = await machine.write("crossrole.yaml", {
      sts: { endpoint: machine.sts.url },
      roles: { reader: { arn: READER }, closed: { arn: "arn:aws:iam::222222222222:role/closed" } },
      // Nobody may listen there, and nobody may write there.
      listeners: [{ address: "203.0.113.1:9911", role: "reader" }],
      operations: { address: "203.0.113.1:9910" },
      state: { directory: "/dev/null/state" },
    });
    const args = ["credential-process", "--config", file, "--role", "reader"];
    const { code, stdout, stderr } = await crossrole(args, { env: machine.env });

    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(JSON.parse(stdout)).toMatchObject({ Version: 1 });
  });

  it("prints nothing on stdout and one line on stderr when it is refused", async () => {
    const closed = ["--role-arn", "arn:aws:iam::222222222222:role/closed"];
    const args = ["credential-process", ...closed, "--sts-endpoint", machine.sts.url];
    const { code, stdout, errors } = await crossrole(args, { env: machine.env });

    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(errors).toEqual([
      expect.stringMatching(/^crossrole: STS refused AssumeRole of .*closed/),
    ]);
  });
});
