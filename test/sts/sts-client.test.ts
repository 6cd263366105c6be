import { afterEach, describe, expect, it, vi } from "vitest";
import { assumeRoleWith } from "../../src/sts/assume-role.ts";
import type { StsCall } from "../../src/sts/call-outcome.ts";
import { connectSts } from "../../src/sts/sts-client.ts";
import type { CallSts } from "../../src/sts/sts-client.ts";
import {
  READER,
  failureOf,
  patience,
  sessionOf,
  signerOf,
  startEdge,
  useCleanEnvironment,
} from "./support.ts";
import { startFakeSts } from "../support/fake-sts.ts";
import type { FaultKind } from "../support/fake-sts.ts";

useCleanEnvironment();
afterEach(() => vi.useRealTimers());

interface Request {
  readonly protocol: string;
  readonly hostname: string;
  readonly headers: Readonly<Record<string, string>>;
}

const KEY = { accessKeyId: "AKIA000000000EXAMPLE", secretAccessKey: "secret" };

/** `callSts` with the wire cut behind the signature: what would have been sent is added to `sent`. */
function withoutNetwork(callSts: CallSts, sent: Request[]): CallSts {
  return (request) =>
    callSts({
      ...request,
      send: (client, sdk) => {
        client.middlewareStack.add(
          () => async (args) => {
            sent.push(args.request as Request);
            throw new Error("the wire is cut");
          },
          { step: "deserialize", priority: "high", name: "wireCutter" },
        );
        return request.send(client, sdk);
      },
    });
}

async function requestTo(region: string): Promise<Request | undefined> {
  const sent: Request[] = [];
  const assume = assumeRoleWith(withoutNetwork(connectSts({ onSkew: () => {} }).callSts, sent));
  await failureOf(assume(sessionOf({ region }), signerOf(KEY), patience()));
  return sent[0];
}

describe("a call, as it is counted,", () => {
  it("is the operation that was really asked for", async () => {
    await using edge = await startEdge();
    const calls: StsCall[] = [];
    const onCall = (call: StsCall) => void calls.push(call);
    const sts = connectSts({ endpoint: edge.sts.url, onSkew: () => {}, onCall });
    const signer = signerOf(edge.key);
    await sts.identifySigner({ region: "eu-west-1", signer, ...patience() });
    await assumeRoleWith(sts.callSts)(sessionOf(), signer, patience());
    edge.sts.fault({ kind: "accessDenied" });
    await failureOf(assumeRoleWith(sts.callSts)(sessionOf(), signer, patience()));

    expect(calls.map(({ operation, code }) => `${operation} ${code}`)).toEqual([
      "GetCallerIdentity OK",
      "AssumeRole OK",
      "AssumeRole AccessDenied",
    ]);
  });
});

describe("calls at the same time", () => {
  it("are each signed by their own signer, for their own region, and counted as what they were", async () => {
    await using edge = await startEdge();
    const counted: StsCall[] = [];
    const onCall = (call: StsCall) => void counted.push(call);
    const { callSts, identifySigner } = connectSts({
      endpoint: edge.sts.url,
      onSkew: () => {},
      onCall,
    });
    // More than there are clients kept, each twice and in two regions.
    const signers = Array.from({ length: 12 }, () => signerOf(edge.sts.addKey()));
    const wanted = ["eu-west-1", "us-east-2", "eu-west-1"].flatMap((region) =>
      signers.map((signer) => ({ region, signer })),
    );
    const made = await Promise.all(
      wanted.map(({ region, signer }, at) =>
        at % 3 === 0
          ? identifySigner({ region, signer, ...patience() })
          : assumeRoleWith(callSts)(sessionOf({ region }), signer, patience()),
      ),
    );

    expect(made).toHaveLength(wanted.length);
    const signed = edge.sts.calls.map(({ region, accessKeyId }) => `${region} ${accessKeyId}`);
    expect(signed.toSorted()).toEqual(
      wanted.map(({ region, signer }) => `${region} ${signer.accessKeyId}`).toSorted(),
    );
    const identities = counted.filter(({ operation }) => operation === "GetCallerIdentity");
    expect([identities.length, counted.length]).toEqual([12, 36]);
  });
});

