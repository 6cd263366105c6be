/** @module The cluster behind the fake API server: its objects, and the log of what happened to its pods. */
import { randomUUID } from "node:crypto";

export interface Metadata {
  readonly name: string;
  readonly namespace?: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly generation?: number;
  readonly creationTimestamp: string;
  readonly deletionTimestamp?: string;
  readonly deletionGracePeriodSeconds?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly managedFields?: readonly object[];
}

export interface PodObject {
  readonly metadata: Metadata & { readonly namespace: string };
  readonly spec: {
    readonly nodeName?: string;
    readonly serviceAccountName: string;
    readonly hostNetwork?: boolean;
    readonly volumes?: readonly object[];
    readonly [field: string]: unknown;
  };
  readonly status: PodStatus;
}

export interface PodStatus {
  readonly phase?: string;
  readonly podIP?: string;
  readonly podIPs?: readonly { readonly ip: string }[];
  readonly [field: string]: unknown;
}

export interface PodInit {
  readonly namespace: string;
  readonly name: string;
  /** Default `default`. */
  readonly serviceAccount?: string;
  /** Absent: not scheduled yet. */
  readonly node?: string;
  /** What the kubelet has said of its addresses. Default: nothing yet. */
  readonly addresses?: readonly string[];
  readonly phase?: string;
  readonly hostNetwork?: boolean;
  readonly annotations?: Readonly<Record<string, string>>;
  /** Audiences of the projected tokens that it mounts. */
  readonly audiences?: readonly string[];
  /** Text that makes it long, in an environment variable. */
  readonly padding?: string;
}

export interface LogEntry {
  readonly version: number;
  readonly before: PodObject | undefined;
  readonly after: PodObject | undefined;
}

/** A service account or a namespace. */
export interface PlainObject {
  readonly metadata: Metadata;
}

export class World {
  /** The resource version of the last change. */
  version = 200;
  /** What is older than this is forgotten: a watch from before it gets 410. */
  compacted = 0;
  readonly pods = new Map<string, PodObject>();
  readonly serviceAccounts = new Map<string, PlainObject>();
  readonly namespaces = new Map<string, PlainObject>();
  readonly nodes = new Map<string, string>();
  readonly log: LogEntry[] = [];
  /** Told of each entry of the log. */
  readonly watchers = new Set<(entry: LogEntry) => void>();

  addNamespace(name: string, annotations: Readonly<Record<string, string>> = {}): void {
    const uid = this.namespaces.get(name)?.metadata.uid;
    this.namespaces.set(name, { metadata: this.#metadata({ name, annotations }, uid) });
    if (!this.serviceAccounts.has(`${name}/default`)) this.addServiceAccount(name, "default");
  }

  addServiceAccount(
    namespace: string,
    name: string,
    annotations: Readonly<Record<string, string>> = {},
  ): void {
    if (!this.namespaces.has(namespace)) this.addNamespace(namespace);
    const key = `${namespace}/${name}`;
    const uid = this.serviceAccounts.get(key)?.metadata.uid;
    const metadata = this.#metadata({ name, namespace, annotations }, uid);
    this.serviceAccounts.set(key, { metadata });
  }

  addPod(init: PodInit): PodObject {
    const { namespace, name, serviceAccount = "default", node } = init;
    if (this.pods.has(`${namespace}/${name}`)) throw new Error(`pods "${name}" already exists`);
    if (!this.serviceAccounts.has(`${namespace}/${serviceAccount}`)) {
      this.addServiceAccount(namespace, serviceAccount);
    }
    if (node !== undefined && !this.nodes.has(node)) this.nodes.set(node, randomUUID());
    const annotations = init.annotations ?? {};
    const pod: PodObject = {
      metadata: { ...this.#metadata({ name, namespace, annotations }), namespace, generation: 1 },
      spec: specOf(init, serviceAccount),
      status: statusOf(init),
    };
    this.#put(undefined, pod);
    return pod;
  }

  /** Binds a pod to a node, as the scheduler does. */
  bindPod(namespace: string, name: string, node: string): void {
    if (!this.nodes.has(node)) this.nodes.set(node, randomUUID());
    this.#change(namespace, name, (pod) => ({ ...pod, spec: { ...pod.spec, nodeName: node } }));
  }

  updatePod(
    namespace: string,
    name: string,
    change: {
      readonly status?: PodStatus;
      readonly annotations?: Readonly<Record<string, string>>;
    },
  ): void {
    this.#change(namespace, name, (pod) => ({
      ...pod,
      metadata: {
        ...pod.metadata,
        ...(change.annotations === undefined ? {} : { annotations: change.annotations }),
      },
      status: { ...pod.status, ...change.status },
    }));
  }

  /** The kubelet says an address, and that it runs. */
  giveAddresses(namespace: string, name: string, addresses: readonly string[]): void {
    this.updatePod(namespace, name, { status: { phase: "Running", ...ips(addresses) } });
  }

