import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { request, tokenFrom } from "../support/http.ts";
import type { Response } from "../support/http.ts";
import { memoryDirectory } from "../support/memory.ts";
import type { MemoryDirectory } from "../support/memory.ts";
import { Program, READER, eventually, startMachine } from "../support/program.ts";
import type { Machine } from "../support/program.ts";
import { Load } from "./clients.ts";
import { freePort } from "../support/free-port.ts";

const ROLES = "/latest/meta-data/iam/security-credentials/";
const RETRY_MS = 20;

// Programs start in their own time on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

let machine: Machine;
let memory: MemoryDirectory;
beforeAll(async () => {
  memory = await memoryDirectory();
  machine = await startMachine();
});
afterAll(async () => {
  await machine[Symbol.asyncDispose]();
  await memory[Symbol.asyncDispose]();
});

/** A serve at a port that it keeps, with a state directory. */
async function installed(name: string, role = READER) {
  const port = await freePort();
  const state = path.join(memory.path, name);
  const file = await machine.write(`${name}.yaml`, {
    sts: { endpoint: machine.sts.url, callsPerSecond: 1000, burst: 1000 },
    roles: { reader: { arn: role } },
    listeners: [{ address: `127.0.0.1:${port}`, role: "reader" }],
    state: { directory: state },
  });
  const url = `http://127.0.0.1:${port}`;
  const start = async () => {
    const args = ["serve", "--config", file];
    const program = new Program(args, { env: machine.env, cwd: machine.directory });
    await program.printed("\n");
    return program;
  };
  return { url, start };
}

/** Asks again until `check` throws no more, for as long as a busy machine may take. */
async function soon(check: () => void | Promise<void>): Promise<void> {
  await eventually(check, 30_000);
}

/** Sends it again for as long as nobody is there to take it. */
async function patiently(url: string, target: string, token: string): Promise<Response> {
  for (;;) {
    try {
      return await request(url, target, { headers: { "X-aws-ec2-metadata-token": token } });
    } catch {
      await delay(RETRY_MS);
    }
  }
}

function statusesOf(answers: readonly Response[]): number[] {
  return [...new Set(answers.map(({ status }) => status))];
}

describe.concurrent("killed and started again under load", () => {
  it("takes the metadata tokens and the sessions of before, and asks STS no more", async () => {
    const { url, start } = await installed("killed");
    let program = await start();
    await using stack = new AsyncDisposableStack();
    stack.use(program);
    await soon(async () =>
      expect((await patiently(url, ROLES, await tokenFrom(url))).status).toBe(200),
    );
    const token = await tokenFrom(url);
    const stop = new AbortController();
    const answers: Response[] = [];
    const clients = Array.from({ length: 4 }, async () => {
      while (!stop.signal.aborted) answers.push(await patiently(url, `${ROLES}reader`, token));
    });

    for (let kills = 0; kills < 2; kills++) {
      program.signal("SIGKILL");
      await program.ended;
      program = stack.use(await start());
      const before = answers.length;
      await soon(() => {
        expect(answers.slice(before + 8).map(({ status }) => status)).toContain(200);
      });
    }
    stop.abort();
    await Promise.all(clients);

    expect(statusesOf(answers)).toEqual([200]);
    expect(
      machine.sts.calls.filter(({ parameters }) => parameters["RoleArn"] === READER),
    ).toHaveLength(1);
  });
});

describe.concurrent("told to stop under load", () => {
  it("answers whole and with 200 whatever it has accepted", async () => {
    const role = "arn:aws:iam::222222222222:role/drained";
    machine.sts.addRole({ arn: role });
    const { url, start } = await installed("drained", role);
    for (let stops = 0; stops < 2; stops++) {
      await using program = await start();
      await soon(async () =>
        expect((await patiently(url, `${ROLES}reader`, await tokenFrom(url))).status).toBe(200),
      );
      const load = new Load({ url: () => url, issued: () => machine.sts.issued, roleArn: role });
      const stop = new AbortController();
      const running = load.run(stop.signal);
      await soon(() => expect(load.answers).toBeGreaterThan(8));

      program.signal("SIGTERM");
      const { code } = await program.ended;
      stop.abort();
      await running;
      load.close();

      expect(code).toBe(0);
      expect(load.errors.filter((error) => !isUnaccepted(error))).toEqual([]);
    }
  });
});

/** Nothing came back: the connection was closed before the request was read. */
function isUnaccepted(error: string): boolean {
  return /ECONNREFUSED|ECONNRESET|socket hang up/.test(error);
}
