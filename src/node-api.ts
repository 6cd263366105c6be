/** @module What a node daemon asks of the API server, as whoever it may: for one node, from its start to its end. */
import { setTimeout as sleep } from "node:timers/promises";
import type { OwnerAnnotations } from "./callers/associations.ts";
import type { AnnotationRules, KubernetesSettings } from "./config/types.ts";
import type { PodIdentity } from "./credentials/types.ts";
import { CrossroleError } from "./errors.ts";
import { checkOwnNode, findAccess } from "./kubernetes/access.ts";
import { ObjectAnnotations } from "./kubernetes/annotations.ts";
import { createKubernetesClient, inClusterApiServer } from "./kubernetes/client.ts";
import type { KubernetesClient } from "./kubernetes/client.ts";
import { PodEvents } from "./kubernetes/events.ts";
import { listPods } from "./kubernetes/list-pods.ts";
import type { Pod } from "./kubernetes/pod.ts";
import { startReflector } from "./kubernetes/reflector.ts";
import type { PodChange, Reflector } from "./kubernetes/reflector.ts";
import { requestToken } from "./kubernetes/token-request.ts";
import { reviewToken } from "./kubernetes/token-review.ts";

/** How long a look at the API server may take that a caller waits for. */
const LIST_TIMEOUT_MS = 2_000;

/** How often the API server is asked whether the daemon may do its work, until it may. */
const ACCESS_RETRY_MS = 5_000;

export interface NodeApiOptions {
  readonly settings: KubernetesSettings;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly onProblem: (error: unknown) => void;
  /** Told once as whom the API server is asked. */
  readonly onAccess: (kind: "impersonation" | "rbac") => void;
  readonly now: () => number;
}

/** With the node that was found. */
type Wired = NodeApiOptions & { readonly node: string };

export class NodeApi {
  readonly #settings: KubernetesSettings;
  readonly #options: Wired;
  readonly #client: KubernetesClient;
  readonly #events: PodEvents | undefined;
  readonly #closing = new AbortController();
  #user: string | undefined;
  #annotations: ObjectAnnotations;
  #reflector: Reflector | undefined;

  private constructor(options: Wired, client: KubernetesClient) {
    const { settings, node, now, onProblem } = options;
    this.#settings = settings;
    this.#options = options;
    this.#client = client;
    this.#annotations = this.#annotationsAs(undefined);
    this.#events = settings.events ? new PodEvents({ client, node, now, onProblem }) : undefined;
  }

  /**
   * @throws {@link CrossroleError} `ERR_CONFIG_INVALID` when no API server is known, or the daemon's
   * own token is another node's.
   */
  static async open(options: NodeApiOptions): Promise<NodeApi> {
    const { settings, environment, now } = options;
    const server = settings.apiServer ?? inClusterApiServer(environment);
    if (server === undefined) {
      const message =
        "a listener is for pods, and no API server is known: run in a pod with a service account, " +
        "or set kubernetes.apiServer";
      throw new CrossroleError("ERR_CONFIG_INVALID", message);
    }
    const { node } = settings;
    if (node === undefined) {
      const message =
        "a listener is for pods, and the node is not known: set the variable NODE_NAME " +
        "(fieldRef spec.nodeName), or kubernetes.node";
      throw new CrossroleError("ERR_CONFIG_INVALID", message);
    }
    await checkOwnNode(server.tokenFile, node);
    return new NodeApi({ ...options, node }, createKubernetesClient({ ...server, now }));
  }

