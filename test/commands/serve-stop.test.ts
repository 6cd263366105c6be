import { Agent, get } from "node:http";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { request, tokenFrom } from "../support/http.ts";
import { Program, startMachine } from "../support/program.ts";
import type { Machine } from "../support/program.ts";

const ROLES = "/latest/meta-data/iam/security-credentials/";
const SILENT = "arn:aws:iam::222222222222:role/silent";

let machine: Machine;
beforeAll(async () => {
  machine = await startMachine();
  machine.sts.addRole({ arn: SILENT });
  machine.sts.fault({ kind: "blackHole", roleArn: SILENT });
});
afterAll(() => machine[Symbol.asyncDispose]());

/** A running serve, and the time from a signal to its end. */
async function serving(roleArn?: string) {
  const role =
    roleArn === undefined
      ? machine.role
      : ["--role-arn", roleArn, "--sts-endpoint", machine.sts.url];
  const program = new Program(["serve", ...role, "--listen", "127.0.0.1:0"], {
    env: machine.env,
    cwd: machine.directory,
  });
  await program.printed("\n");
  const url = program.stdout.trim().split("=")[1] ?? "";
  return {
    program,
    url,
    stop: async (signal: NodeJS.Signals = "SIGTERM") => {
      const startedMs = performance.now();
      program.signal(signal);
      const { code } = await program.ended;
      return { code, elapsedMs: performance.now() - startedMs };
    },
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  };
}

describe.concurrent("serve", () => {
  it.each<NodeJS.Signals>(["SIGTERM", "SIGINT"])("ends with 0 on %s", async (signal) => {
    await using serve = await serving();

    const { code, elapsedMs } = await serve.stop(signal);

    expect(code).toBe(0);
    expect(elapsedMs).toBeLessThan(5_000);
  });

  it("ends within 5 s of connections that are kept alive and idle", async () => {
    await using serve = await serving();
    const agent = new Agent({ keepAlive: true });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    get(`${serve.url}${ROLES}`, { agent }, (answer) => answer.resume().once("end", resolve)).once(
      "error",
      reject,
    );
    await promise;

    const { code, elapsedMs } = await serve.stop();
    agent.destroy();

    expect(code).toBe(0);
    expect(elapsedMs).toBeLessThan(5_000);
  });

  it("answers a request in flight before it ends", async () => {
    await using serve = await serving(SILENT);
    const headers = { "X-aws-ec2-metadata-token": await tokenFrom(serve.url) };
    // Held for 400 ms, because STS never answers.
    const held = request(serve.url, `${ROLES}silent`, { headers });
    // Answered behind it, so that it has arrived.
    await request(serve.url, "/", { headers });

    const { code, elapsedMs } = await serve.stop();

    expect((await held).status).toBe(500);
    expect(code).toBe(0);
    expect(elapsedMs).toBeLessThan(5_000);
  });

  it("ends within 5 s of a client that never finishes its request", async () => {
    await using serve = await serving();
    const socket = connect({ host: "127.0.0.1", port: Number(new URL(serve.url).port) });
    socket.on("error", () => undefined).write(`GET ${ROLES} HTTP/1.1\r\nHost: loc`);
    await request(serve.url, "/");

    const { code, elapsedMs } = await serve.stop();
    socket.destroy();

    expect(code).toBe(0);
    expect(elapsedMs).toBeLessThan(5_000);
  });

  it("is not stopped by SIGHUP, with a file or without", async () => {
    await using serve = await serving();

    serve.program.signal("SIGHUP");

    expect(await request(serve.url, ROLES)).toMatchObject({ status: 401 });
    expect(await serve.stop()).toMatchObject({ code: 0 });
  });
});
