import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { CheckReport } from "../../src/explain/check-report.ts";
import { CANARY } from "../support/fake-sts.ts";
import type { FakeSts } from "../support/fake-sts.ts";
import { GATEWAY, READER, crossrole, startMachine } from "../support/program.ts";
import type { Ended, Machine, StartOptions } from "../support/program.ts";

const OPS = "arn:aws:iam::111111111111:user/ops";
/** What a credential process prints, by printf. */
const PROCESS = '{"Version":1,"AccessKeyId":"%s","SecretAccessKey":"%s"}';
const TARGET = "222222222222";

let machine: Machine;
beforeAll(async () => {
  machine = await startMachine();
  machine.sts.addRole({ arn: GATEWAY });
});
afterAll(() => machine[Symbol.asyncDispose]());

type Role = Parameters<FakeSts["addRole"]>[0];

/** A role of its own, so that cases can run beside each other. */
function roleNamed(name: string, more: Partial<Role> = {}): string {
  const arn = `arn:aws:iam::${TARGET}:role/${name}`;
  machine.sts.addRole({ arn, ...more });
  return arn;
}

async function check(args: readonly string[], more: StartOptions = {}): Promise<Ended> {
  const at = ["--sts-endpoint", machine.sts.url];
  const options = { env: machine.env, cwd: machine.directory, ...more };
  const ended = await crossrole(["check", ...at, ...args], options);
  expect(`${ended.stdout}${ended.stderr}`).not.toContain(CANARY);
  return ended;
}

async function reportOf(
  args: readonly string[],
  more: StartOptions = {},
): Promise<CheckReport & { readonly exitCode: number | null }> {
  const { code, stdout, stderr } = await check([...args, "--json"], more);
  expect(stderr).toBe("");
  return { ...(JSON.parse(stdout) as CheckReport), exitCode: code };
}

function codesOf({ findings }: CheckReport): string[] {
  return findings.map(({ code }) => code);
}

/** What the warning of the clock says, by the one group of `pattern`. */
function secondsIn({ findings }: CheckReport, pattern: RegExp): number {
  const clock = findings.find(({ code }) => code === "clock-skew");
  return Number(pattern.exec(clock?.message ?? "")?.[1]);
}

/** Why the last step of the only role failed. */
function failureIn({ roles }: CheckReport) {
  return roles[0]?.steps.at(-1)?.failure;
}

describe.concurrent("crossrole check", () => {
  it("tells where base credentials were found, whose they are, and assumes nothing", async () => {
    const arn = roleNamed("idle");
    const report = await reportOf(["--role-arn", arn]);

    expect(report).toMatchObject({ ok: true, exitCode: 0, assumed: false });
    expect(report.bases).toEqual([
      {
        name: "default",
        provider: "default",
        source: "the environment (AWS_ACCESS_KEY_ID)",
        accessKeyId: machine.key.accessKeyId,
        identity: OPS,
        account: "111111111111",
      },
    ]);
    expect(report.roles[0]).toMatchObject({ name: "idle", state: "unasked" });
    expect(machine.sts.calls.some(({ parameters }) => parameters["RoleArn"] === arn)).toBe(false);
  });

  it("prints for people what it found and what comes next", async () => {
    const { code, stdout } = await check(["--role-arn", roleNamed("shown")]);

    expect(code).toBe(0);
    expect(stdout).toMatch(/identity +arn:aws:iam::111111111111:user\/ops/);
    expect(stdout).toContain("No role was assumed: --assume does it.");
    expect(stdout).toContain("Nothing is wrong that could be seen.");
  });

  it.each([
    ["a profile", { profile: "hub" }, "profile hub, by its keys"],
    [
      "a process",
      { process: `printf '${PROCESS}' "$KEY" "$SECRET"` },
      "the command of the configuration",
    ],
  ])("tells that %s signs", async (_, base, source) => {
    const { accessKeyId, secretAccessKey } = machine.key;
    const kind = String(Object.keys(base)[0]);
    const file = await machine.write(`base-${kind}.yaml`, {
      bases: { hub: base },
      roles: { reader: { arn: READER, base: "hub" } },
    });
    const keys = `aws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secretAccessKey}\n`;
    const credentials = await machine.write(`${kind}-credentials`, `[hub]\n${keys}`);
    const env = {
      ...machine.bareEnv,
      AWS_SHARED_CREDENTIALS_FILE: credentials,
      KEY: accessKeyId,
      SECRET: secretAccessKey,
    };
    const report = await reportOf(["--config", file], { env });

    expect(report.bases).toMatchObject([{ name: "hub", source, identity: OPS }]);
  });

  it("tells how long temporary base credentials live, and that nobody renews those in variables", async () => {
    const arn = "arn:aws:sts::111111111111:assumed-role/laptop/me";
    const key = machine.sts.addKey({ sessionToken: `${CANARY}/session`, arn });
    const env = {
      ...machine.bareEnv,
      AWS_ACCESS_KEY_ID: key.accessKeyId,
      AWS_SECRET_ACCESS_KEY: key.secretAccessKey,
      AWS_SESSION_TOKEN: key.sessionToken,
      AWS_CREDENTIAL_EXPIRATION: new Date(Date.now() + 1_800_000).toISOString(),
    };
    const report = await reportOf(["--role-arn", roleNamed("laptop")], { env });

    expect(report.bases[0]?.remainingSeconds).toBeGreaterThan(1_700);
    expect(report.bases[0]?.remainingSeconds).toBeLessThanOrEqual(1_800);
    expect(codesOf(report)).toContain("unrenewed-session");
  });
});

