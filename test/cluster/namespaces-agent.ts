/**
 * @module A process that lives in a network namespace and does there what it is told, one JSON object a
 * line. It ends with its standard input, and the namespace with it when nobody else is in there.
 */
import { Agent, createServer, request } from "node:http";
import type { Server } from "node:http";
import { connect, createServer as createSocketServer, isIPv6 } from "node:net";
import type { AddressInfo } from "node:net";
import { createInterface } from "node:readline";
import type { AgentTask, Reply } from "./namespaces-agent-tasks.ts";

/** Against what hangs: what is refused is refused at once. */
const TIMEOUT_MS = 5_000;

const servers: Server[] = [];
const kept = new Map<string, Agent>();

for await (const line of createInterface({ input: process.stdin })) {
  const { id, task }: { id: number; task: AgentTask } = JSON.parse(line);
  void perform(task).then(
    (answer) => console.log(JSON.stringify({ id, answer })),
    (error: unknown) => console.log(JSON.stringify({ id, failure: String(error) })),
  );
}
// Servers are open still.
process.exit();

async function perform(task: AgentTask): Promise<unknown> {
  switch (task.kind) {
    case "ask":
      return await ask(task);
    case "listen":
      return await Promise.all(
        task.addresses.map((address) => listen(task.name, address, task.port)),
      );
    case "close":
      for (const server of servers.splice(0)) {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      }
      return undefined;
    case "relay":
      return await relay(task);
  }
}

async function ask(task: AgentTask & { kind: "ask" }): Promise<Reply> {
  const { url, method, headers, connection, from } = task;
  const startedMs = performance.now();
  const agent = connection === undefined ? new Agent() : agentOf(connection);
  const { promise, resolve } = Promise.withResolvers<Reply>();
  const asked = request(url, { agent, method, headers, localAddress: from, timeout: TIMEOUT_MS });
  asked.on("response", (response) => {
    let body = "";
    response.setEncoding("utf8").on("data", (chunk: string) => (body += chunk));
    response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
  });
  asked.on("timeout", () => asked.destroy(Object.assign(new Error(), { code: "ETIMEDOUT" })));
  asked.on("error", (error: NodeJS.ErrnoException) => {
    resolve({ error: error.code ?? error.message, elapsedMs: performance.now() - startedMs });
  });
  asked.end();
  return await promise;
}

function agentOf(connection: string): Agent {
  const agent = kept.get(connection) ?? new Agent({ keepAlive: true, maxSockets: 1 });
  kept.set(connection, agent);
  return agent;
}

/** Answers everything with its name and with what it sees of the caller. */
async function listen(name: string, host: string, port: number): Promise<AddressInfo> {
  const server = createServer({ keepAliveTimeout: 600_000 }, ({ socket, method }, response) => {
    const { remoteAddress: peer, localAddress: local, localPort } = socket;
    response.end(JSON.stringify({ server: name, method, peer, local: `${local}:${localPort}` }));
  });
  servers.push(server);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject).listen({ host, port, ipv6Only: isIPv6(host) }, resolve);
  await promise;
  return server.address() as AddressInfo;
}

async function relay({ port, socket }: AgentTask & { kind: "relay" }): Promise<void> {
  const server = createSocketServer((near) => {
    const far = connect(socket);
    near.on("error", () => far.destroy()).on("close", () => far.destroy());
    far.on("error", () => near.destroy()).on("close", () => near.destroy());
    near.pipe(far).pipe(near);
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject).listen({ host: "127.0.0.1", port }, resolve);
  await promise;
}
