import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { StatusReport } from "../../src/operations/status.ts";
import { CANARY } from "../support/fake-sts.ts";
import { request } from "../support/http.ts";
import { crossrole, eventually, MAIN, Program, READER, startMachine } from "../support/program.ts";
import type { Machine } from "../support/program.ts";
import { freePort } from "../support/free-port.ts";

const CLOSED = "arn:aws:iam::222222222222:role/closed";

let machine: Machine;
beforeAll(async () => {
  machine = await startMachine();
  machine.sts.addRole({ arn: CLOSED, trusts: [] });
  await machine.write("without.yaml", { roles: { reader: { arn: READER } } });
});
afterAll(() => machine[Symbol.asyncDispose]());

/** A running serve with an operations address, and its configuration file. */
async function serving(name: string, roles: Readonly<Record<string, string>> = { reader: READER }) {
  const port = await freePort();
  const file = await machine.write(`${name}.yaml`, {
    sts: { endpoint: machine.sts.url },
    roles: Object.fromEntries(Object.entries(roles).map(([role, arn]) => [role, { arn }])),
    listeners: [{ address: "127.0.0.1:0", roles: Object.keys(roles) }],
    operations: { address: `127.0.0.1:${port}` },
  });
  const url = `http://127.0.0.1:${port}`;
  const run = () => new Program(["serve", "--config", file], { env: machine.env });
  const program = run();
  await program.printed("\n");
  return { program, run, file, url, [Symbol.asyncDispose]: () => program[Symbol.asyncDispose]() };
}

const status = (...args: readonly string[]) =>
  crossrole(["status", ...args], { env: machine.bareEnv, cwd: machine.directory });