describe.concurrent("crossrole check --assume", () => {
  it("assumes every hop and role, a shared hop once", async () => {
    const hop = "arn:aws:iam::111111111111:role/shared-hop";
    machine.sts.addRole({ arn: hop });
    const file = await machine.write("two.yaml", {
      roles: {
        one: { arn: roleNamed("one", { trusts: [hop] }), via: [hop] },
        two: { arn: roleNamed("two", { trusts: [hop] }), via: [hop] },
      },
    });
    const report = await reportOf(["--config", file, "--assume"]);

    expect(report).toMatchObject({ ok: true, exitCode: 0, assumed: true });
    expect(report.roles.map(({ name, state }) => [name, state])).toEqual([
      ["one", "ok"],
      ["two", "ok"],
    ]);
    const steps = report.roles[0]?.steps ?? [];
    expect(steps.map(({ state }) => state)).toEqual(["assumed", "assumed"]);
    expect(steps[1]?.remainingSeconds).toBeGreaterThan(3_500);
    const asked = machine.sts.calls.filter(({ parameters }) => parameters["RoleArn"] === hop);
    // Once for the session, and no second longer: the hop is signed for by a user.
    expect(asked.map(({ parameters }) => parameters["DurationSeconds"])).toEqual(["3600", "3601"]);
  });

  it("names who was refused, and gives the statement for each side while AWS does not say which", async () => {
    const arn = roleNamed("closed", { trusts: [] });
    const report = await reportOf(["--role-arn", arn, "--via", GATEWAY, "--assume"]);

    expect(report).toMatchObject({ ok: false, exitCode: 1 });
    expect(report.roles[0]?.steps.map(({ state }) => state)).toEqual(["assumed", "failed"]);
    expect(failureIn(report)?.denial).toEqual({
      principal: GATEWAY,
      refusedBy: "either",
      statements: [
        {
          side: "trust",
          account: TARGET,
          attachTo: arn,
          statement: { Effect: "Allow", Principal: { AWS: GATEWAY }, Action: "sts:AssumeRole" },
        },
        {
          side: "permission",
          account: "111111111111",
          attachTo: GATEWAY,
          statement: { Effect: "Allow", Action: "sts:AssumeRole", Resource: arn },
        },
      ],
    });
  });

  it.each([
    ["trust", "because no resource-based policy allows the sts:AssumeRole action"],
    ["permission", "because no identity-based policy allows the sts:AssumeRole action"],
    ["deny", "with an explicit deny in a service control policy"],
    ["other", "because no permissions boundary allows the sts:AssumeRole action"],
  ])("says that it was the side %s, where AWS does", async (side, words) => {
    const arn = roleNamed(`by-${side}`);
    const user = `User: ${OPS} is not authorized to perform: sts:AssumeRole on resource: ${arn}`;
    machine.sts.fault({ kind: "accessDenied", message: `${user} ${words}`, roleArn: arn });
    const { denial } = failureIn(await reportOf(["--role-arn", arn, "--assume"])) ?? {};

    expect(denial).toMatchObject({ principal: OPS, refusedBy: side });
    const sides = denial?.statements.map((missing) => missing.side);
    expect(sides).toEqual(side === "trust" || side === "permission" ? [side] : []);
  });

  it("puts what the call carries into the statement: external id, tags, source identity", async () => {
    const arn = roleNamed("loaded", { trusts: [] });
    const file = await machine.write("loaded.yaml", {
      roles: {
        loaded: { arn, externalId: "7f2c", sessionTags: { team: "a" }, sourceIdentity: "me" },
      },
    });
    const [trust] =
      failureIn(await reportOf(["--config", file, "--assume"]))?.denial?.statements ?? [];

    expect(trust?.statement).toEqual({
      Effect: "Allow",
      Principal: { AWS: OPS },
      Action: ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"],
      Condition: { StringEquals: { "sts:ExternalId": "7f2c" } },
    });
  });

  it("does not ask for what a failed hop would sign, and says so", async () => {
    const hop = "arn:aws:iam::111111111111:role/closed-hop";
    machine.sts.addRole({ arn: hop, trusts: [] });
    const arn = roleNamed("behind");
    const report = await reportOf(["--role-arn", arn, "--via", hop, "--assume"]);

    expect(report.roles[0]?.steps.map(({ state }) => state)).toEqual(["failed", "unreached"]);
    expect(machine.sts.calls.some(({ parameters }) => parameters["RoleArn"] === arn)).toBe(false);
  });

  it("prints the statement as JSON that can be pasted, with its account", async () => {
    const arn = roleNamed("pasted", { trusts: [] });
    const { code, stdout } = await check(["--role-arn", arn, "--assume"]);

    expect(code).toBe(1);
    expect(stdout).toContain(`refused: ${OPS}`);
    expect(stdout).toContain(
      `add this statement to the trust policy of ${arn} in account ${TARGET}:`,
    );
    const pasted = /account 222222222222:\n(\s*\{[\s\S]*?\n {6}\})/.exec(stdout)?.[1] ?? "";
    expect(JSON.parse(pasted)).toMatchObject({ Effect: "Allow", Principal: { AWS: OPS } });
  });

  it("gives the trust that a refused web identity token needs, from what the token says", async () => {
    const arn = roleNamed("irsa");
    const claims = {
      iss: "https://oidc.eks.eu-west-1.amazonaws.com/id/ABC",
      sub: "system:serviceaccount:orders:reader",
      aud: ["sts.amazonaws.com"],
    };
    const token = `e30.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.${CANARY}`;
    const file = await machine.write("irsa.yaml", {
      bases: {
        irsa: { webIdentity: { tokenFile: await machine.write("token", token), roleArn: arn } },
      },
      roles: { reader: { arn: READER, base: "irsa" } },
    });
    const report = await reportOf(["--config", file, "--assume"]);

    expect(report.exitCode).toBe(1);
    expect(report.roles[0]?.steps.map(({ state }) => state)).toEqual(["unreached"]);
    const issuer = "oidc.eks.eu-west-1.amazonaws.com/id/ABC";
    expect(report.bases[0]?.failure?.denial?.statements[0]).toMatchObject({
      side: "trust",
      account: TARGET,
      attachTo: arn,
      statement: {
        Principal: { Federated: `arn:aws:iam::${TARGET}:oidc-provider/${issuer}` },
        Condition: {
          StringEquals: {
            [`${issuer}:sub`]: "system:serviceaccount:orders:reader",
            [`${issuer}:aud`]: "sts.amazonaws.com",
          },
        },
      },
    });
  });
});

