/** @module The demo's parts: its STS over HTTP, and the pure logic of its picture, script and summary. */
import { AssumeRoleCommand, GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { BASE_KEY, SESSION_SECONDS, startDemoSts } from "../../src/demo/demo-sts.ts";
import type { DemoSts } from "../../src/demo/demo-sts.ts";
import { GATEWAY, READER } from "../../src/demo/events.ts";
import type { DemoEvent } from "../../src/demo/events.ts";
import { header, isNewKey, lineOf, statusLine } from "../../src/demo/picture.ts";
import { eventOfLog, eventOfOutput, eventOfReport } from "../../src/demo/reports.ts";
import { Screen } from "../../src/demo/screen.ts";
import { isOver, outageStep } from "../../src/demo/script.ts";
import { promisesBroken, summary } from "../../src/demo/summary.ts";
import { emptyTally, tallied } from "../../src/demo/tally.ts";
import type { Tally } from "../../src/demo/tally.ts";

describe("the demo's STS", () => {
  let sts: DemoSts;
  let now: number;
  let asked: boolean[];
  let refused: string[];

  beforeEach(async () => {
    now = Date.parse("2026-11-24T12:00:00.250Z");
    asked = [];
    refused = [];
    sts = await startDemoSts({
      now: () => now,
      onAssumeRole: (answered) => asked.push(answered),
      onRefused: (_, code) => refused.push(code),
    });
  });

  afterEach(() => sts.close());

  interface Identity {
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
    readonly sessionToken?: string;
  }

  const clientOf = (endpoint: string, credentials: Identity) =>
    new STSClient({ region: "eu-west-1", endpoint, credentials, maxAttempts: 1 });

  async function assume(RoleArn: string, signer: Identity) {
    const command = new AssumeRoleCommand({
      RoleArn,
      RoleSessionName: "demo",
      DurationSeconds: 3_600,
    });
    const { Credentials: issued } = await clientOf(sts.url, signer).send(command);
    return {
      accessKeyId: issued?.AccessKeyId ?? "",
      secretAccessKey: issued?.SecretAccessKey ?? "",
      sessionToken: issued?.SessionToken ?? "",
      expirationMs: issued?.Expiration?.getTime() ?? 0,
    };
  }

  const whoIs = (signer: Identity) =>
    clientOf(sts.serviceUrl, signer).send(new GetCallerIdentityCommand());

  it("lets the gateway's session assume the role of the other account", async () => {
    const session = await assume(READER.arn, await assume(GATEWAY.arn, BASE_KEY));

    expect(session.accessKeyId).toBe("ASIAREAD00001EXAMPLE");
    expect(await whoIs(session)).toMatchObject({
      Account: "222222222222",
      Arn: "arn:aws:sts::222222222222:assumed-role/orders-reader/demo",
    });
    expect(asked).toEqual([true, true]);
  });

  it("refuses the base credentials the role that trusts the gateway only", async () => {
    await expect(assume(READER.arn, BASE_KEY)).rejects.toMatchObject({
      name: "AccessDenied",
      message: expect.stringContaining(`sts:AssumeRole on resource: ${READER.arn}`),
    });
  });

  it("gives every session an access key id of its own and seconds instead of an hour", async () => {
    const first = await assume(GATEWAY.arn, BASE_KEY);
    const second = await assume(GATEWAY.arn, BASE_KEY);

    expect([first.accessKeyId, second.accessKeyId]).toEqual([
      "ASIAGATE00001EXAMPLE",
      "ASIAGATE00002EXAMPLE",
    ]);
    expect(first.expirationMs).toBe(Date.parse("2026-11-24T12:00:01Z") + SESSION_SECONDS * 1000);
  });

  it("catches a client that presents an expired session", async () => {
    const session = await assume(GATEWAY.arn, BASE_KEY);
    now = session.expirationMs;

    await expect(whoIs(session)).rejects.toMatchObject({ name: "ExpiredToken" });
    expect(refused).toEqual(["ExpiredToken"]);
  });

  it("catches a client that mixes the access key id and the token of two sessions", async () => {
    const first = await assume(GATEWAY.arn, BASE_KEY);
    const { sessionToken } = await assume(GATEWAY.arn, BASE_KEY);

    await expect(whoIs({ ...first, sessionToken })).rejects.toMatchObject({
      name: "InvalidClientTokenId",
    });
  });

  it("answers nobody while it is down, but for the service beside it", async () => {
    const session = await assume(GATEWAY.arn, BASE_KEY);
    sts.isDown = true;

    await expect(assume(READER.arn, session)).rejects.toMatchObject({ code: "ECONNRESET" });
    expect(await whoIs(session)).toMatchObject({ Account: "111111111111" });
    expect(asked).toEqual([true, false]);

    sts.isDown = false;
    await expect(assume(READER.arn, session)).resolves.toBeDefined();
  });
});

const START = Date.parse("2026-11-24T12:00:00Z");
const at = (seconds: number) => START + seconds * 1000;
const FIRST = "ASIAREAD00001EXAMPLE";
const SECOND = "ASIAREAD00002EXAMPLE";
const THIRD = "ASIAREAD00003EXAMPLE";

function obtained(seconds: number, accessKeyId: string, role: string = READER.name): DemoEvent {
  const renewal = !accessKeyId.includes("00001");
  const expirationMs = at(seconds + SESSION_SECONDS);
  return { type: "obtained", role, accessKeyId, expirationMs, renewal, atMs: at(seconds) };
}

function requested(seconds: number, accessKeyId: string): DemoEvent {
  return { type: "requested", account: "222222222222", accessKeyId, atMs: at(seconds) };
}

function notRenewed(seconds: number, role: string = READER.name): DemoEvent {
  const left = { remainingSeconds: 10, retryInSeconds: 2 };
  return { type: "renewalFailed", role, ...left, atMs: at(seconds) };
}

/** All that the demo is to show, in order. */
const SHOW: readonly DemoEvent[] = [
  { type: "serving", endpoint: "http://127.0.0.1:43121", atMs: at(0) },
  obtained(1, "ASIAGATE00001EXAMPLE", GATEWAY.name),
  { type: "stsAsked", answered: true, atMs: at(1) },
  obtained(1, FIRST),
  requested(2, FIRST),
  obtained(10, SECOND),
  requested(11, SECOND),
  { type: "stsDown", atMs: at(18) },
  { type: "stsAsked", answered: false, atMs: at(19.5) },
  notRenewed(19.5),
  requested(20, SECOND),
  notRenewed(21),
  { type: "stsBack", atMs: at(21.5) },
  obtained(23, THIRD),
  requested(24, THIRD),
];

const after = (...events: readonly DemoEvent[]): Tally =>
  events.reduce<Tally>(tallied, emptyTally(START));
const showWithout = (isLeftOut: (event: DemoEvent) => boolean): Tally =>
  after(...SHOW.filter((event) => !isLeftOut(event)));

const log = (fields: object) => JSON.stringify({ level: "info", time: "t", ...fields });

describe("what the children write", () => {
  it("tells a role's first credentials from renewed ones", () => {
    const fields = { roleArn: READER.arn, accessKeyId: FIRST, expiration: "2026-11-24T12:00:20Z" };
    const event = {
      type: "obtained",
      role: "orders-reader",
      accessKeyId: FIRST,
      expirationMs: at(20),
      atMs: at(0),
    };

    expect(eventOfLog(log({ msg: "credentials obtained", ...fields }), at(0))).toEqual({
      ...event,
      renewal: false,
    });
    expect(eventOfLog(log({ msg: "credentials renewed", ...fields }), at(0))).toEqual({
      ...event,
      renewal: true,
    });
  });

  it("sees a renewal that failed", () => {
    const fields = { roleArn: GATEWAY.arn, remainingSeconds: 10, retryInSeconds: 2 };
    const line = log({ level: "warn", msg: "renewal failed, still serving", ...fields });

    expect(eventOfLog(line, at(0))).toEqual(notRenewed(0, GATEWAY.name));
  });

  it("passes on whatever else is a warning, and nothing that is not", () => {
    const refusal = { level: "warn", msg: "request refused", reason: "no Host" };

    expect(eventOfLog(log(refusal), at(0))).toMatchObject({ text: "request refused: no Host" });
    expect(eventOfLog("(node:1) Warning", at(0))).toMatchObject({ text: "(node:1) Warning" });
    expect(eventOfLog(log({ msg: "listening" }), at(0))).toBeUndefined();
    expect(eventOfLog(log({ msg: "credentials obtained", base: "b" }), at(0))).toBeUndefined();
  });

  it("finds the endpoint in the line that is to be pasted", () => {
    const line = "export AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:43121";

    expect(eventOfOutput(line, at(0))).toEqual(SHOW[0]);
    expect(eventOfOutput("something else", at(0))).toBeUndefined();
  });

  it("counts a report of the application that makes no sense as a failed request", () => {
    const report = { account: "222222222222", arn: "arn", accessKeyId: FIRST };

    expect(eventOfReport(JSON.stringify(report), at(2))).toEqual(requested(2, FIRST));
    expect(eventOfReport('{"error":"no credentials"}', at(2))).toMatchObject({
      type: "requestFailed",
      error: "no credentials",
    });
    expect(eventOfReport("oops", at(2))).toMatchObject({ type: "requestFailed", error: "oops" });
    expect(eventOfReport('{"account":"2"}', at(2)).type).toBe("requestFailed");
  });
});

describe("the script", () => {
  const renewed = after(obtained(1, FIRST), obtained(10, SECOND));
  const down = tallied(renewed, { type: "stsDown", atMs: at(18) });

  it("takes STS away shortly before a renewal, once one has been seen", () => {
    expect(outageStep(emptyTally(START), at(9))).toBeUndefined();
    expect(outageStep(after(obtained(1, FIRST)), at(10))).toBeUndefined();
    expect(outageStep(renewed, at(17.9))).toBeUndefined();
    expect(outageStep(renewed, at(18))).toBe("stsDown");
  });

  it("brings STS back after the role's second failed renewal, and not for the gateway's", () => {
    const gateways = [19, 20, 21].map((seconds) => notRenewed(seconds, GATEWAY.name));
    const once = [...gateways, notRenewed(19.5)].reduce<Tally>(tallied, down);

    expect(outageStep(once, at(21))).toBeUndefined();
    expect(outageStep(tallied(once, notRenewed(21)), at(21))).toBe("stsBack");
  });

  it("brings STS back well before the session ends, however few renewals failed", () => {
    expect(outageStep(down, at(24))).toBeUndefined();
    expect(outageStep(down, at(24.1))).toBe("stsBack");
  });

  it("has one outage only", () => {
    const back = tallied(down, { type: "stsBack", atMs: at(21) });

    expect(outageStep(back, at(29))).toBeUndefined();
  });

  it("is over after 40 s, or at 45 s when something is still missing", () => {
    expect(isOver(after(...SHOW), at(39.9))).toBe(false);
    expect(isOver(after(...SHOW), at(40))).toBe(true);
    expect(isOver(renewed, at(44.9))).toBe(false);
    expect(isOver(renewed, at(45))).toBe(true);
  });
});

describe("the summary", () => {
  it("finds every promise kept when all has been shown", () => {
    expect(promisesBroken(after(...SHOW))).toEqual([]);
  });

  it.each<[string, Tally]>([
    [
      "1 of 5 requests failed (no credentials)",
      after(...SHOW, { type: "requestFailed", error: "no credentials", atMs: at(25) }),
    ],
    [
      "the service refused 1 requests",
      after(...SHOW, { type: "refused", accessKeyId: FIRST, code: "ExpiredToken", atMs: at(25) }),
    ],
    [
      "1 renewals of orders-reader instead of 2",
      showWithout((event) => event.type === "obtained" && event.accessKeyId === THIRD),
    ],
    [
      "the app signed with 2 access key ids instead of 3",
      showWithout((event) => event.type === "requested" && event.accessKeyId === THIRD),
    ],
    ["no renewal failed", showWithout(({ type }) => type === "renewalFailed")],
    [
      "the app made no request while STS was down",
      showWithout(({ type, atMs }) => type === "requested" && atMs === at(20)),
    ],
    ["STS is still down", showWithout(({ type }) => type === "stsBack")],
  ])("says so when a promise is broken: %s", (what, tally) => {
    expect(promisesBroken(tally)).toEqual([what]);
  });

  it("counts what happened, and what the outage did to the application", () => {
    const error: DemoEvent = { type: "requestFailed", error: "x", atMs: at(20.5) };
    const events = SHOW.toSpliced(11, 0, error);

    expect(summary(after(...events), at(40)).map((line) => line.trim().split(/ {2,}/))).toEqual([
      ["the app's requests", "5, 1 of them failed"],
      ["credentials it signed with", "3 generations"],
      ["renewals of orders-reader", "2, and 2 attempts that failed"],
      ["STS calls", "1 answered, 1 not"],
      ["STS was down", "3.5 s"],
      ["the app's requests meanwhile", "2, 1 of them failed"],
    ]);
  });
});

const drawn = (events: readonly DemoEvent[]): string[] => {
  let tally = emptyTally(START);
  return events.flatMap((event) => {
    const line = lineOf(event, tally);
    tally = tallied(tally, event);
    return line === undefined ? [] : [line.text];
  });
};

describe("the picture", () => {
  it("shows the renewal under the application, the outage, and the recovery", () => {
    expect(drawn(SHOW)).toEqual([
      "  0.0 s  crossrole      AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:43121",
      "  1.0 s  gateway        obtained: ASIAGATE00001EXAMPLE",
      "  1.0 s  orders-reader  obtained: ASIAREAD00001EXAMPLE",
      "  2.0 s  app            #1   ok  222222222222  ASIAREAD00001EXAMPLE  19 s left",
      " 10.0 s  orders-reader  renewed: ASIAREAD00001EXAMPLE -> ASIAREAD00002EXAMPLE",
      " 11.0 s  app            #2   ok  222222222222  ASIAREAD00002EXAMPLE  19 s left",
      " 18.0 s  STS            is down",
      " 19.5 s  orders-reader  not renewed: held one good for 10 s, next try in 2 s",
      " 20.0 s  app            #3   ok  222222222222  ASIAREAD00002EXAMPLE  10 s left",
      " 21.0 s  orders-reader  not renewed: held one good for 10 s, next try in 2 s",
      " 21.5 s  STS            is back after 3.5 s",
      " 23.0 s  orders-reader  renewed: ASIAREAD00002EXAMPLE -> ASIAREAD00003EXAMPLE",
      " 24.0 s  app            #4   ok  222222222222  ASIAREAD00003EXAMPLE  19 s left",
    ]);
  });

  it("fits a terminal of 80 columns", () => {
    const lines = [...header().map(({ text }) => text), ...drawn(SHOW)];
    const status = statusLine(after(...SHOW.slice(0, 11)), at(20));

    for (const line of [...lines, status.text]) expect(line.length).toBeLessThanOrEqual(80);
    expect(status.text).toBe(
      " 20.0 s  app #3, 0 failed: ASIAREAD00002EXAMPLE 10 s [#####.....] STS down",
    );
  });

  it("names what went wrong", () => {
    const tally = after(...SHOW);
    const failed: DemoEvent = { type: "requestFailed", error: "ExpiredToken", atMs: at(25) };
    const refused = { type: "refused", accessKeyId: FIRST, code: "ExpiredToken" } as const;

    expect(lineOf(failed, tally)).toMatchObject({
      text: " 25.0 s  app            #5   failed: ExpiredToken",
      tone: "bad",
    });
    expect(lineOf({ ...refused, atMs: at(25) }, tally)?.text).toContain(`refused ${FIRST}`);
  });

  it("knows the first request with a new key", () => {
    const tally = after(...SHOW.slice(0, 5));

    expect(isNewKey(requested(3, FIRST), tally)).toBe(false);
    expect(isNewKey(requested(3, SECOND), tally)).toBe(true);
    expect(isNewKey(notRenewed(3), tally)).toBe(false);
  });
});

function screenOf(isLive: boolean, hasColour: boolean) {
  const written: string[] = [];
  const write = (text: string) => written.push(text);
  return { screen: new Screen({ write, isLive, hasColour, columns: () => 8 }), written };
}

describe("the screen", () => {
  const line = { text: "renewed", tone: "good" } as const;
  const status = { text: "0123456789", tone: "plain" } as const;

  it("appends plain lines where there is no terminal", () => {
    const { screen, written } = screenOf(false, false);

    screen.status(status);
    screen.print(line);

    expect(written).toEqual(["renewed\n"]);
  });

  it("draws the living line over, cut so that it does not wrap, and erases it at the end", () => {
    const { screen, written } = screenOf(true, false);

    screen.status(status);
    screen.print(line);
    screen.status(undefined);

    expect(written).toEqual(["\r\u001B[2K0123456", "\r\u001B[2Krenewed\n0123456", "\r\u001B[2K"]);
  });

  it("colours only where it may", () => {
    const { screen, written } = screenOf(true, true);

    screen.print(line);

    expect(written).toEqual(["\u001B[32mrenewed\u001B[39m\n"]);
  });
});
