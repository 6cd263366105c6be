/**
 * @module Writes `bundle/sbom.cdx.json`: the packages of which something is in the bundle, as CycloneDX. npm
 * says it of all that the project is developed with; what is not shipped is left out.
 */
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import type { BundledPackage } from "./licences.ts";
import { BUNDLE, run } from "./run.ts";

interface Component {
  readonly "bom-ref": string;
  readonly properties?: readonly { readonly name: string }[];
  readonly [key: string]: unknown;
}

interface Bom {
  readonly metadata: { readonly component: Component; readonly [key: string]: unknown };
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
  readonly [key: string]: unknown;
}

/** That npm installs it for developers only says nothing of what is shipped. */
const OF_THE_PROJECT: ReadonlySet<unknown> = new Set(["cdx:npm:package:development"]);

const flags = ["--sbom-format", "cyclonedx", "--sbom-type", "application", "--package-lock-only"];
const all: Bom = JSON.parse(await run(["npm", "sbom", ...flags]));
const packages: readonly BundledPackage[] = JSON.parse(
  await readFile(path.join(BUNDLE, "packages.json"), "utf8"),
);
const file = path.join(BUNDLE, "sbom.cdx.json");
await writeFile(file, `${JSON.stringify(shippedOf(all, packages), undefined, 2)}\n`);

function shippedOf(bom: Bom, shipped: readonly BundledPackage[]): Bom {
  const own = bom.metadata.component;
  const wanted = new Set(shipped.map(({ name, version }) => `${name}@${version}`));
  const components = bom.components.filter((component) => wanted.has(component["bom-ref"]));
  const known = new Set(components.map((component) => component["bom-ref"]));
  const missing = [...wanted].filter((name) => !known.has(name));
  if (missing.length > 0) throw new Error(`package-lock.json does not know ${missing.join(", ")}`);
  known.add(own["bom-ref"]);
  return {
    ...bom,
    // npm names it after the folder that the project is in.
    metadata: { ...bom.metadata, component: { ...own, name: "crossrole" } },
    components: components.map((component) => ({
      ...component,
      scope: "required",
      properties: component.properties?.filter(({ name }) => !OF_THE_PROJECT.has(name)) ?? [],
    })),
    dependencies: bom.dependencies
      .filter(({ ref }) => known.has(ref))
      .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((on) => known.has(on)) })),
  };
}