describe.concurrent("crossrole check finds out before the daemon does", () => {
  it("that there are no base credentials, and what was tried", async () => {
    const report = await reportOf(["--role-arn", READER], { env: machine.bareEnv });

    expect(report).toMatchObject({ ok: false, exitCode: 1 });
    expect(report.bases[0]?.failure?.code).toBe("ERR_BASE_UNAVAILABLE");
    expect(report.bases[0]?.failure?.message).toContain("AWS_ACCESS_KEY_ID is not set");
  });

  it("that the base credentials have expired", async () => {
    const key = machine.sts.addKey();
    machine.sts.expire(key.accessKeyId);
    const env = {
      ...machine.bareEnv,
      AWS_ACCESS_KEY_ID: key.accessKeyId,
      AWS_SECRET_ACCESS_KEY: key.secretAccessKey,
    };
    const report = await reportOf(["--role-arn", READER, "--assume"], { env });

    expect(report.exitCode).toBe(1);
    expect(report.bases[0]?.failure).toMatchObject({ code: "ERR_BASE_EXPIRED" });
    expect(report.bases[0]?.failure?.message).toContain(key.accessKeyId);
    expect(report.roles[0]?.steps[0]?.state).toBe("unreached");
  });

  it("that STS is away", async () => {
    const args = ["--sts-endpoint", "http://127.0.0.1:9", "--role-arn", READER, "--assume"];
    const report = await reportOf(args);

    expect(report.exitCode).toBe(1);
    expect(report.bases[0]?.failure).toMatchObject({ code: "ERR_STS_UNAVAILABLE" });
  });

  it("that the base is a root user, who may assume no role", async () => {
    const key = machine.sts.addKey({ arn: "arn:aws:iam::111111111111:root" });
    const env = {
      ...machine.bareEnv,
      AWS_ACCESS_KEY_ID: key.accessKeyId,
      AWS_SECRET_ACCESS_KEY: key.secretAccessKey,
    };
    const report = await reportOf(["--role-arn", READER], { env });

    expect(report).toMatchObject({ ok: false, exitCode: 1 });
    expect(codesOf(report)).toContain("root-user");
  });

  it("goes on where an endpoint policy refuses GetCallerIdentity alone", async () => {
    await using own = await startMachine();
    own.sts.fault({ kind: "accessDenied", action: "GetCallerIdentity" });
    const report = await reportOf(
      ["--sts-endpoint", own.sts.url, "--role-arn", READER, "--assume"],
      {
        env: own.env,
      },
    );

    expect(report).toMatchObject({ ok: true, exitCode: 0 });
    expect(codesOf(report)).toContain("unknown-identity");
  });
});