describe("the endpoint", () => {
  it.each([
    ["eu-west-1", "sts.eu-west-1.amazonaws.com"],
    ["us-east-1", "sts.us-east-1.amazonaws.com"],
    ["ap-southeast-4", "sts.ap-southeast-4.amazonaws.com"],
    ["cn-north-1", "sts.cn-north-1.amazonaws.com.cn"],
    ["cn-northwest-1", "sts.cn-northwest-1.amazonaws.com.cn"],
    ["us-gov-west-1", "sts.us-gov-west-1.amazonaws.com"],
    ["us-gov-east-1", "sts.us-gov-east-1.amazonaws.com"],
    ["us-iso-east-1", "sts.us-iso-east-1.c2s.ic.gov"],
    ["us-isob-east-1", "sts.us-isob-east-1.sc2s.sgov.gov"],
    ["eu-isoe-west-1", "sts.eu-isoe-west-1.cloud.adc-e.uk"],
    ["us-isof-south-1", "sts.us-isof-south-1.csp.hci.ic.gov"],
    ["eusc-de-east-1", "sts.eusc-de-east-1.amazonaws.eu"],
  ])("of %s is %s, by TLS and signed for that region", async (region, host) => {
    const request = await requestTo(region);
    expect(request?.protocol).toBe("https:");
    expect(request?.hostname).toBe(host);
    expect(request?.headers["authorization"]).toContain(`/${region}/sts/aws4_request`);
  });

  it("stays the regional one when the environment asks for the legacy global one", async () => {
    vi.stubEnv("AWS_STS_REGIONAL_ENDPOINTS", "legacy");
    expect((await requestTo("us-east-1"))?.hostname).toBe("sts.us-east-1.amazonaws.com");
  });

  it("is the one of the session, whatever AWS_REGION says", async () => {
    vi.stubEnv("AWS_REGION", "us-west-2");
    expect((await requestTo("cn-north-1"))?.hostname).toBe("sts.cn-north-1.amazonaws.com.cn");
  });
});

describe("a failure", () => {
  const faults: readonly FaultKind[] = [
    { kind: "reset" },
    { kind: "cut" },
    { kind: "throttle" },
    { kind: "accessDenied" },
    { kind: "unavailable", status: 500 },
    { kind: "unavailable", status: 503 },
    { kind: "truncatedXml" },
    { kind: "html" },
    { kind: "html", status: 502 },
    { kind: "noCredentials" },
    { kind: "emptyFields" },
    { kind: "redirect" },
    { kind: "error", status: 403, code: "ExpiredToken", message: "expired" },
    { kind: "error", status: 400, code: "RequestTimeTooSkewed", message: "skewed" },
  ];

  it.each(faults)("is one call and no retry: $kind $status $code", async (fault) => {
    await using edge = await startEdge();
    edge.sts.fault(fault);
    await failureOf(edge.assume());
    expect(edge.sts.calls).toHaveLength(1);
  });

  it("is one call whatever the environment says of retries", async () => {
    vi.stubEnv("AWS_MAX_ATTEMPTS", "5");
    vi.stubEnv("AWS_RETRY_MODE", "adaptive");
    await using edge = await startEdge();
    edge.sts.fault({ kind: "unavailable" });
    await failureOf(edge.assume());
    expect(edge.sts.calls).toHaveLength(1);
  });

  it("leaves nothing behind: the next call succeeds", async () => {
    await using edge = await startEdge();
    for (const fault of faults) edge.sts.fault({ ...fault, times: 1 });
    for (const _ of faults) await failureOf(edge.assume());
    expect((await edge.assume()).accessKeyId).toBe(edge.sts.issued.at(-1)?.accessKeyId);
  });

  it("says so when nobody listens", async () => {
    const sts = await startFakeSts();
    await sts.close();
    const assume = assumeRoleWith(connectSts({ endpoint: sts.url, onSkew: () => {} }).callSts);
    const error = await failureOf(assume(sessionOf(), signerOf(KEY), patience()));
    expect(error.code).toBe("ERR_STS_UNAVAILABLE");
    expect(error.message).toContain("ECONNREFUSED");
    expect(error.message).toContain("eu-west-1");
  });
});

describe("a call that is not answered", () => {
  it("ends with its signal", async () => {
    await using edge = await startEdge();
    edge.sts.fault({ kind: "blackHole" });
    const abort = new AbortController();
    const failed = failureOf(
      assumeRoleWith(edge.callSts)(sessionOf(), signerOf(edge.key), { signal: abort.signal }),
    );
    await edge.sts.called(1);
    abort.abort();
    expect((await failed).code).toBe("ERR_STS_UNAVAILABLE");
  });

  it("is not made when its signal has been given before", async () => {
    await using edge = await startEdge();
    const signal = AbortSignal.abort();
    const assume = assumeRoleWith(edge.callSts);
    await failureOf(assume(sessionOf(), signerOf(edge.key), { signal }));
    expect(edge.sts.calls).toEqual([]);
  });

  it("fails by itself after 10 seconds, without a word on the console", async () => {
    await using edge = await startEdge();
    const warn = vi.spyOn(console, "warn");
    // The SDK is loaded at the first call, and that takes time.
    await edge.assume();
    edge.sts.fault({ kind: "blackHole" });
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const failed = failureOf(edge.assume());
    await edge.sts.called(2);
    vi.advanceTimersByTime(10_000);
    expect((await failed).code).toBe("ERR_STS_UNAVAILABLE");
    expect(warn).not.toHaveBeenCalled();
  });
});

