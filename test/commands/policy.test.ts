import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { PolicyDocument } from "../../src/explain/policy-documents.ts";
import { GATEWAY, READER, crossrole, startMachine } from "../support/program.ts";
import type { Machine } from "../support/program.ts";

const HUB = "arn:aws:iam::111111111111:role/hub";
const ISSUER = "oidc.eks.eu-west-1.amazonaws.com/id/ABC";

let machine: Machine;
beforeAll(async () => {
  machine = await startMachine();
});
afterAll(() => machine[Symbol.asyncDispose]());

let count = 0;

/** A file of its own, so that cases can run beside each other. */
async function policy(config: object, ...args: readonly string[]) {
  const file = await machine.write(`policy-${count++}.yaml`, config);
  const ended = await crossrole(["policy", "--config", file, ...args], { env: machine.bareEnv });
  expect(ended.stderr).toBe("");
  expect(ended.code).toBe(0);
  return ended.stdout;
}

async function documents(config: object, ...args: readonly string[]): Promise<PolicyDocument[]> {
  return JSON.parse(await policy(config, ...args)) as PolicyDocument[];
}

const CHAIN = {
  bases: { hub: { profile: "hub" } },
  roles: {
    reader: {
      arn: READER,
      base: "hub",
      via: [GATEWAY],
      externalId: "7f2c",
      sessionTags: { team: "orders" },
      sourceIdentity: "orders",
    },
    writer: { arn: "arn:aws:iam::222222222222:role/finance/writer", base: "hub", via: [GATEWAY] },
  },
};