  /** Everything in it has ended; its address stays in its status. */
  finishPod(namespace: string, name: string, phase: "Succeeded" | "Failed" = "Succeeded"): void {
    this.updatePod(namespace, name, { status: { phase } });
  }

  /** With a grace, its end is written; without one it is gone. */
  deletePod(namespace: string, name: string, graceSeconds = 0): void {
    const pod = this.#pod(namespace, name);
    const end = new Date(Date.now() + graceSeconds * 1_000).toISOString();
    const deletionTimestamp = end.replace(/\.\d+Z/, "Z");
    this.#change(namespace, name, (current) => ({
      ...current,
      metadata: {
        ...current.metadata,
        generation: (pod.metadata.generation ?? 1) + 1,
        deletionTimestamp,
        deletionGracePeriodSeconds: graceSeconds,
      },
    }));
    if (graceSeconds > 0) return;
    const last = this.#pod(namespace, name);
    this.pods.delete(`${namespace}/${name}`);
    this.#note(last, undefined);
  }

  /** Forgets the history, all of it or up to a version. */
  compact(upTo = this.version): void {
    this.compacted = upTo;
    this.log.splice(0, this.log.length, ...this.log.filter(({ version }) => version > upTo));
  }

  /** Everything is as it was, at a version from long ago: etcd has been restored from a backup. */
  restore(version: number): void {
    this.version = version;
    this.log.length = 0;
    this.compacted = 0;
    for (const [key, pod] of this.pods) {
      const metadata = { ...pod.metadata, resourceVersion: String(version) };
      this.pods.set(key, { ...pod, metadata });
    }
  }

  /** All pods, in the order of etcd's keys. */
  sorted(): readonly PodObject[] {
    return [...this.pods].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, pod]) => pod);
  }

  #pod(namespace: string, name: string): PodObject {
    const pod = this.pods.get(`${namespace}/${name}`);
    if (pod === undefined) throw new Error(`pods "${name}" not found`);
    return pod;
  }

  #change(namespace: string, name: string, change: (pod: PodObject) => PodObject): void {
    const before = this.#pod(namespace, name);
    const changed = change(before);
    this.version++;
    const metadata = { ...changed.metadata, resourceVersion: String(this.version) };
    this.#put(before, { ...changed, metadata });
  }

  #put(before: PodObject | undefined, after: PodObject): void {
    this.pods.set(`${after.metadata.namespace}/${after.metadata.name}`, after);
    this.#tell({ version: this.version, before, after });
  }

  #note(before: PodObject, after: undefined): void {
    this.version++;
    const metadata = { ...before.metadata, resourceVersion: String(this.version) };
    this.#tell({ version: this.version, before: { ...before, metadata }, after });
  }

  #tell(entry: LogEntry): void {
    this.log.push(entry);
    for (const tell of this.watchers) tell(entry);
  }

  #metadata(
    init: { name: string; namespace?: string; annotations: Readonly<Record<string, string>> },
    uid: string = randomUUID(),
  ): Metadata {
    this.version++;
    const { name, namespace, annotations } = init;
    return {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      uid,
      resourceVersion: String(this.version),
      creationTimestamp: new Date().toISOString().replace(/\.\d+Z/, "Z"),
      ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
    };
  }
}

function specOf(init: PodInit, serviceAccountName: string): PodObject["spec"] {
  const { node, hostNetwork = false, audiences, padding } = init;
  const sources = (audiences ?? []).map((audience) => ({
    serviceAccountToken: { audience, expirationSeconds: 3_600, path: "token" },
  }));
  const env = padding === undefined ? {} : { env: [{ name: "PADDING", value: padding }] };
  return {
    ...(sources.length === 0 ? {} : { volumes: [{ name: "tokens", projected: { sources } }] }),
    containers: [
      {
        name: "c",
        image: "x",
        ...env,
        resources: {},
        terminationMessagePath: "/dev/termination-log",
        terminationMessagePolicy: "File",
        imagePullPolicy: "Always",
      },
    ],
    restartPolicy: "Always",
    terminationGracePeriodSeconds: 30,
    dnsPolicy: "ClusterFirst",
    serviceAccountName,
    serviceAccount: serviceAccountName,
    ...(node === undefined ? {} : { nodeName: node }),
    ...(hostNetwork ? { hostNetwork } : {}),
    securityContext: {},
    schedulerName: "default-scheduler",
    tolerations: [],
    priority: 0,
    enableServiceLinks: true,
    preemptionPolicy: "PreemptLowerPriority",
  };
}

function statusOf({ phase, addresses }: PodInit): PodStatus {
  return {
    phase: phase ?? (addresses === undefined ? "Pending" : "Running"),
    ...(addresses === undefined ? {} : ips(addresses)),
    qosClass: "BestEffort",
  };
}

function ips(addresses: readonly string[]): PodStatus {
  const [podIP] = addresses;
  return podIP === undefined ? {} : { podIP, podIPs: addresses.map((ip) => ({ ip })) };
}
