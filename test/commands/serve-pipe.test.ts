import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { request } from "../support/http.ts";
import { Program, READER, startMachine } from "../support/program.ts";
import type { Machine } from "../support/program.ts";

const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
const NOTHING = "SIGHUP: there is nothing to read again";

let machine: Machine;
beforeAll(async () => {
  machine = await startMachine();
});
afterAll(() => machine[Symbol.asyncDispose]());

/** A shell command line, with crossrole's own command as `"$@"`. */
function shell(line: string): Program {
  const command = ["bash", "-c", line, "bash", process.execPath, MAIN] as const;
  return new Program(["serve"], {
    env: machine.env,
    cwd: machine.directory,
    command: [...command],
  });
}

async function written(name: string): Promise<string> {
  const file = await machine.write(name, {
    sts: { endpoint: machine.sts.url },
    roles: { reader: { arn: READER } },
    listeners: [{ address: "127.0.0.1:0", role: "reader" }],
  });
  return path.resolve(machine.directory, file);
}

describe.concurrent("serve with a configuration from a pipe", () => {
  it.each([
    ["of the shell", "substituted.yaml", (file: string) => `exec "$@" --config <(cat '${file}')`],
    ["on stdin", "stdin.yaml", (file: string) => `cat '${file}' | "$@" --config /dev/stdin & wait`],
    [
      "with a name",
      "named.yaml",
      (file: string) =>
        `mkfifo '${file}.pipe'; cat '${file}' > '${file}.pipe' & exec "$@" --config '${file}.pipe'`,
    ],
  ])("%s reads it to its end, and does not watch it", async (_, name, line) => {
    const file = await written(name);
    await using program = shell(line(file));

    await program.printed("\n");
    const [, url = ""] = /ENDPOINT=(.*)$/m.exec(program.stdout) ?? [];

    expect((await request(url, "/latest/meta-data/")).status).toBe(401);
    expect(program.stderr).not.toContain("configuration not taken over");
  });

  it("says at SIGHUP that there is nothing to read again, and runs on", async () => {
    const file = await written("hangup.yaml");
    await using program = shell(`exec "$@" --config <(cat '${file}')`);
    await program.printed("\n");

    program.signal("SIGHUP");
    await program.logged(NOTHING);
    program.signal("SIGHUP");
    await program.logged(NOTHING, 2);

    expect(program.stderr).not.toContain("configuration not taken over");
    program.signal("SIGTERM");
    expect(await program.ended).toMatchObject({ code: 0 });
  });

  it.each([
    ["a device without an end", "/dev/zero", "it is larger than 4 MiB"],
    ["a directory", ".", "it is no regular file"],
  ])("refuses %s", async (_, file, reason) => {
    await using program = shell(`exec "$@" --config ${file}`);

    expect(await program.ended).toMatchObject({
      code: 1,
      errors: [`crossrole: ${file}: cannot be read: ${reason}`],
    });
  });
});
