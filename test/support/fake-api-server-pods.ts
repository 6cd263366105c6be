/** @module LIST and WATCH of pods as the real API server answers them, with what it does behind a status of 200. */
import type { ServerResponse } from "node:http";
import { badRequest, expired, internalError, invalid, Refusal } from "./fake-api-server-answers.ts";
import type { Answer, FieldError } from "./fake-api-server-answers.ts";
import type { LogEntry, PodObject, World } from "./fake-api-server-world.ts";

/** What becomes of `sendInitialEvents`. */
export type WatchListSupport =
  /** 1.34 and later with etcd 3.5. */
  | "on"
  /** etcd 3.4: HTTP 200, and an ERROR in it. */
  | "unsupported"
  /** The feature gate is off: 422. */
  | "disabled"
  /** Kubernetes 1.26 and before have never heard of it. */
  | "ignored";

const LIST_OPTIONS = { group: "meta.k8s.io", kind: "ListOptions" };

type Matches = (pod: PodObject) => boolean;

/** The fields of a pod that selectors may name. */
const FIELDS: Readonly<Record<string, (pod: PodObject) => string>> = {
  "metadata.name": ({ metadata }) => metadata.name,
  "metadata.namespace": ({ metadata }) => metadata.namespace,
  "spec.nodeName": ({ spec }) => spec.nodeName ?? "",
  "spec.restartPolicy": ({ spec }) => String(spec["restartPolicy"]),
  "spec.schedulerName": ({ spec }) => String(spec["schedulerName"]),
  "spec.serviceAccountName": ({ spec }) => spec.serviceAccountName,
  "spec.hostNetwork": ({ spec }) => String(spec.hostNetwork ?? false),
  "status.phase": ({ status }) => status.phase ?? "",
  // The first address only, and as it is written.
  "status.podIP": ({ status }) => status.podIPs?.[0]?.ip ?? "",
  "status.nominatedNodeName": () => "",
};

function selector(text: string, namespace: string | undefined): Matches {
  const terms = text === "" ? [] : text.split(",").map(term);
  return (pod) =>
    (namespace === undefined || pod.metadata.namespace === namespace) &&
    terms.every((matches) => matches(pod));
}

function term(text: string): Matches {
  const parts = /^([^=!]+)(==|=|!=)(.*)$/.exec(text);
  if (parts === null) throw badRequest(`invalid selector: '${text}'; can't understand '${text}'`);
  const [, field = "", operator, value] = parts;
  const read = FIELDS[field];
  if (read === undefined) {
    throw badRequest(`field label not supported: ${field}`);
  }
  return (pod) => (read(pod) === value) === (operator !== "!=");
}

export class PodEndpoints {
  watchList: WatchListSupport = "on";
  readonly watches = new Set<Watch>();
  readonly #world: World;
  /** What a continuation goes on with, by its version. */
  readonly #snapshots = new Map<number, readonly PodObject[]>();

  constructor(world: World) {
    this.#world = world;
  }

