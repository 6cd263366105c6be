/** @module Both servers, warm: crossrole on its credentials route, and a bare server with the same bytes. */
import { openConnection } from "./connection.ts";
import type { Connection } from "./connection.ts";
import { httpRequest } from "./http-request.ts";
import { configOf, roleArn } from "./scene.ts";
import type { BareAnswer, Scene } from "./scene.ts";
import type { ServerProcess } from "./server-process.ts";

export interface Server {
  readonly name: "bare" | "crossrole";
  readonly process: ServerProcess;
  readonly port: number;
}

export interface WarmPair extends AsyncDisposable {
  readonly bare: Server;
  readonly crossrole: Server;
  /** What both are asked. */
  readonly request: string;
}

const ROLE = "orders-reader";
const CREDENTIALS = "/latest/meta-data/iam/security-credentials";

export async function startWarmPair(scene: Scene): Promise<WarmPair> {
  const config = await scene.writeConfig("warm", configOf(scene, [ROLE]));
  const crossrole = await started("crossrole", scene.crossrole(config));
  const [request, answer] = await credentialsOf(crossrole.port);
  const bare = await started("bare", scene.bare(bareAnswerOf(answer)));
  const bareBytes = await askOnce(bare.port, request);
  if (undated(bareBytes) !== undated(answer))
    throw new Error(`not the same bytes: ${undated(bareBytes)} and ${undated(answer)}`);
  return {
    bare,
    crossrole,
    request,
    [Symbol.asyncDispose]: async () => {
      await bare.process[Symbol.asyncDispose]();
      await crossrole.process[Symbol.asyncDispose]();
    },
  };
}

async function started(name: Server["name"], process: ServerProcess): Promise<Server> {
  return { name, process, port: (await process.listening()).port };
}

/** The request for credentials as an SDK would send it, and the answer to it. */
async function credentialsOf(port: number): Promise<[request: string, answer: string]> {
  const connection = await openConnection(port);
  const token = await metadataToken(connection, port);
  const request = httpRequest("GET", `${CREDENTIALS}/${ROLE}`, port, {
    "x-aws-ec2-metadata-token": token,
  });
  for (;;) {
    const { status, bytes } = await connection.ask(request);
    // 500 until STS has answered: the session is being obtained.
    if (status === 500) continue;
    connection.close();
    if (status === 200) return [request, bytes.toString("latin1")];
    throw new Error(`no credentials of ${roleArn(ROLE)}: ${bytes.toString("latin1")}`);
  }
}

async function metadataToken(connection: Connection, port: number): Promise<string> {
  const ttl = { "x-aws-ec2-metadata-token-ttl-seconds": "21600" };
  const answer = await connection.ask(httpRequest("PUT", "/latest/api/token", port, ttl));
  return answer.bytes.toString("latin1").split("\r\n\r\n")[1] ?? "";
}

async function askOnce(port: number, request: string): Promise<string> {
  const connection = await openConnection(port);
  const { bytes } = await connection.ask(request);
  connection.close();
  return bytes.toString("latin1");
}

/** Headers that node:http writes by itself. */
const AUTOMATIC: ReadonlySet<string> = new Set([
  "date",
  "connection",
  "keep-alive",
  "content-length",
]);

function bareAnswerOf(answer: string): BareAnswer {
  const [head = "", body = ""] = answer.split("\r\n\r\n");
  const headers = head
    .split("\r\n")
    .slice(1)
    .map((line) => line.split(": ") as [string, string])
    .filter(([name]) => !AUTOMATIC.has(name.toLowerCase()));
  return { headers: Object.fromEntries(headers), body };
}

function undated(answer: string): string {
  return answer.replace(/\r\nDate: [^\r]*/, "");
}
