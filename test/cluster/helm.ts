/** @module The chart as helm renders it. */
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { inject } from "vitest";
import { parseAllDocuments } from "yaml";

export const CHART = fileURLToPath(new URL("../../deploy/helm/crossrole", import.meta.url));
export const NAMESPACE = "crossrole-system";

/** The release that the chart is tested for; helm's own idea of a cluster is another. */
const KUBE_VERSION = "1.36.2";

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
}

/** Runs helm. @returns its stdout. @throws Error with its stderr. */
export async function helm(args: readonly string[]): Promise<string> {
  const home = await mkdtemp(path.join(tmpdir(), "crossrole-helm-"));
  try {
    const env = { PATH: process.env["PATH"] ?? "", HOME: home };
    return (await promisify(execFile)(inject("clusterTools").helm, args, { env })).stdout;
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

/** The chart as text, with `values` over its own. @throws Error with what helm says. */
export async function template(
  values: object = {},
  args: readonly string[] = [],
  kubeVersion = KUBE_VERSION,
): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), "crossrole-values-"));
  const file = path.join(folder, "values.json");
  try {
    await writeFile(file, JSON.stringify(values));
    const flags = ["--namespace", NAMESPACE, "--kube-version", kubeVersion, "--values", file];
    return await helm(["template", "crossrole", CHART, ...flags, ...args]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The objects of the chart, with `values` over its own. */
export async function render(values: object = {}): Promise<Manifest[]> {
  return parseManifests(await template(values));
}

/** The objects of a text. @throws Error when it is no YAML, or says a key twice. */
export function parseManifests(text: string): Manifest[] {
  const documents = parseAllDocuments(text);
  if (!Array.isArray(documents)) return [];
  for (const { errors } of documents) if (errors[0] !== undefined) throw errors[0];
  return documents.map((document) => document.toJS() as Manifest).filter((value) => value !== null);
}

/** The one object of a kind. */
export function only(manifests: readonly Manifest[], kind: string): Manifest {
  const [found, ...more] = manifests.filter((manifest) => manifest.kind === kind);
  if (found === undefined || more.length > 0) throw new Error(`not one ${kind}`);
  return found;
}