  list(query: URLSearchParams, namespace: string | undefined): Answer {
    const errors = listErrors(query);
    if (errors.length > 0) throw invalid(LIST_OPTIONS, errors);
    const matches = selector(query.get("fieldSelector") ?? "", namespace);
    const asked = Number(query.get("resourceVersion") ?? 0);
    if (Number.isNaN(asked)) {
      throw badRequest(
        `invalid resource version: ${badVersion(query.get("resourceVersion") ?? "").message}`,
      );
    }
    if (asked > this.#world.version) throw tooLarge(asked, this.#world.version);
    const from = this.#continued(query.get("continue") ?? "");
    const all = from.pods.filter(matches).filter((pod) => keyOf(pod) > from.after);
    const limit = Number(query.get("limit") ?? 0);
    const isPart = limit > 0 && all.length > limit;
    const items = isPart ? all.slice(0, limit) : all;
    const metadata = {
      resourceVersion: String(from.version),
      ...(isPart ? { continue: this.#continueAfter(items, from) } : {}),
      // It counts only what no selector is asked about.
      ...(isPart && !query.get("fieldSelector")
        ? { remainingItemCount: all.length - items.length }
        : {}),
    };
    return { status: 200, body: { kind: "PodList", apiVersion: "v1", metadata, items } };
  }

  #continued(text: string) {
    const { version } = this.#world;
    if (text === "") return { version, pods: this.#world.sorted(), after: "" };
    const token = parsedToken(text);
    const pods = this.#snapshots.get(token.rv);
    if (pods === undefined || token.rv <= this.#world.compacted) {
      throw expired(
        "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter.",
      );
    }
    return { version: token.rv, pods, after: token.start };
  }

  #continueAfter(
    items: readonly PodObject[],
    from: { version: number; pods: readonly PodObject[] },
  ) {
    this.#snapshots.set(from.version, from.pods);
    const last = items.at(-1);
    const start = last === undefined ? "" : keyOf(last);
    const token = { v: "meta.k8s.io/v1", rv: from.version, start };
    return Buffer.from(JSON.stringify(token)).toString("base64url");
  }

  watch(query: URLSearchParams, namespace: string | undefined, response: ServerResponse): void {
    const errors = watchErrors(query, this.watchList);
    if (errors.length > 0) throw invalid(LIST_OPTIONS, errors);
    const matches = selector(query.get("fieldSelector") ?? "", namespace);
    const text = query.get("resourceVersion") ?? "";
    if (text !== "" && !/^\d+$/.test(text)) throw badVersion(text);
    const isInitial = query.get("sendInitialEvents") === "true" && this.watchList !== "ignored";
    const watch = new Watch(this.#world, response, {
      matches,
      from: text === "" || text === "0" ? undefined : Number(text),
      allowsBookmarks: isTrue(query.get("allowWatchBookmarks")),
      seconds: Number(query.get("timeoutSeconds") ?? 1_800),
      isInitial,
    });
    this.watches.add(watch);
    response.once("close", () => {
      watch.stop();
      this.watches.delete(watch);
    });
    if (isInitial && this.watchList === "unsupported") watch.fail(unsupported());
    else watch.start();
  }
}

interface WatchInit {
  readonly matches: Matches;
  readonly from: number | undefined;
  readonly allowsBookmarks: boolean;
  readonly seconds: number;
  readonly isInitial: boolean;
}

/** One watch under way. */
export class Watch {
  readonly #world: World;
  readonly #response: ServerResponse;
  readonly #init: WatchInit;
  #isFrozen = false;
  readonly #timers: NodeJS.Timeout[] = [];

  constructor(world: World, response: ServerResponse, init: WatchInit) {
    this.#world = world;
    this.#response = response;
    this.#init = init;
    response.writeHead(200, { "Content-Type": "application/json" });
    response.flushHeaders();
  }

