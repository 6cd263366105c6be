import { mkdtempDisposable, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it, vi } from "vitest";
import { HandOuts } from "../../src/operations/hand-outs.ts";
import { ordersReader, temporaryCredentials } from "../support/credentials.ts";
import { configOf, memoryLog, ORDERS_READER, start, startSts } from "../support/daemon.ts";
import { CANARY } from "../support/fake-sts.ts";
import { request, tokenFrom } from "../support/http.ts";

const NOW = Date.parse("2026-08-22T10:00:00Z");

function handOuts(nowMs = () => NOW) {
  const log = memoryLog();
  const noted = new HandOuts(log, nowMs);
  return { log, noted, handOut: noted.at("127.0.0.1:9911") };
}

const callerOf = (caller: string) => ({
  caller,
  roleName: "orders-reader",
  session: ordersReader,
  imdsV1: false,
});
const [alice, bob] = [callerOf("uid:1000"), callerOf("uid:1001")];

describe("the audit of hand-outs", () => {
  it("has one line when a caller gets credentials for the first time, with all that joins CloudTrail", () => {
    const { log, handOut } = handOuts();
    const credentials = temporaryCredentials({ requestId: "c6104cbe-af31-11e0-8154-cbc7ccf896c7" });
    for (let index = 0; index < 100; index++) handOut(alice, credentials, false);

    expect(log.lines).toEqual([
      {
        level: "info",
        event: "credentials handed out",
        fields: {
          listener: "127.0.0.1:9911",
          caller: "uid:1000",
          role: "orders-reader",
          roleArn: ordersReader.roleArn,
          sessionName: "crossrole-host",
          accessKeyId: "ASIATARGETEXAMPLE",
          stsRequestId: "c6104cbe-af31-11e0-8154-cbc7ccf896c7",
          remainingSeconds: 3481,
        },
      },
    ]);
    expect(JSON.stringify(log.lines)).not.toContain(CANARY);
  });

  it("has another for every other caller, and for the same one after a renewal", () => {
    const { log, handOut } = handOuts();
    const [first, second] = [temporaryCredentials(), temporaryCredentials()];
    for (const credentials of [first, first, second, second]) {
      handOut(alice, credentials, false);
      handOut(bob, credentials, false);
    }

    expect(log.lines.map(({ fields }) => fields["caller"])).toEqual([
      "uid:1000",
      "uid:1001",
      "uid:1000",
      "uid:1001",
    ]);
  });

  it("names the pod behind a session that is a pod's own", () => {
    const { log, handOut } = handOuts();
    const source = {
      kind: "pod",
      uid: "u-1",
      namespace: "orders",
      serviceAccount: "reader",
      name: "web-1",
    } as const;
    const caller = { ...callerOf("pod:u-1"), session: { ...ordersReader, source } };
    handOut(caller, temporaryCredentials(), true);

    expect(log.lines[0]?.fields).toMatchObject({ namespace: "orders", pod: "web-1" });
  });

  it("ends after a thousand callers of one set of credentials: a flood of addresses fills no log", () => {
    const { log, noted, handOut } = handOuts();
    const credentials = temporaryCredentials();
    for (let index = 0; index < 5_000; index++)
      handOut(callerOf(`10.0.${index}`), credentials, false);

    expect(log.lines).toHaveLength(1_000);
    expect(noted.current()).toHaveLength(500);
  });
});

describe("the calls that were saved", () => {
  it("are the hand-outs but the first, by what saved them", () => {
    const { noted, handOut } = handOuts();
    const credentials = temporaryCredentials();
    handOut(alice, credentials, true);
    handOut(bob, credentials, true);
    for (let index = 0; index < 10; index++) handOut(alice, credentials, false);

    expect(noted.saved).toEqual({ memory: 10, shared: 1 });
  });
});

describe("who holds what", () => {
  it("is the last that each caller of each role was given, the newest first, until it expires", () => {
    let nowMs = NOW;
    const { noted, handOut } = handOuts(() => nowMs);
    handOut(alice, temporaryCredentials({ accessKeyId: "ASIAONEEXAMPLE" }), false);
    handOut(bob, temporaryCredentials({ accessKeyId: "ASIATWOEXAMPLE" }), false);
    handOut(alice, temporaryCredentials({ accessKeyId: "ASIATHREEEXAMPLE" }), false);
    const held = noted.current().map(({ caller, accessKeyId }) => [caller, accessKeyId]);
    nowMs = Date.parse("2026-08-22T11:00:00Z");

    expect(held).toEqual([
      ["uid:1000", "ASIATHREEEXAMPLE"],
      ["uid:1001", "ASIATWOEXAMPLE"],
    ]);
    expect(noted.current()).toEqual([]);
  });
});

describe("HEAD", () => {
  it("hands out nothing, on either way to credentials, and GET does", async () => {
    await using folder = await mkdtempDisposable(path.join(tmpdir(), "crossrole-"));
    const file = path.join(folder.path, "token");
    await using sts = await startSts();
    sts.addRole({ arn: ORDERS_READER });
    const { daemon, log, url } = await start(
      configOf(`
region: eu-west-1
sts: { endpoint: "${sts.url}" }
roles: { reader: { arn: "${ORDERS_READER}", authorizationToken: { file: "${file}" } } }
listeners:
  - { address: "127.0.0.1:0", role: reader }
  - { address: "127.0.0.1:0", roles: [reader] }
`),
    );
    await daemon.credentials("reader");
    const authorization = await readFile(file, "utf8");
    const metadata = "/latest/meta-data/iam/security-credentials/reader";
    const headers = { "x-aws-ec2-metadata-token": await tokenFrom(url) };
    const ask = async (method: string) => [
      await request(url, metadata, { method, headers }),
      await request(String(daemon.served[1]?.url), "/container/reader", {
        method,
        headers: { authorization },
      }),
    ];
    const handOutsAfter = async (method: string) => {
      const statuses = (await ask(method)).map(({ status }) => status);
      const lines = log.lines.filter(({ event }) => event === "credentials handed out");
      return [...statuses, lines.length];
    };

    expect(await handOutsAfter("HEAD")).toEqual([200, 200, 0]);
    // One line: it is one caller, who has one set of credentials twice.
    expect(await handOutsAfter("GET")).toEqual([200, 200, 1]);
    await daemon.close();
    vi.unstubAllEnvs();
  });
});