describe.concurrent("status", () => {
  it("shows the roles of the daemon of the configuration file in a table, and exits 0", async () => {
    await using served = await serving("fine");
    const { code, stdout, stderr } = await eventually(async () => {
      const ended = await status("--config", served.file);
      expect(ended.code).toBe(0);
      return ended;
    });
    const lines = stdout.trimEnd().split("\n");

    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(lines[0]).toMatch(/^crossrole \d+\.\d+\.\d+ on \S+: all is well, 1 of 1 role served$/);
    expect(lines).toContain(
      "ROLE                      STATE            LIFE LEFT                RENEWED",
    );
    expect(stdout).toMatch(/^reader {20}served {11}\[#{10}\] (59|60) min +\S/m);
    expect(stdout).toContain("  default > 222222222222:orders-reader\n  ASIA");
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
    expect(stdout).not.toContain(CANARY);
  });

  it("says in words what is not right, and exits 1", async () => {
    await using served = await serving("closed", { reader: READER, closed: CLOSED });
    const { stdout } = await eventually(async () => {
      const ended = await status("--url", served.url);
      expect(ended.code).toBe(1);
      expect(ended.stdout).toContain("no credentials");
      return ended;
    });

    expect(stdout).toContain("  ! role closed has not been obtained yet\n");
    expect(stdout).toContain("  ! STS refused AssumeRole of arn:aws:iam::222222222222:role/closed");
    for (const line of stdout.split("\n")) expect(line.length).toBeLessThanOrEqual(80);
  });

  it("prints the whole status for a script with --json", async () => {
    await using served = await serving("json");
    const report = await eventually(async () => {
      const { stdout, code } = await status("--url", served.url, "--json");
      expect(code).toBe(0);
      return JSON.parse(stdout) as StatusReport;
    });

    expect(report).toMatchObject({
      version: expect.stringMatching(/^\d+\.\d+\.\d+$/),
      node: process.version,
      ready: true,
      problems: [],
      roles: [{ name: "reader", arn: READER, state: "ok" }],
    });
  });

  it("shows each change with --watch, and goes on when the daemon has been restarted", async () => {
    await using served = await serving("watched");
    await using watching = new Program(["status", "--url", served.url, "--watch", "--json"], {
      env: machine.bareEnv,
    });
    const last = () => JSON.parse(watching.stdout.trim().split("\n").at(-1) ?? "") as StatusReport;
    await eventually(() => expect(last().roles[0]?.state).toBe("ok"));
    const { startedAt } = last();

    served.program.signal("SIGTERM");
    await served.program.ended;
    await watching.logged(`${served.url} has ended; trying again`);
    await using again = served.run();
    await again.printed("\n");

    await eventually(() => expect(last().startedAt).not.toBe(startedAt));
    watching.signal("SIGTERM");
    expect((await watching.ended).signal).toBe("SIGTERM");
  });

  it("ends with 0 with --watch at the first change that nobody reads any more", async () => {
    await using served = await serving("piped");
    // The shell waits for both, and tells how the first of the two ended.
    const script =
      '{ "$@"; echo "ended with $?" >&2; } | { head -c 10; exec <&-; echo "read enough" >&2; }';
    await using piped = new Program(["status", "--url", served.url, "--watch", "--json"], {
      env: machine.bareEnv,
      command: ["/bin/sh", "-c", script, "sh", process.execPath, MAIN],
    });
    await piped.logged("read enough");

    served.program.signal("SIGTERM");
    await served.program.ended;
    await using again = served.run();
    await again.printed("\n");
    const { stdout, errors } = await piped.ended;

    expect(stdout).toHaveLength(10);
    expect(errors.at(-1)).toBe("ended with 0");
  });

  it("tells of a file that the daemon has refused", async () => {
    await using served = await serving("refused");
    await machine.write("refused.yaml", "roles: {}\nregoin: x\n");
    served.program.signal("SIGHUP");
    await served.program.logged("configuration not taken over");
    const { code, stdout } = await status("--url", served.url);

    expect(code).toBe(1);
    expect(stdout).toContain("a changed configuration was refused; the one before is in force");
    expect(stdout).toMatch(/regoin\s+is\s+not\s+a\s+known\s+key/);
  });
});

describe.concurrent("status of a daemon whose file cannot be read", () => {
  it("tells that it is refused, as of a bad one, until it can be read again", async () => {
    await using served = await serving("gone");
    const text = await readFile(served.file, "utf8");
    await rm(served.file);
    await served.program.logged("configuration not taken over");
    const { code, stdout } = await status("--url", served.url);
    const { body } = await request(served.url, "/metrics");

    expect(code).toBe(1);
    expect(stdout).toContain("a changed configuration was refused; the one before is in force");
    expect(body).toContain('crossrole_config_reloads_total{outcome="refused"} 1\n');
    await machine.write("gone.yaml", text);
    await served.program.logged("configuration taken over");
    expect((await status("--url", served.url)).code).toBe(0);
  });
});

describe.concurrent("status of nobody", () => {
  it("says what to do where nobody answers", async () => {
    const url = `http://127.0.0.1:${await freePort()}`;
    const { code, stdout, errors } = await status("--url", url);

    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(errors).toEqual([
      `crossrole: no crossrole answers at ${url} (connect ECONNREFUSED ${url.slice(7)}): start one ` +
        "with an operations address, or say another --url",
    ]);
  });

  it("says so where something else answers", async () => {
    const server = createServer((_, response) => response.end("hello")).listen(0, "127.0.0.1");
    await eventually(() => expect(server.listening).toBe(true));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const { code, errors } = await status("--url", url);
    server.close();

    expect(code).toBe(1);
    expect(errors).toEqual([
      `crossrole: ${url} is no operations address of a crossrole: what it answers is no status`,
    ]);
  });

  it("says so where a listener for credentials answers", async () => {
    await using served = await serving("data");
    const [, url = ""] = /=(http:\/\/[^/]+)/.exec(served.program.stdout) ?? [];
    const { code, errors } = await status("--url", url);

    expect(code).toBe(1);
    expect(errors[0]).toMatch(/answered 40[14]: is it the operations address of a crossrole\?$/);
  });

  it.each([
    [["--url", "localhost:9910"], /--url is "localhost:9910"; say http:\/\/HOST:PORT/],
    [["--url", "https://localhost"], /say http:\/\/HOST:PORT/],
    [
      ["--config", "without.yaml"],
      /no operations address with a port: add operations, or say --url/,
    ],
  ] as const)("is a mistake in usage with %j", async (args, message) => {
    const { code, stderr } = await status(...args);

    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });
});