describe.concurrent("crossrole check warns of", () => {
  it("a clock that is 10 minutes off, and works all the same", async () => {
    await using own = await startMachine();
    own.sts.clockOffsetMs = 600_000;
    const args = ["--sts-endpoint", own.sts.url, "--role-arn", READER, "--assume"];
    const report = await reportOf(args, { env: own.env });

    expect(report).toMatchObject({ ok: true, exitCode: 0 });
    // Less by what the answer was under way: nobody knows how long that was.
    const seconds = secondsIn(report, /is (\d+) s behind STS's/);
    expect(seconds).toBeGreaterThan(540);
    expect(seconds).toBeLessThanOrEqual(601);
  });

  it("a clock that is 2 minutes off, which STS still takes, without assuming anything", async () => {
    await using own = await startMachine();
    own.sts.clockOffsetMs = -120_000;
    const args = ["--sts-endpoint", own.sts.url, "--role-arn", READER];
    const report = await reportOf(args, { env: own.env });

    const seconds = secondsIn(report, /is (\d+) s ahead of STS's/);
    expect(seconds).toBeGreaterThan(60);
    expect(seconds).toBeLessThanOrEqual(121);
  });

  it("a role that allows longer sessions than are asked for", async () => {
    const arn = roleNamed("patient", { maxSessionSeconds: 7_200 });
    const report = await reportOf(["--role-arn", arn, "--assume"]);

    expect(codesOf(report)).toContain("shorter-than-allowed");
    const exact = roleNamed("exact", { maxSessionSeconds: 7_200 });
    const other = await reportOf(["--role-arn", exact, "--duration-seconds", "7200", "--assume"]);
    expect(other.exitCode).toBe(0);
    expect(codesOf(other)).not.toContain("shorter-than-allowed");
  });

  it("sessions that are shorter than asked for", async () => {
    await using own = await startMachine();
    own.sts.lifeSeconds = 1_800;
    const args = ["--sts-endpoint", own.sts.url, "--role-arn", READER, "--assume"];

    expect(codesOf(await reportOf(args, { env: own.env }))).toContain("shorter-than-asked");
  });

  it("session tags and policies that are nearly too large", async () => {
    const arn = roleNamed("packed", { packedPolicySize: 76 });
    const report = await reportOf(["--role-arn", arn, "--assume"]);

    expect(codesOf(report)).toContain("packed-policy-size");
    expect(report.roles[0]?.steps[0]?.packedPolicySize).toBe(76);
    const roomy = await reportOf([
      "--role-arn",
      roleNamed("roomy", { packedPolicySize: 75 }),
      "--assume",
    ]);
    expect(codesOf(roomy)).not.toContain("packed-policy-size");
  });

  it("more than an hour behind another role", async () => {
    const arn = roleNamed("chained");
    const args = ["--role-arn", arn, "--via", GATEWAY, "--duration-seconds", "7200"];
    const { findings } = await reportOf(args);

    expect(findings).toContainEqual(
      expect.objectContaining({ code: "chained-duration", where: "roles.chained.durationSeconds" }),
    );
  });

  it("more than an hour by credentials that turn out to be a session", async () => {
    const key = machine.sts.addKey({
      sessionToken: `${CANARY}/chained`,
      arn: "arn:aws:sts::111111111111:assumed-role/laptop/me",
    });
    const env = {
      ...machine.bareEnv,
      AWS_ACCESS_KEY_ID: key.accessKeyId,
      AWS_SECRET_ACCESS_KEY: key.secretAccessKey,
      AWS_SESSION_TOKEN: key.sessionToken,
    };
    const args = ["--role-arn", roleNamed("by-session"), "--duration-seconds", "7200", "--assume"];

    expect(codesOf(await reportOf(args, { env }))).toContain("chained-duration");
  });

  it("an account that trusts another without an external id, and of a user's key", async () => {
    const codes = codesOf(await reportOf(["--role-arn", roleNamed("trusting")]));
    const asked = await reportOf(["--role-arn", roleNamed("asking"), "--external-id", "7f2c"]);

    expect(codes).toEqual(["long-lived-key", "no-external-id"]);
    expect(codesOf(asked)).toEqual(["long-lived-key"]);
  });

  it("the global endpoint, roles that are the same, and roles that nobody gets", async () => {
    const arn = roleNamed("twin");
    const file = await machine.write("twins.yaml", {
      roles: { first: { arn }, second: { arn }, third: { arn, sessionName: "{role}" } },
      listeners: [{ address: "127.0.0.1:0", roles: ["first", "second"] }],
    });
    const env = { ...machine.env, AWS_STS_REGIONAL_ENDPOINTS: "legacy" };
    const { findings } = await reportOf(["--config", file], { env });

    expect(findings.map(({ code, where }) => `${code} ${where}`)).toEqual([
      "global-endpoint AWS_STS_REGIONAL_ENDPOINTS",
      "duplicate-role roles.second",
      "unserved-role roles.third",
      "long-lived-key base default",
      `no-external-id ${arn}`,
    ]);
  });
});

describe.concurrent("crossrole check", () => {
  it.each([
    [["--assume", "--client"], /ask one at a time/],
    [["--pod", "a/b", "--assume"], /ask one at a time/],
    [["--client", "cobol"], /--client is "cobol"; say boto3, cli, .* or all/],
  ])("takes %j for a question of usage", async (args, explanation) => {
    const { code, errors } = await crossrole(["check", ...args], { env: machine.env });

    expect(code).toBe(2);
    expect(errors.at(-1)).toMatch(explanation);
  });

  it("leaves a role that pods get by their own identity to the daemon", async () => {
    const file = await machine.write("pods.yaml", {
      roles: { reader: { arn: READER } },
      listeners: [{ address: "127.0.0.1:0", pods: true }],
      associations: [{ namespace: "team-a", serviceAccount: "reader", role: "reader" }],
      kubernetes: { node: "n1" },
    });
    const report = await reportOf(["--config", file, "--assume"], { env: machine.bareEnv });

    expect(report).toMatchObject({ ok: true, exitCode: 0, bases: [] });
    expect(report.roles).toMatchObject([{ name: "reader", state: "pods" }]);
  });
});
