/**
 * @module A Kubernetes API server over real HTTP, for pods and what a node daemon asks about them. It is
 * held to the answers of a real one (test/kubernetes/fixtures) and is never kinder than it.
 *
 * ```ts
 * await using api = await startFakeApiServer();            // a daemon on node n1 holds api.tokenFile
 * api.world.addPod({ namespace: "team-a", name: "app-1", serviceAccount: "app", node: "n1" });
 * api.world.giveAddresses("team-a", "app-1", ["10.244.0.11"]);
 * api.grants.impersonation = false;                        // a cluster before 1.36
 * api.fault({ kind: "status", status: 500, times: 2 });    // the next two requests
 * api.freezeWatches();                                     // half-open: no byte, and no end
 * ```
 */
import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { createServer as createHttpServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { authorize, impersonated } from "./fake-api-server-access.ts";
import type { Attributes, Grants, User } from "./fake-api-server-access.ts";
import { badRequest, notFound, Refusal, unauthorized } from "./fake-api-server-answers.ts";
import type { Answer } from "./fake-api-server-answers.ts";
import { eventErrors, partialMetadata, routeOf } from "./fake-api-server-routes.ts";
import type { Route } from "./fake-api-server-routes.ts";
import { PodEndpoints } from "./fake-api-server-pods.ts";
import type { WatchListSupport } from "./fake-api-server-pods.ts";
import { Tokens } from "./fake-api-server-tokens.ts";
import { World } from "./fake-api-server-world.ts";

/** One request that arrived, whatever became of it. */
export interface ApiCall {
  readonly method: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly impersonate: string | undefined;
  readonly token: string | undefined;
  readonly accept: string | undefined;
  readonly body: unknown;
  /** The connection that it came on: those of one connection have the same. */
  readonly port: number | undefined;
}

/** What goes wrong, for the next `times` requests (default: until `heal()`) that match (default: all). */
export type ApiFault = (
  | { readonly kind: "delay"; readonly ms: number }
  /** The connection is reset before an answer. */
  | { readonly kind: "reset" }
  /** Never answered; the connection stays open. */
  | { readonly kind: "blackHole" }
  /** 401, 429, 500, 503 …, as a `Status` that says no more than that. */
  | { readonly kind: "status"; readonly status: number; readonly message?: string }
  /** Any bytes with any status. */
  | { readonly kind: "body"; readonly status: number; readonly body: string }
  /** 200, and the connection ends in the middle of the body. */
  | { readonly kind: "cut" }
) & {
  readonly times?: number;
  /** Only requests with this in their path and query. */
  readonly path?: string;
};

export interface FakeApiServerOptions {
  /** The node of the daemon whose token is in `tokenFile`. Default `n1`. */
  readonly node?: string;
  readonly watchList?: WatchListSupport;
  readonly grants?: Partial<Grants>;
  /** Serves over TLS. */
  readonly tls?: { readonly key: string; readonly cert: string; readonly ca: string };
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default: a free one. */
  readonly port?: number;
}

const GRANTS: Grants = {
  impersonation: true,
  audience: true,
  rbac: false,
  policy: true,
  namespaces: true,
  events: true,
  tokenReviews: true,
};

export async function startFakeApiServer(
  options: FakeApiServerOptions = {},
): Promise<FakeApiServer> {
  const directory = await mkdtemp(join(tmpdir(), "crossrole-fake-api-server-"));
  const server = new FakeApiServer(directory, options);
  await server.listen(options.port ?? 0);
  await server.rotateToken();
  await writeFile(server.caFile, options.tls?.ca ?? "");
  return server;
}

export class FakeApiServer implements AsyncDisposable {
  readonly world = new World();
  readonly tokens = new Tokens(this.world);
  readonly grants: Grants;
  /** Every request so far, in the order of arrival. */
  readonly calls: ApiCall[] = [];
  /** Events that were written. */
  readonly events: unknown[] = [];
  readonly tokenFile: string;
  readonly caFile: string;
  /** What the daemon's token file says. */
  token = "";
  url = "";
  readonly #pods = new PodEndpoints(this.world);
  readonly #node: string;
  readonly #host: string;
  readonly #directory: string;
  readonly #server: ReturnType<typeof createHttpServer>;
  #faults: { fault: ApiFault; left: number }[] = [];

  constructor(directory: string, options: FakeApiServerOptions) {
    this.#directory = directory;
    this.#node = options.node ?? "n1";
    this.#host = options.host ?? "127.0.0.1";
    this.grants = { ...GRANTS, ...options.grants };
    this.tokenFile = join(directory, "token");
    this.caFile = join(directory, "ca.crt");
    this.#pods.watchList = options.watchList ?? "on";
    const { tls } = options;
    const answer = (request: IncomingMessage, response: ServerResponse) =>
      void this.#serve(request, response);
    this.#server = tls === undefined ? createHttpServer(answer) : createHttpsServer(tls, answer);
    this.url = tls === undefined ? "http:" : "https:";
    this.world.addServiceAccount("crossrole-system", "crossrole");
    this.world.addPod({
      namespace: "crossrole-system",
      name: `crossrole-${this.#node}`,
      serviceAccount: "crossrole",
      node: this.#node,
      hostNetwork: true,
    });
  }

  get watchList(): WatchListSupport {
    return this.#pods.watchList;
  }

  set watchList(support: WatchListSupport) {
    this.#pods.watchList = support;
  }

  /** How many watches are under way. */
  get watchCount(): number {
    return this.#pods.watches.size;
  }

  /** Issues the daemon a new token and writes its file, by rename as the kubelet does. */
  async rotateToken(revoke = false): Promise<void> {
    if (revoke) this.tokens.revoked.add(this.token);
    const pod = this.world.pods.get(`crossrole-system/crossrole-${this.#node}`);
    const of = { namespace: "crossrole-system", serviceAccount: "crossrole" };
    this.token = this.tokens.issue(pod === undefined ? of : { ...of, pod });
    await writeFile(`${this.tokenFile}.new`, `${this.token}\n`);
    await rename(`${this.tokenFile}.new`, this.tokenFile);
  }

  fault(fault: ApiFault): void {
    this.#faults.push({ fault, left: fault.times ?? Infinity });
  }

  heal(): void {
    this.#faults = [];
  }

  /** Bookmarks, now, on every watch. */
  bookmark(): void {
    for (const watch of this.#pods.watches) watch.bookmark();
  }

  /** Every watch falls silent, with its connection open. */
  freezeWatches(): void {
    for (const watch of this.#pods.watches) watch.freeze();
  }

  /** Every watch ends as when its time is over. */
  endWatches(): void {
    for (const watch of this.#pods.watches) watch.end();
  }

  /** Every watch breaks, behind half a line if one is given. */
  cutWatches(half = ""): void {
    for (const watch of this.#pods.watches) watch.cut(half);
  }

  /** An ERROR on every watch. */
  failWatches(code: number, message: string): void {
    const reason = code === 410 ? "Expired" : "InternalError";
    for (const watch of this.#pods.watches) watch.fail(new Refusal(code, message, { reason }));
  }

  /** Bytes as they are, on every watch. */
  writeWatches(bytes: string | Uint8Array): void {
    for (const watch of this.#pods.watches) watch.write(bytes);
  }

  async listen(port: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once("error", reject).listen(port, this.#host, resolve);
    await promise;
    const bound = this.#server.address() as AddressInfo;
    const host = this.#host.includes(":") ? `[${this.#host}]` : this.#host;
    const [scheme] = this.url.split(":");
    this.url = `${scheme}://${host}:${bound.port}`;
    this.tokens.issuer = `https://${host}:${bound.port}`;
  }

  /** As `kill -9`: every connection breaks, and the next ones are refused. */
  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
    for (const watch of this.#pods.watches) watch.stop();
    this.#pods.watches.clear();
  }

  /** Again on the same port. */
  async start(): Promise<void> {
    await this.listen(Number(new URL(this.url).port));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server.listening) await this.stop();
    await rm(this.#directory, { recursive: true, force: true });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // Whoever asked may be gone before the answer.
    response.on("error", () => {});
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://fake");
    const body = await bodyOf(request).catch(() => undefined);
    this.calls.push(callOf(request, pathname, searchParams, body));
    if (await this.#isFaulty(request, response)) return;
    try {
      const route = routeOf(request.method ?? "GET", pathname, searchParams);
      if (route.resource === "keys") {
        send(response, { status: 200, body: this.#discovery(pathname) });
        return;
      }
      const user = this.#userOf(request, route);
      authorize(this.world, this.grants, user, route);
      if (route.verb === "watch") this.#pods.watch(searchParams, route.namespace, response);
      else send(response, this.#answer(route, user, searchParams, request, body));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      send(response, error.answer);
    }
  }

  #discovery(pathname: string): object {
    return pathname === "/openid/v1/jwks" ? this.tokens.jwks() : this.tokens.discovery();
  }

  #userOf(request: IncomingMessage, attributes: Attributes): User {
    const token = tokenOf(request);
    const user = token === undefined ? "none" : this.tokens.userOf(token);
    if (typeof user === "string") throw unauthorized();
    const wanted = request.headers["impersonate-user"];
    if (typeof wanted !== "string") return user;
    return impersonated(this.grants, user, wanted, attributes);
  }

  #answer(
    route: Route,
    user: User,
    query: URLSearchParams,
    request: IncomingMessage,
    body: unknown,
  ): Answer {
    const { namespace = "", name = "" } = route;
    switch (`${route.verb} ${route.resource}`) {
      case "list pods":
        return this.#pods.list(query, route.namespace);
      case "get pods": {
        const pod = this.world.pods.get(`${namespace}/${name}`);
        if (pod === undefined) throw notFound("pods", name);
        return { status: 200, body: { kind: "Pod", apiVersion: "v1", ...pod } };
      }
      case "create serviceaccounts/token":
        return this.tokens.request({ namespace, name }, user, this.grants, objectOf(body));
      case "create tokenreviews":
        return this.tokens.review(objectOf(body));
      case "create selfsubjectreviews":
        return { status: 201, body: selfReview(user) };
      case "create events":
        return this.#writeEvent(namespace, objectOf(body));
      case "get serviceaccounts": {
        const found = this.world.serviceAccounts.get(`${namespace}/${name}`);
        return partialMetadata("serviceaccounts", name, found, request.headers.accept);
      }
      case "get namespaces":
        return partialMetadata(
          "namespaces",
          name,
          this.world.namespaces.get(name),
          request.headers.accept,
        );
      default:
        throw notFound(route.resource, name);
    }
  }

  #writeEvent(namespace: string, body: Record<string, unknown>): Answer {
    if (!this.world.namespaces.has(namespace)) throw notFound("namespaces", namespace);
    eventErrors(namespace, body);
    this.events.push(body);
    return { status: 201, body };
  }

  /** True when the request has been dealt with, well or badly. */
  async #isFaulty(request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    for (const entry of this.#faults) {
      const { fault } = entry;
      if (entry.left <= 0 || !(request.url ?? "").includes(fault.path ?? "")) continue;
      entry.left--;
      if (fault.kind !== "delay") {
        commit(fault, request, response);
        return true;
      }
      await new Promise((resolve) => setTimeout(resolve, fault.ms));
    }
    return false;
  }
}

function commit(
  fault: Exclude<ApiFault, { readonly kind: "delay" }>,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  switch (fault.kind) {
    case "reset":
      request.socket.resetAndDestroy();
      return;
    case "blackHole":
      return;
    case "cut":
      response.writeHead(200, { "Content-Type": "application/json", "Content-Length": "1000" });
      response.write('{"kind":"PodList","apiVersion":"v1","items":[', () =>
        request.socket.destroy(),
      );
      return;
    case "body":
      response.writeHead(fault.status, { "Content-Type": "text/html" }).end(fault.body);
      return;
    case "status": {
      const reason = fault.status === 401 ? "Unauthorized" : "InternalError";
      send(response, new Refusal(fault.status, fault.message ?? reason, { reason }).answer);
    }
  }
}

function send(response: ServerResponse, { status, body }: Answer): void {
  response.writeHead(status, { "Content-Type": "application/json" });
  response.end(`${JSON.stringify(body)}\n`);
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const bytes = await text(request);
  if (bytes === "") return undefined;
  try {
    return JSON.parse(bytes);
  } catch {
    return bytes;
  }
}

function objectOf(body: unknown): Record<string, unknown> {
  if (typeof body === "object" && body !== null) return { ...body };
  throw badRequest("the body of the request is not an object");
}

function tokenOf({ headers }: IncomingMessage): string | undefined {
  return /^Bearer (\S+)$/.exec(headers.authorization ?? "")?.[1];
}

function callOf(
  request: IncomingMessage,
  path: string,
  query: URLSearchParams,
  body: unknown,
): ApiCall {
  const impersonate = request.headers["impersonate-user"];
  return {
    method: request.method ?? "",
    path,
    query: Object.fromEntries(query),
    impersonate: typeof impersonate === "string" ? impersonate : undefined,
    token: tokenOf(request),
    accept: request.headers.accept,
    body,
    port: request.socket.remotePort,
  };
}

function selfReview(userInfo: User): object {
  return {
    kind: "SelfSubjectReview",
    apiVersion: "authentication.k8s.io/v1",
    metadata: { creationTimestamp: new Date().toISOString().replace(/\.\d+Z/, "Z") },
    status: { userInfo },
  };
}
