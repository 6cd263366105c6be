import { writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { GATEWAY, Program, crossrole, node, startMachine } from "../support/program.ts";
import type { Ended, Machine, StartOptions } from "../support/program.ts";

let machine: Machine;
beforeAll(async () => {
  machine = await startMachine();
  machine.sts.addRole({ arn: GATEWAY });
});
afterAll(() => machine[Symbol.asyncDispose]());

function options(more: StartOptions = {}): StartOptions {
  return { env: machine.env, cwd: machine.directory, ...more };
}

async function exec(command: readonly string[], more: StartOptions = {}): Promise<Ended> {
  return await crossrole(["exec", ...machine.role, "--", ...command], options(more));
}

describe.concurrent("a command that exec runs", () => {
  it.each([0, 1, 255])("gives exec its own exit code %d", async (code) => {
    expect(await exec(node(`process.exit(${code})`))).toMatchObject({ code, stderr: "" });
  });

  it.each([
    ["SIGKILL", 137],
    ["SIGTERM", 143],
  ])("that is ended by %s makes it %d", async (signal, code) => {
    const ended = await exec(
      node(`process.kill(process.pid, "${signal}"); setInterval(() => {}, 1e4)`),
    );

    expect(ended).toMatchObject({ code, stderr: "" });
  });

  it("reads exec's standard input and writes to its standard output and error", async () => {
    const command = node("process.stdin.pipe(process.stdout); console.error('to stderr')");

    expect(await exec(command, { input: "one\ntwo" })).toMatchObject({
      code: 0,
      stdout: "one\ntwo",
      stderr: "to stderr\n",
    });
  });

  it("has its arguments as they stand, options of exec's included", async () => {
    const command = [...node("console.log(JSON.stringify(process.argv.slice(1)))"), "--"];
    const args = ["--role", "x", "", "a b", "$HOME", "*", "--help"];

    expect((await exec([...command, ...args])).stdout).toBe(`${JSON.stringify(args)}\n`);
  });

  it("may be said without -- in front of it", async () => {
    const command = node("console.log('ran')");
    const { stdout } = await crossrole(["exec", ...machine.role, ...command], options());

    expect(stdout).toBe("ran\n");
  });

  it.each<NodeJS.Signals>(["SIGINT", "SIGTERM", "SIGHUP"])(
    "is sent %s when exec is, and decides itself what comes of it",
    async (signal) => {
      const code = `
        process.on("${signal}", () => { console.log("got ${signal}"); process.exit(7); });
        console.log("ready");
        setInterval(() => {}, 1e4);`;
      await using program = new Program(["exec", ...machine.role, "--", ...node(code)], options());

      await program.printed("ready");
      program.signal(signal);

      expect(await program.ended).toMatchObject({ code: 7, stdout: `ready\ngot ${signal}\n` });
    },
  );

  it("that does not heed a signal goes on", async () => {
    const code = `
      process.on("SIGTERM", () => console.log("not yet"));
      process.on("SIGINT", () => process.exit(3));
      console.log("ready");
      setInterval(() => {}, 1e4);`;
    await using program = new Program(["exec", ...machine.role, "--", ...node(code)], options());

    await program.printed("ready");
    program.signal("SIGTERM");
    await program.printed("not yet");
    program.signal("SIGINT");

    expect(await program.ended).toMatchObject({ code: 3 });
  });

  it.each(["no-such-command", "./no-such-file", ""])(
    "that cannot be found makes it 127: %j",
    async (command) => {
      const { code, stdout, errors } = await exec([command]);

      expect({ code, stdout }).toEqual({ code: 127, stdout: "" });
      expect(errors).toEqual([`crossrole: ${command || '""'}: command not found`]);
    },
  );

  it("that is no executable makes it 126", async () => {
    await writeFile(path.join(machine.directory, "plain.txt"), "text", { mode: 0o644 });
    const plain = await exec(["./plain.txt"]);
    const directory = await exec([machine.directory]);
    const below = await exec(["./plain.txt/below"]);

    expect(plain.errors).toEqual(["crossrole: ./plain.txt: not an executable file"]);
    expect([plain.code, directory.code, below.code]).toEqual([126, 126, 126]);
    expect(below.errors).toHaveLength(1);
  });

  it("is chosen its role from a file by name, and needs no listener in it", async () => {
    const file = await machine.write("exec.yaml", {
      sts: { endpoint: machine.sts.url },
      roles: {
        reader: { arn: "arn:aws:iam::222222222222:role/orders-reader", via: [GATEWAY] },
        writer: { arn: "arn:aws:iam::222222222222:role/orders-writer" },
      },
      // What only serve has a use for: nobody may listen there, and nobody may write there.
      operations: { address: "203.0.113.1:9910" },
      state: { directory: "/dev/null/state" },
    });
    const args = [
      "exec",
      "--config",
      file,
      "--role",
      "reader",
      "--",
      ...node("console.log('ran')"),
    ];

    expect(await crossrole(args, options())).toMatchObject({
      code: 0,
      stdout: "ran\n",
      stderr: "",
    });
  });
});
