/** @module Whose code is in the bundle, and under which licences. */
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { ROOT } from "./run.ts";

/** A package of which something is in the bundle. */
export interface BundledPackage {
  readonly name: string;
  readonly version: string;
  readonly licence: string;
  /** Relative to the project. */
  readonly folder: string;
}

/** Licences that ask for no more than to be passed on with the code. */
const PERMISSIVE: ReadonlySet<string> = new Set([
  "0BSD",
  "Apache-2.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "BlueOak-1.0.0",
  "ISC",
  "MIT",
]);

/**
 * The packages that the files at `inputs` belong to, by name and version.
 *
 * @throws Error for one whose licence asks for more than the bundle does.
 */
export async function packagesIn(inputs: readonly string[]): Promise<BundledPackage[]> {
  const folders = new Set<string>();
  for (const input of inputs) {
    const [folder] = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input) ?? [];
    if (folder !== undefined) folders.add(folder);
  }
  const packages = await Promise.all([...folders].toSorted().map((folder) => packageAt(folder)));
  const refused = packages.find(({ licence }) => !PERMISSIVE.has(licence));
  if (refused === undefined) return packages;
  throw new Error(`${refused.name} is under ${refused.licence}: see whether it may be bundled`);
}

async function packageAt(folder: string): Promise<BundledPackage> {
  const text = await readFile(path.join(ROOT, folder, "package.json"), "utf8");
  const { name, version, license }: Record<string, unknown> = JSON.parse(text);
  return { name: String(name), version: String(version), licence: String(license), folder };
}

/** One text with the licence of each package, and its notices where it has some. */
export async function licencesOf(packages: readonly BundledPackage[]): Promise<string> {
  const parts = [
    "crossrole is under the Apache License 2.0, in the file LICENSE.",
    "Its bundle has code of these packages, each under its own licence:",
    "",
    ...packages.map(({ name, version, licence }) => `  ${name} ${version} (${licence})`),
  ];
  // Many have the same text, word for word.
  const owners = new Map<string, string[]>();
  for (const bundled of packages) {
    const text = await textOf(bundled);
    owners.set(text, [...(owners.get(text) ?? []), `${bundled.name} ${bundled.version}`]);
  }
  for (const [text, names] of owners) parts.push("", "-".repeat(80), ...names, "", text);
  return `${parts.join("\n")}\n`;
}

async function textOf({ licence, folder }: BundledPackage): Promise<string> {
  const names = await readdir(path.join(ROOT, folder));
  const texts = await Promise.all(
    names
      .filter((name) => /^(?:licen[cs]e|notice|copying)/i.test(name))
      .map((name) => readFile(path.join(ROOT, folder, name), "utf8")),
  );
  if (texts.length === 0) return `Licence: ${licence}; the package has no text of it.`;
  return texts.map((text) => text.trim()).join("\n\n");
}
