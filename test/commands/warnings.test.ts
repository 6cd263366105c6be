import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { crossrole, eventually, Program, startMachine } from "../support/program.ts";
import type { Machine } from "../support/program.ts";

/** Makes Node warn: while the program starts, and whenever it gets the signal. */
const WARNING = `data:text/javascript,${encodeURIComponent(`
  process.on("newListener", (name) => {
    if (name !== "uncaughtException") return;
    process.emitWarning("early\\nwarning", { type: "ExampleWarning", code: "EX1" });
  });
  process.on("SIGWINCH", () => setTimeout(() => {}, -1));
`)}`;
const NODE_OPTIONS = `--import ${WARNING}`;

let machine: Machine;
beforeAll(async () => {
  machine = await startMachine();
});
afterAll(() => machine[Symbol.asyncDispose]());

function linesOf({ stderr }: { readonly stderr: string }): Record<string, unknown>[] {
  return stderr
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
}

describe("what Node warns of", () => {
  it("is in the log of a daemon as JSON, whenever it comes", async () => {
    const args = ["serve", ...machine.role, "--listen", "127.0.0.1:0"];
    await using serve = new Program(args, { env: { ...machine.env, NODE_OPTIONS } });
    await serve.printed("\n");

    serve.signal("SIGWINCH");
    await eventually(() => expect(serve.stderr).toContain("TimeoutNegativeWarning"));

    const warnings = linesOf(serve).filter(({ msg }) => msg === "Node warns");
    expect(warnings).toEqual([
      expect.objectContaining({
        level: "warn",
        warning: "ExampleWarning",
        code: "EX1",
        reason: "early\nwarning",
      }),
      expect.objectContaining({ level: "warn", warning: "TimeoutNegativeWarning" }),
    ]);
  });

  it("is not said where Node was told to keep it to itself", async () => {
    const args = ["serve", ...machine.role, "--listen", "127.0.0.1:0"];
    const env = { ...machine.env, NODE_OPTIONS, NODE_NO_WARNINGS: "1" };
    await using serve = new Program(args, { env });
    await serve.printed("\n");

    serve.signal("SIGWINCH");
    serve.signal("SIGTERM");
    await serve.ended;

    expect(linesOf(serve).filter(({ level }) => level === "warn")).toEqual([]);
  });

  it("is one line at the end of a command that has no log", async () => {
    const { errors } = await crossrole(["status", "--url", "http://127.0.0.1:1"], {
      env: { NODE_OPTIONS },
    });

    expect(errors.slice(1)).toEqual(["crossrole: Node warns: ExampleWarning: early warning"]);
  });
});
