/** @module Both servers, warm: crossrole, and a bare server with the same bytes or an older crossrole. */
import { openConnection } from "./connection.ts";
import type { Answer, Connection } from "./connection.ts";
import { TOKEN } from "./exchanges.ts";
import { httpRequest } from "./http-request.ts";
import type { Loader } from "./loader.ts";
import { configOf } from "./scene.ts";
import type { BareAnswers, Scene } from "./scene.ts";
import type { ServerProcess } from "./server-process.ts";

const ROLE = "orders-reader";
const LIST = "/latest/meta-data/iam/security-credentials/";

/** What a client asks for, in its order. */
const PATHS = {
  token: "/latest/api/token",
  list: LIST,
  credentials: `${LIST}${ROLE}`,
} as const;

export type Route = keyof typeof PATHS;

type OfRoutes<T> = Readonly<Record<Route, T>>;

export interface Server {
  readonly name: keyof WarmPair["servers"];
  readonly process: ServerProcess;
  readonly port: number;
  /** With a metadata token of this server. */
  readonly requests: OfRoutes<string>;
  readonly answers: OfRoutes<Answer>;
}

export interface WarmPair extends AsyncDisposable {
  readonly servers: { readonly base: Server; readonly ours: Server };
  readonly loader: Loader;
}

/** Both on one processor, and the load on another, where there are two. */
export async function startWarmPair(scene: Scene, listener: object = {}): Promise<WarmPair> {
  await using stack = new AsyncDisposableStack();
  const config = await scene.writeConfig("warm", configOf(scene, [ROLE], { listener }));
  const ours = await asked("ours", stack.use(scene.crossrole(config, { isPinned: true })));
  const answers = bareAnswersOf(ours);
  const base = await asked("base", stack.use(scene.base(config, answers, { isPinned: true })));
  if (scene.isBaseBare) sameBytes(base, ours);
  const loader = stack.use(scene.loader());
  const all = stack.move();
  return {
    servers: { base, ours },
    loader,
    [Symbol.asyncDispose]: () => all[Symbol.asyncDispose](),
  };
}

/** One exchange, as an SDK would have it. */
async function asked(name: Server["name"], process: ServerProcess): Promise<Server> {
  const { port } = await process.listening();
  const connection = await openConnection(port);
  const put = tokenRequest(port);
  const token = await connection.ask(put);
  const get = (path: string) => httpRequest("GET", path, port, tokenHeader(bodyOf(token)));
  const requests = { token: put, list: get(PATHS.list), credentials: get(PATHS.credentials) };
  const credentials = await obtained(connection, requests.credentials);
  const answers = { token, list: await connection.ask(requests.list), credentials };
  connection.close();
  for (const [route, { status, bytes }] of Object.entries(answers))
    if (status !== 200)
      throw new Error(`${name} answers ${route} with ${bytes.toString("latin1")}`);
  return { name, process, port, requests, answers };
}

/** 500 until STS has answered: the session is being obtained. */
async function obtained(connection: Connection, request: string): Promise<Answer> {
  for (;;) {
    const answer = await connection.ask(request);
    if (answer.status !== 500) return answer;
  }
}

export function tokenRequest(port: number, path: string = PATHS.token): string {
  return httpRequest("PUT", path, port, { "x-aws-ec2-metadata-token-ttl-seconds": "21600" });
}

export function tokenHeader(token: string): Readonly<Record<string, string>> {
  return { "x-aws-ec2-metadata-token": token };
}

/** The three requests of a client, each to be given the token that the first is answered with. */
export function exchangeOf({ port }: Server): readonly string[] {
  const get = (path: string) => httpRequest("GET", path, port, tokenHeader(TOKEN));
  return [tokenRequest(port), get(PATHS.list), get(PATHS.credentials)];
}

export function bodyOf({ bytes }: Answer): string {
  return bytes.toString("latin1").split("\r\n\r\n")[1] ?? "";
}

/** Headers that node:http writes by itself. */
const AUTOMATIC: ReadonlySet<string> = new Set([
  "date",
  "connection",
  "keep-alive",
  "content-length",
]);

function bareAnswersOf({ answers }: Server): BareAnswers {
  const entries = Object.entries(PATHS).map(([route, path]) => {
    const { bytes } = answers[route as Route];
    const [head = "", body = ""] = bytes.toString("latin1").split("\r\n\r\n");
    const headers = head
      .split("\r\n")
      .slice(1)
      .map((line) => line.split(": ") as [string, string])
      .filter(([name]) => !AUTOMATIC.has(name.toLowerCase()));
    return [path, { headers: Object.fromEntries(headers), body }] as const;
  });
  return Object.fromEntries(entries);
}

function sameBytes(base: Server, ours: Server): void {
  for (const route of Object.keys(PATHS) as Route[]) {
    const [theirs, own] = [undated(base.answers[route]), undated(ours.answers[route])];
    if (theirs !== own) throw new Error(`not the same bytes: ${theirs} and ${own}`);
  }
}

function undated({ bytes }: Answer): string {
  return bytes.toString("latin1").replace(/\r\nDate: [^\r]*/, "");
}