  start(): void {
    const { from, seconds, isInitial, matches } = this.#init;
    if (from === undefined) {
      for (const pod of this.#world.sorted().filter(matches)) this.#send("ADDED", pod);
      if (isInitial) this.bookmark({ "k8s.io/initial-events-end": "true" });
    } else if (from < this.#world.compacted) {
      this.fail(expired(`too old resource version: ${from} (${this.#world.compacted})`));
      return;
    } else {
      for (const entry of this.#world.log) if (entry.version > from) this.#tell(entry);
    }
    this.#world.watchers.add(this.#tell);
    this.#timers.push(setTimeout(() => this.end(), seconds * 1_000));
    if (seconds > 2) this.#timers.push(setTimeout(() => this.bookmark(), (seconds - 2) * 1_000));
    this.#timers.push(setInterval(() => this.bookmark(), 60_000));
  }

  /** A bookmark of now, unless the watcher has asked for none or waits for the future. */
  bookmark(annotations?: object): void {
    const { allowsBookmarks, from = 0 } = this.#init;
    if (!allowsBookmarks || from > this.#world.version) return;
    const resourceVersion = String(this.#world.version);
    const metadata = { resourceVersion, ...(annotations === undefined ? {} : { annotations }) };
    const object = {
      kind: "Pod",
      apiVersion: "v1",
      metadata,
      spec: { containers: null },
      status: {},
    };
    this.write(`${JSON.stringify({ type: "BOOKMARK", object })}\n`);
  }

  /** An ERROR, which is the last line. */
  fail({ answer }: Refusal): void {
    this.write(`${JSON.stringify({ type: "ERROR", object: answer.body })}\n`);
    this.end();
  }

  /** Bytes as they are. */
  write(bytes: string | Uint8Array): void {
    if (!this.#isFrozen) this.#response.write(bytes);
  }

  /** Says nothing any more; the connection stays. */
  freeze(): void {
    this.#isFrozen = true;
  }

  /** As the real one ends it when its time is over. */
  end(): void {
    this.stop();
    if (!this.#isFrozen) this.#response.end();
  }

  /** Breaks the connection, in the middle of a line when there is one. */
  cut(half = ""): void {
    this.stop();
    if (half === "") this.#response.socket?.resetAndDestroy();
    else this.#response.write(half, () => this.#response.socket?.destroy());
  }

  stop(): void {
    this.#world.watchers.delete(this.#tell);
    for (const timer of this.#timers) clearTimeout(timer);
  }

  readonly #tell = ({ version, before, after }: LogEntry) => {
    const { matches, from = 0 } = this.#init;
    if (version <= from) return;
    const was = before !== undefined && matches(before);
    const is = after !== undefined && matches(after);
    if (is) this.#send(was ? "MODIFIED" : "ADDED", after);
    else if (was) this.#send("DELETED", before);
  };

  #send(type: string, pod: PodObject): void {
    const object = { kind: "Pod", apiVersion: "v1", ...pod };
    this.write(`${JSON.stringify({ type, object })}\n`);
  }
}

function isTrue(text: string | null): boolean {
  return text === "1" || text === "true";
}

function keyOf({ metadata }: PodObject): string {
  return `${metadata.namespace}/${metadata.name}`;
}

function parsedToken(text: string): { readonly rv: number; readonly start: string } {
  try {
    return JSON.parse(Buffer.from(text, "base64url").toString()) as { rv: number; start: string };
  } catch {
    throw badRequest("invalid continue token: continue key is not valid");
  }
}

function badVersion(text: string): Refusal {
  const message = `resourceVersion: Invalid value: ${JSON.stringify(text)}: strconv.ParseUint: parsing ${JSON.stringify(text)}: invalid syntax`;
  return new Refusal(500, message);
}

function tooLarge(asked: number, current: number): Refusal {
  const message = `Timeout: Too large resource version: ${asked}, current: ${current}`;
  const causes = [{ reason: "ResourceVersionTooLarge", message: "Too large resource version" }];
  return new Refusal(504, message, {
    reason: "Timeout",
    details: { causes, retryAfterSeconds: 1 },
  });
}

function unsupported(): Refusal {
  return internalError(
    "a watch stream was requested by the client but the required storage feature RequestWatchProgress is disabled",
  );
}

function listErrors(query: URLSearchParams): FieldError[] {
  const errors: FieldError[] = [];
  if (query.has("resourceVersionMatch") && !query.get("resourceVersion")) {
    errors.push(
      forbids(
        "resourceVersionMatch",
        "resourceVersionMatch is forbidden unless resourceVersion is provided",
      ),
    );
  }
  if (query.has("resourceVersionMatch") && query.get("continue")) {
    errors.push(
      forbids(
        "resourceVersionMatch",
        "resourceVersionMatch is forbidden when continue is provided",
      ),
    );
  }
  if (query.has("sendInitialEvents")) {
    errors.push(forbids("sendInitialEvents", "sendInitialEvents is forbidden for list"));
  }
  return errors;
}

function watchErrors(query: URLSearchParams, support: WatchListSupport): FieldError[] {
  if (support === "ignored") return [];
  const errors: FieldError[] = [];
  const match = query.get("resourceVersionMatch") ?? "";
  const isInitial = query.has("sendInitialEvents");
  if (isInitial && match !== "NotOlderThan") {
    errors.push(
      forbids(
        "resourceVersionMatch",
        "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
      ),
    );
  }
  if (isInitial && support === "disabled") {
    errors.push(
      forbids(
        "sendInitialEvents",
        "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled",
      ),
    );
  }
  if (match !== "" && !isInitial) {
    errors.push(
      forbids(
        "resourceVersionMatch",
        "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
      ),
    );
  }
  return errors;
}

function forbids(field: string, message: string): FieldError {
  return { type: "FieldValueForbidden", field, message };
}
