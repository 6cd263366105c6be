import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { jsonSchema } from "../../src/config/schema.ts";
import { READER, crossrole, startMachine } from "../support/program.ts";
import type { Ended, Machine } from "../support/program.ts";

let machine: Machine;
beforeAll(async () => {
  machine = await startMachine();
});
afterAll(() => machine[Symbol.asyncDispose]());

async function run(...args: readonly string[]): Promise<Ended> {
  return await crossrole(args, { env: machine.env, cwd: machine.directory });
}

describe.concurrent("a question of usage ends with 2 and an explanation on stderr:", () => {
  it.each<[string, string[], RegExp]>([
    [
      "an unknown option",
      ["exec", "--rol-arn", READER, "--", "true"],
      /unknown option '--rol-arn'/,
    ],
    ["an unknown command", ["exce"], /unknown command 'exce'/],
    ["no command", [], /Usage: crossrole/],
    ["nothing to run", ["exec", "--role-arn", READER], /missing required argument 'command'/],
    ["no role", ["exec", "--", "true"], /say which role: --role-arn ARN, or --config FILE/],
    [
      "a file and a role",
      ["exec", "--config", "a.yaml", "--role-arn", READER, "--", "true"],
      /--role-arn describes one role without a file: leave out either it or --config/,
    ],
    [
      "a role that is not the one of the flags",
      ["exec", "--role-arn", READER, "--role", "writer", "--", "true"],
      /there is no role "writer"; known are orders-reader/,
    ],
    ["a level of the log", ["serve", "--log-level", "loud"], /Allowed choices are debug, info/],
    ["an option of another command", ["exec", "--listen", "x", "--", "true"], /unknown option/],
    ["an argument too many", ["serve", "x"], /too many arguments/],
  ])("%s", async (_, args, explanation) => {
    const { code, stdout, stderr } = await run(...args);

    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toMatch(explanation);
  });

  it.each([["exec"], ["credential-process"]])(
    "%s with a role that is not in the file, or with none of several",
    async (command) => {
      const roles = { reader: { arn: READER }, writer: { arn: READER } };
      const file = await machine.write(`${command}.yaml`, { roles });
      const child = command === "exec" ? ["--", "true"] : [];
      const unknown = await run(command, "--config", file, "--role", "raeder", ...child);
      const none = await run(command, "--config", file, ...child);

      expect([unknown.code, none.code]).toEqual([2, 2]);
      expect(unknown.errors).toEqual([
        'crossrole: there is no role "raeder"; known are reader, writer',
      ]);
      expect(none.errors).toEqual([
        "crossrole: say which role with --role NAME; known are reader, writer",
      ]);
    },
  );
});

describe.concurrent("help", () => {
  it.each(["serve", "exec", "credential-process", "schema"])(
    "of %s shows two examples on stdout and ends with 0",
    async (command) => {
      const { code, stdout, stderr } = await run(command, "--help");

      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      expect(stdout).toContain(`Usage: crossrole ${command}`);
      expect(stdout.split("\nExamples:\n")[1]?.match(/^ {2}\$ .*crossrole /gm)).toHaveLength(2);
    },
  );

  it("of crossrole names every command", async () => {
    const { code, stdout } = await run("--help");

    expect(code).toBe(0);
    for (const command of ["serve", "exec", "credential-process", "schema"]) {
      expect(stdout).toMatch(new RegExp(`^ {2}${command}\\b`, "m"));
    }
  });
});

it("schema prints the JSON Schema that the loader goes by, and nothing else", async () => {
  const { code, stdout, stderr } = await run("schema");

  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(JSON.parse(stdout)).toEqual(jsonSchema());
  expect(JSON.parse(stdout)).toMatchObject({
    $schema: "https://json-schema.org/draft/2020-12/schema",
    required: ["roles"],
    additionalProperties: false,
  });
});
