import { readFile, readdir, readlink } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { CANARY, startFakeSts } from "../support/fake-sts.ts";
import type { FakeSts } from "../support/fake-sts.ts";
import { request, tokenFrom } from "../support/http.ts";
import { READER, eventually } from "../support/program.ts";
import { CRASH_ON_SIGNAL, Run, leakIn, makeHome } from "./support.ts";
import type { Home } from "./support.ts";

// Programs start in their own time on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

const ROLES = "/latest/meta-data/iam/security-credentials/";
const REPORTS =
  "--report-on-signal --report-signal=SIGUSR2 --report-on-fatalerror --report-uncaught-exception";
/** The state of a socket in the kernel's table. */
const LISTENING = "0A";
const SMALL_HEAP = "--max-old-space-size=48";

let sts: FakeSts;
beforeAll(async () => {
  sts = await startFakeSts();
  sts.addRole({ arn: READER });
});
afterAll(() => sts.close());

/** A serve that holds credentials, in a home of its own. */
async function serving(env: Record<string, string> = {}) {
  const home = await makeHome();
  const key = sts.addKey();
  const run = await Run.start({
    home,
    args: ["serve", "--role-arn", READER, "--sts-endpoint", sts.url, "--listen", "127.0.0.1:0"],
    env: {
      AWS_ACCESS_KEY_ID: key.accessKeyId,
      AWS_SECRET_ACCESS_KEY: key.secretAccessKey,
      ...env,
    },
    cores: true,
  });
  const [url = ""] = await run.urls();
  const token = await tokenFrom(url);
  const ask = () =>
    request(url, `${ROLES}orders-reader`, { headers: { "X-aws-ec2-metadata-token": token } });
  await eventually(async () => expect((await ask()).body).toContain(CANARY), 30_000);
  return { home, run, url, ask, [Symbol.asyncDispose]: () => disposeOf(run, home) };
}

async function disposeOf(run: Run, home: Home): Promise<void> {
  await run[Symbol.asyncDispose]();
  await home[Symbol.asyncDispose]();
}

/**
 * What leaks in the output and in the files that were written. A core dump has no memory of the
 * process in it; the registers of its threads, which the kernel always writes, are left aside: they
 * may hold what was copied last.
 */
async function leaks(run: Run): Promise<(string | undefined)[]> {
  const written = [...(await run.written())];
  const cores = written.filter(([name]) => isCore(name));
  for (const [, core] of cores) expect(memoryIn(Buffer.from(core, "latin1"))).toBeLessThan(65_536);
  const files = written.filter(([name]) => !isCore(name));
  const texts = [run.stdout, run.stderr, ...files.map(([name, content]) => `${name}: ${content}`)];
  return texts.map((text) => leakIn(text)).filter(Boolean);
}

function isCore(name: string): boolean {
  return /^core(?:\.\d+)?$/.test(name);
}

/**
 * Bytes of memory in a core dump of 64 bits: what its segments of type PT_LOAD have in the file.
 * The kernel's own page, the vDSO, is in every one.
 *
 * @see https://refspecs.linuxfoundation.org/elf/gabi4+/ch5.pheader.html
 */
function memoryIn(core: Buffer): number {
  const PT_LOAD = 1;
  const [start, size, count] = [
    Number(core.readBigUInt64LE(32)),
    core.readUInt16LE(54),
    core.readUInt16LE(56),
  ];
  return Array.from({ length: count }, (_, index) => start + index * size)
    .filter((at) => core.readUInt32LE(at) === PT_LOAD)
    .reduce((sum, at) => sum + Number(core.readBigUInt64LE(at + 32)), 0);
}

