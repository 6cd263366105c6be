/** @module Loaded into the program ahead of its own code: SIGWINCH makes it fail in the way that CRASH says. */
import { CANARY } from "../support/fake-sts.ts";

/** An error as the SDK's are: with secrets in its fields, and in those of its cause. */
function laden(message: string): Error {
  const cause = Object.assign(new Error("the cause"), { Token: `${CANARY}/token` });
  const response = { headers: { "x-amz-security-token": `${CANARY}/token` } };
  return Object.assign(new Error(message, { cause }), {
    secretAccessKey: `${CANARY}/secret`,
    $response: response,
  });
}

const CRASHES: Readonly<Record<string, () => unknown>> = {
  "an exception": () => {
    throw laden("an exception");
  },
  "a rejection": () => Promise.reject(laden("a rejection")),
  "a syntax error": () => JSON.parse(`${CANARY}/answer`),
  "an empty error": () => Promise.reject(laden("")),
  "out of memory": () => {
    const hoard: string[][] = [];
    for (;;) hoard.push(Array.from({ length: 100_000 }, (_, n) => `${CANARY}${n}`));
  },
};

process.on("SIGWINCH", () => void CRASHES[process.env["CRASH"] ?? ""]?.());
