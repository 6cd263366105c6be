/** @module Promise 10: no secret shows in an error, however it is printed. */
import { describe, expect, it } from "vitest";
import { everythingIn, failureOf, signerOf, startEdge } from "./support.ts";
import { CANARY } from "../support/fake-sts.ts";
import type { FaultKind } from "../support/fake-sts.ts";

const FAULTS: readonly FaultKind[] = [
  { kind: "reset" },
  { kind: "cut" },
  { kind: "throttle" },
  { kind: "accessDenied" },
  { kind: "unavailable", status: 500 },
  { kind: "truncatedXml" },
  { kind: "html" },
  { kind: "noCredentials" },
  { kind: "emptyFields" },
  { kind: "emptyFields", fields: ["Expiration"] },
  { kind: "redirect" },
  { kind: "error", status: 403, code: "ExpiredToken", message: "expired" },
];

describe("no secret is in the error, its cause or their hidden fields", () => {
  it.each(FAULTS)("after $kind $status $fields", async (fault) => {
    await using edge = await startEdge();
    edge.sts.fault(fault);
    const signer = signerOf({ ...edge.sts.addKey(), sessionToken: `${CANARY}/token` });
    expect(everythingIn(await failureOf(edge.assume({}, signer)))).not.toContain(CANARY);
  });

  it.each([{ kind: "truncatedXml" }, { kind: "throttle" }] as const)(
    "but the cause keeps AWS's words and where it came from: $kind",
    async (fault) => {
      await using edge = await startEdge();
      edge.sts.fault(fault);
      const { cause } = await failureOf(edge.assume());
      expect(cause).toBeInstanceOf(Error);
      expect(everythingIn(cause)).toMatch(/\n {4}at /);
    },
  );

  it("nor in the credentials themselves", async () => {
    await using edge = await startEdge();
    const credentials = await edge.assume();
    expect(credentials.secretAccessKey).toContain(CANARY);
    expect(everythingIn(credentials)).not.toContain(CANARY);
    expect(everythingIn(Object.assign({}, credentials))).not.toContain(CANARY);
    expect(JSON.stringify(credentials)).not.toContain(CANARY);
  });
});
