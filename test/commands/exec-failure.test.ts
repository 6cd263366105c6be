import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CANARY } from "../support/fake-sts.ts";
import type { FakeSts } from "../support/fake-sts.ts";
import { GATEWAY, READER, crossrole, node, startMachine } from "../support/program.ts";
import type { Ended, Machine, StartOptions } from "../support/program.ts";

type Fault = Parameters<FakeSts["fault"]>[0];

const CHILD = node("console.log('started')");

/** Faults that are waited out, each of a role of its own. */
const PASSING = [
  ["unavailable", { kind: "unavailable", status: 500 }],
  ["throttled", { kind: "throttle" }],
  ["unanswered", { kind: "blackHole" }],
  ["passing", { kind: "unavailable", times: 1 }],
] as const satisfies readonly (readonly [string, Fault])[];

let machine: Machine;
/** They take 10 s: they are started first, and run beside everything else. */
const slow = new Map<string, Promise<Ended>>();
beforeAll(async () => {
  machine = await startMachine();
  for (const [name, fault] of PASSING) slow.set(name, exec(roleWith(name, fault)));
});
afterAll(() => machine[Symbol.asyncDispose]());

function roleAt(arn: string): string[] {
  return ["--role-arn", arn, "--sts-endpoint", machine.sts.url];
}

/** A role of its own, so that cases can run beside each other. */
function roleWith(name: string, fault: Fault): string[] {
  const roleArn = `arn:aws:iam::222222222222:role/${name}`;
  machine.sts.addRole({ arn: roleArn });
  machine.sts.fault({ ...fault, roleArn });
  return roleAt(roleArn);
}

async function exec(args: readonly string[], more: StartOptions = {}): Promise<Ended> {
  return await crossrole(["exec", ...args, "--", ...CHILD], {
    env: machine.env,
    cwd: machine.directory,
    ...more,
  });
}

/** Failed with one line, before the command was started. */
function lineOf({ code, stdout, errors }: Ended): string {
  expect({ code, stdout, lines: errors.length }).toEqual({ code: 1, stdout: "", lines: 1 });
  expect(errors[0]).toMatch(/^crossrole: /);
  expect(errors[0]).not.toContain(CANARY);
  return errors[0] ?? "";
}

describe.concurrent("exec starts no command", () => {
  it("when the trust policy refuses, and says who may not do what on which role", async () => {
    machine.sts.addRole({ arn: "arn:aws:iam::222222222222:role/closed", trusts: [] });
    const line = lineOf(await exec(roleAt("arn:aws:iam::222222222222:role/closed")));

    expect(line).toContain("arn:aws:iam::111111111111:user/ops");
    expect(line).toContain("sts:AssumeRole");
    expect(line).toContain("the trust policy of arn:aws:iam::222222222222:role/closed");
    expect(line).toContain("in account 222222222222");
    expect(line).toContain("permission policy");
  });

  it("when a hop refuses, and names the hop", async () => {
    machine.sts.addRole({ arn: GATEWAY, externalId: "7f2c" });
    const line = lineOf(await exec([...roleAt(READER), "--via", GATEWAY]));

    expect(line).toContain(`STS refused AssumeRole of ${GATEWAY}`);
    expect(line).not.toContain("7f2c");
  });

  it("when the role does not exist, which AWS tells as a refusal", async () => {
    const line = lineOf(await exec(roleAt("arn:aws:iam::222222222222:role/nobody")));

    expect(line).toContain("AssumeRole of arn:aws:iam::222222222222:role/nobody");
    expect(line).toContain("does not exist");
  });

  it.each<[string, Fault]>([
    ["html", { kind: "html" }],
    ["truncated", { kind: "truncatedXml" }],
    ["none", { kind: "noCredentials" }],
    ["empty", { kind: "emptyFields" }],
    ["empty-secret", { kind: "emptyFields", fields: ["SecretAccessKey"] }],
    ["past", { kind: "pastExpiration" }],
  ])("when STS answers what is no credentials: %s", async (name, fault) => {
    const line = lineOf(await exec(roleWith(name, fault)));

    expect(line).toContain(`role/${name}`);
  });

  it("without base credentials, and says which base and what was tried", async () => {
    const line = lineOf(await exec(roleAt(READER), { env: machine.bareEnv }));

    expect(line).toContain('base "default"');
    expect(line).toContain("AWS_ACCESS_KEY_ID is not set");
    expect(line).toContain("profile default of ~/.aws/credentials and ~/.aws/config");
    expect(line).toContain("instance metadata");
  });

  it("without the profile that is to sign, and names it", async () => {
    const line = lineOf(await exec([...roleAt(READER), "--profile", "hub"]));

    expect(line).toContain('base "profile"');
    expect(line).toContain("profile hub of ~/.aws/credentials");
  });

  it("when the base's key is not known to STS, and names the key id", async () => {
    const env = { ...machine.env, AWS_ACCESS_KEY_ID: "AKIAUNKNOWNEXAMPLE" };
    const line = lineOf(await exec(roleAt(READER), { env }));

    expect(line).toContain("AKIAUNKNOWNEXAMPLE");
  });

  it("when its configuration has several problems, and shows them all", async () => {
    const { code, stdout, errors } = await exec(["--role-arn", "x", "--duration-seconds", "60"]);

    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(errors).toEqual([
      "crossrole: the command line has 2 problems:",
      expect.stringMatching(/^ {2}--role-arn or CROSSROLE_ROLE_ARN must look like/),
      expect.stringMatching(/^ {2}--duration-seconds or CROSSROLE_DURATION_SECONDS must be 1800/),
    ]);
  });
});

describe("exec waits 10 s for what may pass, and no longer:", () => {
  it.each(["unavailable", "throttled", "unanswered"])("%s", async (name) => {
    const ended = await slow.get(name);

    if (ended === undefined) throw new TypeError(`${name} was not started`);
    expect(lineOf(ended)).toContain(`role/${name}`);
    expect(ended.elapsedMs).toBeGreaterThan(9_000);
    expect(ended.elapsedMs).toBeLessThan(30_000);
  });

  it("a fault that passes is not noticed", async () => {
    expect(await slow.get("passing")).toMatchObject({ code: 0, stdout: "started\n", stderr: "" });
  });
});