  /** Tells of the node's pods, as soon as the API server lets it and for as long as this is open. */
  start(onChange: (change: PodChange) => void, onCurrent: () => void): void {
    this.#watch(onChange, onCurrent).catch(() => {
      // Closed before it began.
    });
  }

  /**
   * Finds out as whom the API server may be asked.
   *
   * @throws {@link CrossroleError} `ERR_KUBERNETES_DENIED` that says what to apply, or
   * `ERR_KUBERNETES_UNAVAILABLE`.
   */
  async connect(): Promise<void> {
    const { signal } = this.#closing;
    const access = await findAccess(
      this.#client,
      this.#options.node,
      this.#settings.access,
      signal,
    );
    this.#user = access.kind === "impersonation" ? access.user : undefined;
    this.#annotations = this.#annotationsAs(this.#user);
    this.#options.onAccess(access.kind);
  }

  /** The node whose pods are told of. */
  get node(): string {
    return this.#options.node;
  }

  /** When the API server last said anything of the pods, by the clock of {@link NodeApiOptions.now}. */
  get lastContactMs(): number | undefined {
    return this.#reflector?.lastContactMs;
  }

  /** Whether changes of pods are being told of as they happen. */
  get isCurrent(): boolean {
    return this.#reflector?.current ?? false;
  }

  readonly list = async (wanted: {
    readonly address?: string;
    readonly namespace?: string;
    readonly name?: string;
  }): Promise<Pod[]> =>
    await listPods(this.#client, {
      ...wanted,
      node: this.#options.node,
      impersonate: this.#user,
      signal: this.#within(LIST_TIMEOUT_MS),
    });

  readonly requestToken = async (pod: PodIdentity, signal: AbortSignal) =>
    await requestToken(this.#client, pod, {
      audience: this.#settings.audience,
      impersonate: this.#user,
      signal: AbortSignal.any([signal, this.#closing.signal]),
    });

  readonly reviewToken = async (token: string) =>
    await reviewToken(this.#client, token, {
      audience: this.#settings.audience,
      signal: this.#within(LIST_TIMEOUT_MS),
    });

  /** Read only where something in them may choose a role, or permit one. */
  readonly ownerAnnotations = async (
    pod: Pod,
    { crossrole, irsa, legacy }: AnnotationRules,
  ): Promise<OwnerAnnotations> => {
    const chooses = crossrole !== undefined || irsa !== undefined;
    const permits = crossrole !== undefined || legacy !== undefined;
    const [serviceAccount, namespace] = await Promise.all([
      chooses ? this.#annotations.serviceAccount(pod.namespace, pod.serviceAccount) : {},
      permits ? this.#annotations.namespace(pod.namespace) : {},
    ]);
    return { serviceAccount, namespace };
  };

  /** Writes an Event on the pod, unless it is switched off. Never waits, never fails. */
  record(pod: Pod, { reason, message }: { readonly reason: string; readonly message: string }) {
    this.#events?.record(pod, { reason, message, type: "Warning" });
  }

  close(): void {
    this.#closing.abort();
    this.#events?.close();
    this.#reflector?.close();
    this.#client.close();
  }

  async #watch(onChange: (change: PodChange) => void, onCurrent: () => void): Promise<void> {
    const { node, onProblem, now } = this.#options;
    await this.#connected();
    this.#closing.signal.throwIfAborted();
    this.#reflector = startReflector({
      client: this.#client,
      node,
      impersonate: this.#user,
      onChange,
      onCurrent,
      onProblem,
      now,
      random: Math.random,
    });
  }

  /** An API server that is away, or says no, is asked again. */
  async #connected(): Promise<void> {
    const { signal } = this.#closing;
    for (;;) {
      try {
        await this.connect();
        return;
      } catch (error) {
        signal.throwIfAborted();
        this.#options.onProblem(error);
        await sleep(ACCESS_RETRY_MS, undefined, { signal, ref: false });
      }
    }
  }

  #annotationsAs(impersonate: string | undefined): ObjectAnnotations {
    return new ObjectAnnotations({ client: this.#client, impersonate, now: this.#options.now });
  }

  #within(timeoutMs: number): AbortSignal {
    return AbortSignal.any([this.#closing.signal, AbortSignal.timeout(timeoutMs)]);
  }
}
