import { describe, expect, it } from "vitest";
import { isClockError } from "../../src/sts/errors.ts";
import { READER, failureOf, startEdge } from "./support.ts";

/** AWS's name of an error and the status it comes with, by what it means here. */
const MEANINGS = {
  ERR_ROLE_DENIED: [
    ["AccessDenied", 403],
    ["AccessDeniedException", 403],
    ["NotAuthorized", 400],
    ["OptInRequired", 403],
    ["MalformedPolicyDocument", 400],
    ["PackedPolicyTooLarge", 400],
    ["RegionDisabledException", 403],
    ["ValidationError", 400],
    ["InvalidParameterValue", 400],
    ["NoSuchEntity", 404],
  ],
  ERR_STS_THROTTLED: [
    ["Throttling", 400],
    ["ThrottlingException", 400],
    ["ThrottledException", 429],
    ["RequestLimitExceeded", 503],
    ["RequestThrottledException", 400],
    ["TooManyRequestsException", 429],
    ["SlowDown", 503],
    ["SomethingNew", 429],
  ],
  ERR_BASE_EXPIRED: [
    ["ExpiredToken", 403],
    ["ExpiredTokenException", 400],
    ["InvalidClientTokenId", 403],
    ["UnrecognizedClientException", 400],
    ["SignatureDoesNotMatch", 403],
    ["IncompleteSignature", 400],
    ["MissingAuthenticationToken", 403],
  ],
  ERR_STS_UNAVAILABLE: [
    ["InternalFailure", 500],
    ["ServiceUnavailable", 503],
    ["RequestExpired", 400],
    ["RequestTimeTooSkewed", 403],
    ["IDPCommunicationError", 400],
    ["SomethingNew", 400],
  ],
} as const;

const ROWS = Object.entries(MEANINGS).flatMap(([ours, names]) =>
  names.map(([code, status]) => ({ code, status, ours })),
);

describe("what STS's errors mean", () => {
  it.each(ROWS)("$code with $status is $ours", async ({ code, status, ours }) => {
    await using edge = await startEdge();
    edge.sts.fault({ kind: "error", status, code, message: "these words" });
    const error = await failureOf(edge.assume());
    expect(error.code).toBe(ours);
    // The SDK appends "Exception" to the names that the API's model lists.
    expect(error.message).toMatch(new RegExp(`${code}(Exception)?: these words`));
    expect(error.message).toContain(READER);
  });

  it("a session that has expired at STS is the signer's fault, whom the message names", async () => {
    await using edge = await startEdge();
    edge.sts.expire(edge.key.accessKeyId);
    const error = await failureOf(edge.assume());
    expect(error.code).toBe("ERR_BASE_EXPIRED");
    expect(error.message).toContain('base "hub" (environment)');
    expect(error.message).toContain(`access key id ${edge.key.accessKeyId}`);
    expect(error.message).toContain("renew them at their source");
  });

  it("a secret that does not fit the key is the signer's fault", async () => {
    await using edge = await startEdge();
    edge.sts.addKey({ ...edge.key, secretAccessKey: "another" });
    expect((await failureOf(edge.assume())).code).toBe("ERR_BASE_EXPIRED");
  });

  it("a signature of the wrong time is a fault of the clock, and not of the signer", async () => {
    await using edge = await startEdge();
    const message = "Signature expired: 20261102T120000Z is now earlier than 20261102T125500Z";
    edge.sts.fault({ kind: "error", status: 403, code: "SignatureDoesNotMatch", message });
    expect((await failureOf(edge.assume())).code).toBe("ERR_STS_UNAVAILABLE");
  });

  it("throttling is no denial, and is said to be asked again", async () => {
    await using edge = await startEdge();
    edge.sts.fault({ kind: "throttle" });
    const error = await failureOf(edge.assume());
    expect(error.code).toBe("ERR_STS_THROTTLED");
    expect(error.message).toContain("Throttling: Rate exceeded");
    expect(error.message).toContain("asked again later");
  });

  it("a 5xx is told by its status, too", async () => {
    await using edge = await startEdge();
    edge.sts.fault({ kind: "unavailable", status: 503 });
    const { message } = await failureOf(edge.assume());
    expect(message).toContain("HTTP 503: ServiceUnavailable: Service unavailable, try again");
    expect(message).toContain("failed at STS in eu-west-1");
  });

  it("words of many lines and of terminals are put on one plain line", async () => {
    await using edge = await startEdge();
    const message = "first\r\n\tsecond \u009B31mred";
    edge.sts.fault({ kind: "error", status: 400, code: "ValidationError", message });
    expect((await failureOf(edge.assume())).message).toContain("first second 31mred");
  });

  it("words without end are cut", async () => {
    await using edge = await startEdge();
    const message = "x".repeat(100_000);
    edge.sts.fault({ kind: "error", status: 500, code: "InternalFailure", message });
    expect((await failureOf(edge.assume())).message.length).toBeLessThan(1_000);
  });
});

describe("a clock error", () => {
  it.each([
    ["RequestExpired", "Request has expired."],
    ["RequestTimeTooSkewed", "The difference is too large."],
    [
      "SignatureDoesNotMatch",
      "Signature expired: 20260102T030405Z is now earlier than 20260102T031405Z (20260102T031905Z - 5 min.)",
    ],
    [
      "SignatureDoesNotMatch",
      "Signature not yet current: 20260102T030405Z is still later than 20260102T025405Z (20260102T024905Z + 5 min.)",
    ],
    ["InvalidSignatureException", "Signature expired: 20260102T030405Z is now earlier than …"],
  ])("is %s: %s", (name, message) => {
    expect(isClockError(Object.assign(new Error(message), { name }))).toBe(true);
  });

  it.each([
    ["SignatureDoesNotMatch", "The request signature we calculated does not match."],
    ["ExpiredToken", "The security token included in the request is expired"],
  ])("is not %s: %s", (name, message) => {
    expect(isClockError(Object.assign(new Error(message), { name }))).toBe(false);
  });
});