describe.concurrent("crossrole policy", () => {
  it("prints the trust and the permission policy of every hop and role, with account and place", async () => {
    const all = await documents(CHAIN, "--principal", `hub=${HUB}`);

    expect(all.map(({ kind, account, attachTo }) => [kind, account, attachTo])).toEqual([
      ["permission", "111111111111", HUB],
      ["trust", "111111111111", GATEWAY],
      ["permission", "111111111111", GATEWAY],
      ["trust", "222222222222", READER],
      ["trust", "222222222222", "arn:aws:iam::222222222222:role/finance/writer"],
    ]);
    expect(all[1]?.policy).toEqual({
      Version: "2012-10-17",
      Statement: [{ Effect: "Allow", Principal: { AWS: HUB }, Action: "sts:AssumeRole" }],
    });
    expect(all[2]?.policy.Statement).toEqual([
      {
        Effect: "Allow",
        Action: ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"],
        Resource: READER,
      },
      {
        Effect: "Allow",
        Action: "sts:AssumeRole",
        Resource: "arn:aws:iam::222222222222:role/finance/writer",
      },
    ]);
    expect(all[3]?.policy.Statement).toEqual([
      {
        Effect: "Allow",
        Principal: { AWS: GATEWAY },
        Action: ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"],
        Condition: { StringEquals: { "sts:ExternalId": "7f2c" } },
      },
    ]);
  });

  it("prints what one role needs, and the same with --json", async () => {
    const one = await documents(CHAIN, "--role", "writer", "--principal", HUB, "--json");

    expect(one.map(({ attachTo }) => attachTo)).toEqual([
      HUB,
      GATEWAY,
      GATEWAY,
      "arn:aws:iam::222222222222:role/finance/writer",
    ]);
    expect(JSON.stringify(one)).not.toContain("7f2c");
  });

  it("says what to put in where nobody knows who signs", async () => {
    const [permission, trust] = await documents(CHAIN, "--role", "writer");

    expect(permission).toMatchObject({
      account: "ACCOUNT_OF_BASE_HUB",
      attachTo: "ARN_OF_BASE_HUB",
    });
    expect(trust?.policy.Statement[0]?.Principal).toEqual({ AWS: "ARN_OF_BASE_HUB" });
    expect(trust?.notes[0]).toMatch(/--principal hub=ARN; "crossrole check" tells it/);
  });

  it("takes the session that STS tells for the role that it is of, and SSO's for a condition", async () => {
    const session = "arn:aws:sts::111111111111:assumed-role/hub/laptop";
    const sso = "arn:aws:sts::111111111111:assumed-role/AWSReservedSSO_Admin_0123/me";
    const [, role] = await documents(CHAIN, "--principal", session);
    const [, people] = await documents(CHAIN, "--principal", sso);

    expect(role?.policy.Statement[0]?.Principal).toEqual({ AWS: HUB });
    expect(people?.policy.Statement[0]).toMatchObject({
      Principal: { AWS: "arn:aws:iam::111111111111:root" },
      Condition: {
        ArnLike: {
          "aws:PrincipalArn":
            "arn:aws:iam::111111111111:role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_Admin_0123",
        },
      },
    });
  });

  it("asks for the names of sessions when it is told to", async () => {
    const config = { roles: { reader: { arn: READER, sessionName: "orders-{hostname}" } } };
    const args = ["--principal", HUB, "--session-names"];
    const trust = (await documents(config, ...args)).at(-1);

    expect(trust?.policy.Statement[0]?.Condition).toEqual({
      StringLike: { "sts:RoleSessionName": "orders-*" },
    });
  });

  it("gives a web-identity base the trust of IRSA, and knows it as the principal behind", async () => {
    const workload = "arn:aws:iam::111111111111:role/workload";
    const config = {
      bases: { irsa: { webIdentity: { tokenFile: "/nowhere", roleArn: workload } } },
      roles: { reader: { arn: READER, base: "irsa" } },
    };
    const unknown = await documents(config);
    const known = await documents(config, "--issuer", `https://${ISSUER}/`);

    expect(JSON.stringify(unknown[0])).toContain("oidc-provider/OIDC_ISSUER");
    expect(unknown[0]?.notes.join("\n")).toContain("--issuer URL");
    expect(known[0]?.policy.Statement).toEqual([
      {
        Effect: "Allow",
        Principal: { Federated: `arn:aws:iam::111111111111:oidc-provider/${ISSUER}` },
        Action: "sts:AssumeRoleWithWebIdentity",
        Condition: {
          StringEquals: {
            [`${ISSUER}:aud`]: "sts.amazonaws.com",
            [`${ISSUER}:sub`]: "system:serviceaccount:NAMESPACE:SERVICE_ACCOUNT",
          },
        },
      },
    ]);
    expect(known[2]?.policy.Statement[0]?.Principal).toEqual({ AWS: workload });
  });

  it("reads issuer, subject and audience from the token of a web-identity base that is here", async () => {
    const claims = { iss: `https://${ISSUER}`, sub: "system:serviceaccount:a:b", aud: "me" };
    const token = `e30.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.c2ln`;
    const tokenFile = await machine.write("token", token);
    const [trust] = await documents({
      bases: { irsa: { webIdentity: { tokenFile, roleArn: HUB } } },
      roles: { reader: { arn: READER, base: "irsa" } },
    });

    expect(trust?.policy.Statement[0]?.Condition).toEqual({
      StringEquals: { [`${ISSUER}:aud`]: "me", [`${ISSUER}:sub`]: "system:serviceaccount:a:b" },
    });
  });

  it("trusts the service accounts that get a role by associations, in the first role of the chain", async () => {
    const config = {
      roles: { reader: { arn: READER, via: [GATEWAY], externalId: "7f2c" } },
      listeners: [{ address: "127.0.0.1:0", pods: true }],
      associations: [
        { namespace: "team-a", serviceAccount: "reader", role: "reader" },
        { namespace: "team-*", serviceAccount: "batch", role: "reader" },
      ],
      kubernetes: { node: "n1", audience: "crossrole" },
    };
    const all = await documents(config, "--issuer", ISSUER);

    expect(all.map(({ kind, attachTo }) => [kind, attachTo])).toEqual([
      ["trust", GATEWAY],
      ["permission", GATEWAY],
      ["trust", READER],
    ]);
    expect(all[0]?.policy.Statement[0]?.Condition).toEqual({
      StringEquals: { [`${ISSUER}:aud`]: "crossrole" },
      StringLike: {
        [`${ISSUER}:sub`]: [
          "system:serviceaccount:team-a:reader",
          "system:serviceaccount:team-*:batch",
        ],
      },
    });
  });

  it.each([
    ["aws-cn", "cn-north-1"],
    ["aws-us-gov", "us-gov-west-1"],
  ])("stays in the partition %s", async (partition, region) => {
    const arn = (name: string) => `arn:${partition}:iam::222222222222:role/${name}`;
    const config = {
      region,
      bases: { irsa: { webIdentity: { tokenFile: "/nowhere", roleArn: arn("workload") } } },
      roles: { reader: { arn: arn("reader"), base: "irsa" } },
    };
    const text = await policy(config, "--principal", arn("hub"));

    expect(text).toContain(`arn:${partition}:iam::222222222222:oidc-provider/`);
    expect(text).not.toContain("arn:aws:");
  });

  it("lets tags through behind container credentials, because EKS Pod Identity sends some", async () => {
    const config = {
      bases: { task: { container: true } },
      roles: { reader: { arn: READER, base: "task", via: [GATEWAY] } },
    };
    const all = await documents(config, "--principal", HUB);

    for (const { policy: document } of all) {
      expect(document.Statement[0]?.Action).toEqual(["sts:AssumeRole", "sts:TagSession"]);
    }
  });

  it("says which role needs longer sessions than AWS gives by default", async () => {
    const config = { roles: { reader: { arn: READER, durationSeconds: 7_200 } } };
    const trust = (await documents(config)).at(-1);

    expect(trust).toMatchObject({ kind: "trust", maxSessionDuration: 7_200 });
  });

  it("needs no file", async () => {
    const args = ["policy", "--role-arn", READER, "--via", GATEWAY, "--external-id", "7f2c"];
    const { code, stdout } = await crossrole(args, { env: machine.bareEnv });

    expect(code).toBe(0);
    expect(stdout).toContain('"sts:ExternalId": "7f2c"');
  });
});