describe("a crash leaves no secret behind", () => {
  it.each(["an exception", "a rejection", "a syntax error", "an empty error"])(
    "by %s that nobody foresaw: one line and a stack, and exit code 1",
    async (kind) => {
      const NODE_OPTIONS = `--import ${CRASH_ON_SIGNAL} ${REPORTS}`;
      await using serve = await serving({ CRASH: kind, NODE_OPTIONS });
      const { run } = serve;

      run.child.kill("SIGWINCH");

      expect(await run.ended()).toEqual({ code: 1, signal: null });
      expect(run.stderr).toMatch(/^crossrole: \w*Error.*(\n {4}at .*)+\n$/m);
      expect(await leaks(run)).toEqual([]);
      expect([...(await run.written()).keys()]).toEqual([]);
    },
  );

  it("by a heap that is full, with every report asked for and cores allowed", async () => {
    const NODE_OPTIONS = `--import ${CRASH_ON_SIGNAL} ${REPORTS} ${SMALL_HEAP}`;
    await using serve = await serving({ CRASH: "out of memory", NODE_OPTIONS });
    const { run } = serve;

    run.child.kill("SIGWINCH");

    expect(await run.ended()).toMatchObject({ code: null });
    expect(await leaks(run)).toEqual([]);
    expect([...(await run.written()).keys()].filter((name) => name.includes("report"))).toEqual([]);
  });

  it.each<NodeJS.Signals>(["SIGABRT", "SIGSEGV"])(
    "by %s, with every report asked for and cores allowed",
    async (signal) => {
      await using serve = await serving({ NODE_OPTIONS: REPORTS });
      const { run } = serve;

      run.child.kill(signal);

      expect(await run.ended()).toEqual({ code: null, signal });
      expect(await leaks(run)).toEqual([]);
      expect([...(await run.written()).keys()].filter((name) => name.includes("report"))).toEqual(
        [],
      );
    },
  );

  it.runIf(process.platform === "linux")("because no memory goes into a core dump", async () => {
    await using serve = await serving();

    const filter = await readFile(`/proc/${serve.run.pid}/coredump_filter`, "utf8");

    expect(Number.parseInt(filter, 16)).toBe(0);
  });
});

describe("a signal opens nothing, and the program goes on serving", () => {
  it.runIf(process.platform === "linux")(
    "on SIGUSR1: no inspector, and no word of one",
    async () => {
      await using serve = await serving();
      const { run, url, ask } = serve;
      const stderr = run.stderr;

      run.child.kill("SIGUSR1");

      // Answered by a process that has been given the signal: the kernel does that first.
      for (let turn = 0; turn < 5; turn++) expect((await ask()).status).toBe(200);
      expect(await portsOf(run.pid)).toEqual([Number(new URL(url).port)]);
      expect(run.stderr).toBe(stderr);
    },
  );

  it("on the SIGUSR2 that NODE_OPTIONS asks to make a report of: none is made", async () => {
    await using serve = await serving({ NODE_OPTIONS: REPORTS });
    const { run, ask } = serve;

    run.child.kill("SIGUSR2");

    for (let turn = 0; turn < 5; turn++) expect((await ask()).status).toBe(200);
    expect([...(await run.written()).keys()]).toEqual([]);
  });
});

describe("a log that nobody reads any more", () => {
  it("ends nothing: clients are served", async () => {
    await using serve = await serving();
    const { run, url, ask } = serve;

    run.child.stderr?.destroy();
    run.child.stdout?.destroy();
    // Each is a line of the log.
    for (let turn = 0; turn < 5; turn++) await request(url, "/no-token");

    expect((await ask()).status).toBe(200);
    expect(run.isRunning).toBe(true);
  });
});

/** The ports that a process listens on. */
async function portsOf(pid: number): Promise<number[]> {
  const fds = await readdir(`/proc/${pid}/fd`);
  const links = await Promise.all(
    fds.map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => "")),
  );
  const tables = await Promise.all(
    ["tcp", "tcp6"].map((name) => readFile(`/proc/${pid}/net/${name}`, "latin1").catch(() => "")),
  );
  const rows = tables.flatMap((table) => table.split("\n").map((row) => row.trim().split(/\s+/)));
  return rows
    .filter((row) => row[3] === LISTENING && links.includes(`socket:[${row[9]}]`))
    .map((row) => Number.parseInt(row[1]?.split(":")[1] ?? "", 16));
}