describe("an answer that is not what STS answers", () => {
  it.each<FaultKind>([
    { kind: "html" },
    { kind: "truncatedXml" },
    { kind: "cut" },
    { kind: "noCredentials" },
    { kind: "emptyFields" },
    { kind: "emptyFields", fields: ["Expiration"] },
  ])("is malformed and never credentials: $kind $fields", async (fault) => {
    await using edge = await startEdge();
    edge.sts.fault(fault);
    const error = await failureOf(edge.assume());
    expect(error.code).toBe("ERR_STS_MALFORMED");
    expect(error.message).toContain(READER);
  });

  it.each<FaultKind>([
    { kind: "html", status: 502 },
    { kind: "html", status: 403 },
  ])("is transient with the status $status, which it names", async (fault) => {
    await using edge = await startEdge();
    edge.sts.fault(fault);
    const error = await failureOf(edge.assume());
    expect(error.code).toBe("ERR_STS_UNAVAILABLE");
    expect(error.message).toContain(`HTTP ${"status" in fault ? fault.status : ""}`);
  });

  it("is not followed when it is a redirect", async () => {
    await using elsewhere = await startEdge();
    await using edge = await startEdge();
    edge.sts.fault({ kind: "redirect", location: elsewhere.sts.url });
    const error = await failureOf(edge.assume());
    expect(error.code).toBe("ERR_STS_UNAVAILABLE");
    expect(error.message).toContain("HTTP 302");
    expect(elsewhere.sts.calls).toEqual([]);
  });
});

describe("a clock that differs from STS's", () => {
  const TEN_MINUTES_MS = 600_000;

  it.each([
    ["behind", TEN_MINUTES_MS],
    ["ahead", -TEN_MINUTES_MS],
  ])(
    "is learned from a refusal, and the call is made again at once, signed right: %s",
    async (_, offsetMs) => {
      await using edge = await startEdge();
      edge.sts.clockOffsetMs = offsetMs;
      await edge.assume();
      expect(edge.sts.calls.map(({ failedWith }) => failedWith)).toEqual([
        "SignatureDoesNotMatch",
        undefined,
      ]);
      expect(edge.skews).toHaveLength(1);
      expect(Math.abs((edge.skews[0] ?? 0) - offsetMs)).toBeLessThan(60_000);
    },
  );

  it.each([
    ["behind", 120_000],
    ["ahead", -120_000],
  ])("is corrected in the expiration of the very answer that shows it: %s", async (_, offsetMs) => {
    await using edge = await startEdge();
    edge.sts.clockOffsetMs = offsetMs;
    const { expiration } = await edge.assume();
    expect(Math.abs(expiration.getTime() - Date.now() - 3_600_000)).toBeLessThan(60_000);
  });

  it("is learned once for all calls that were under way", async () => {
    await using edge = await startEdge();
    edge.sts.clockOffsetMs = TEN_MINUTES_MS;
    await Promise.all([edge.assume(), edge.assume(), edge.assume()]);
    expect(edge.sts.calls).toHaveLength(6);
    expect(edge.skews).toHaveLength(1);
  });

  it("is no reason to ask a third time when STS still refuses the date", async () => {
    await using edge = await startEdge();
    edge.sts.clockOffsetMs = TEN_MINUTES_MS;
    const message = "Signature expired: 20261102T120000Z is now earlier than 20261102T125500Z";
    edge.sts.fault({ kind: "error", status: 403, code: "SignatureDoesNotMatch", message });
    const error = await failureOf(edge.assume());
    expect(error.code).toBe("ERR_STS_UNAVAILABLE");
    expect(error.message).toContain("SignatureDoesNotMatch: Signature expired");
    expect(edge.sts.calls).toHaveLength(2);
  });

  it("is reported once and not again at each answer", async () => {
    await using edge = await startEdge();
    edge.sts.clockOffsetMs = 120_000;
    for (let call = 0; call < 10; call++) await edge.assume();
    expect(edge.skews).toHaveLength(1);
  });

  it("is unlearned when it has been set right", async () => {
    await using edge = await startEdge();
    edge.sts.clockOffsetMs = 120_000;
    await edge.assume();
    edge.sts.clockOffsetMs = 0;
    const { expiration } = await edge.assume();
    expect(edge.skews.at(-1)).toBe(0);
    expect(Math.abs(expiration.getTime() - Date.now() - 3_600_000)).toBeLessThan(60_000);
  });

  it.each([TEN_MINUTES_MS, -TEN_MINUTES_MS])(
    "is not believed of a Date that is off by itself, %d ms",
    async (offsetMs) => {
      await using edge = await startEdge();
      edge.sts.fault({ kind: "wrongDate", offsetMs });
      const { expiration } = await edge.assume();
      expect(edge.skews).toEqual([]);
      expect(Math.abs(expiration.getTime() - Date.now() - 3_600_000)).toBeLessThan(60_000);
    },
  );

  it("is not believed of a Date on a refusal that is about something else", async () => {
    await using edge = await startEdge();
    edge.sts.clockOffsetMs = 120_000;
    edge.sts.fault({ kind: "throttle" });
    await failureOf(edge.assume());
    expect(edge.skews).toEqual([]);
  });
});