describe.concurrent("crossrole policy --format terraform", () => {
  it("writes a section for each account, as terraform fmt would", async () => {
    const file = await policy(
      { roles: { reader: { arn: READER, externalId: "7f2c", durationSeconds: 7_200 } } },
      "--format",
      "terraform",
      "--principal",
      HUB,
    );

    expect(file)
      .toBe(`# Account 111111111111. These resources need a provider with alias = "account_111111111111" that works in this account.

resource "aws_iam_role_policy" "hub_crossrole" {
  provider = aws.account_111111111111

  name = "crossrole"
  role = "hub"

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = "sts:AssumeRole"
        Resource = "${READER}"
      },
    ]
  })
}

# Account 222222222222. These resources need a provider with alias = "account_222222222222" that works in this account.

# its maximum session duration must be 7200 s or more
resource "aws_iam_role" "orders_reader" {
  provider = aws.account_222222222222

  name                 = "orders-reader"
  max_session_duration = 7200

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect = "Allow"
        Principal = {
          AWS = "${HUB}"
        }
        Action = "sts:AssumeRole"
        Condition = {
          StringEquals = {
            "sts:ExternalId" = "7f2c"
          }
        }
      },
    ]
  })
}
`);
  });

  it("gives every resource a name of its own, and a user's policy its own type", async () => {
    const user = "arn:aws:iam::111111111111:user/ops";
    const file = await policy(
      {
        roles: {
          first: { arn: "arn:aws:iam::222222222222:role/reader" },
          second: { arn: "arn:aws:iam::333333333333:role/a/reader" },
        },
      },
      "--format",
      "terraform",
      "--principal",
      user,
    );

    expect(file).toContain('resource "aws_iam_user_policy" "ops_crossrole"');
    expect(file).toContain('resource "aws_iam_role" "reader"');
    expect(file).toContain('resource "aws_iam_role" "reader_2"');
    expect(file).toContain('  path = "/a/"');
  });

  it("refers to the roles that it makes, so that they are there before who names them", async () => {
    const file = await policy(CHAIN, "--format", "terraform", "--principal", HUB);

    expect(file).toContain("  role = aws_iam_role.gateway.name\n");
    expect(file).toMatch(
      /"aws_iam_role" "orders_reader" \{[^]*? AWS = aws_iam_role\.gateway\.arn\n/,
    );
    // The hub is somebody else's resource.
    expect(file).toContain('  role = "hub"\n');
    expect(file).toContain(`AWS = "${HUB}"`);
  });

  it("needs no alias in one account, and names a role that trusts it in turn by its ARN", async () => {
    const [a, b] = ["arn:aws:iam::222222222222:role/a", "arn:aws:iam::222222222222:role/b"];
    const file = await policy(
      { roles: { first: { arn: b, via: [a] }, second: { arn: a, via: [b] } } },
      "--format",
      "terraform",
      "--principal",
      "arn:aws:iam::222222222222:user/ops",
    );

    expect(file).toMatch(/^# Account 222222222222\. These resources need a provider that works/);
    expect(file).not.toContain("provider =");
    expect(file).not.toMatch(/aws_iam_role\.\w+\.arn/);
    expect(file).toContain("  role = aws_iam_role.a.name\n");
  });
});

describe.concurrent("crossrole policy takes for a question of usage", () => {
  it.each([
    [["--principal", "hub"], /--principal is "hub"; say \[BASE=\]ARN/],
    [["--principal", `hbu=${HUB}`], /--principal names "hbu", .* known are hub/],
    [["--issuer", "https://x y"], /--issuer is "https:\/\/x y"/],
    [["--role", "raeder"], /there is no role "raeder"; known are reader, writer/],
    [["--json", "--format", "terraform"], /exclude each other/],
    [["--format", "yaml"], /Allowed choices are json, terraform/],
  ])("%j", async (args, explanation) => {
    const file = await machine.write(`usage-${count++}.yaml`, CHAIN);
    const { code, stdout, stderr } = await crossrole(["policy", "--config", file, ...args], {
      env: machine.bareEnv,
    });

    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toMatch(explanation);
  });
});
