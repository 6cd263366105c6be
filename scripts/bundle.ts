/**
 * @module Bundles the program into `bundle/`, which the npm package and the image are made of: the program
 * in one file, and the AWS SDK beside it, which is not opened before the listeners answer.
 */
import { chmod, copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { build } from "esbuild";
import type { BuildOptions, Plugin } from "esbuild";
import { AWS_SDK, awsSdkBeside, builtins, programBeside } from "./bundle-plugins.ts";
import { licencesOf, packagesIn } from "./licences.ts";
import { BUNDLE, ROOT, run } from "./run.ts";

const LIB = path.join(BUNDLE, "lib");

const OPTIONS = {
  absWorkingDir: ROOT,
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node22.12",
  // Of an ECMAScript module, what nobody uses is left out.
  mainFields: ["module", "main"],
  // The names stay: a stack trace is to be read.
  minifyWhitespace: true,
  minifySyntax: true,
  // They are in THIRD-PARTY-LICENSES.txt.
  legalComments: "none",
  metafile: true,
} as const satisfies BuildOptions;

await rm(BUNDLE, { recursive: true, force: true });
const inputs = [
  ...(await bundle({ crossrole: "src/start.ts" }, BUNDLE, [programBeside])),
  ...(await bundle(
    {
      main: "src/main.ts",
      library: "src/library.ts",
      "socket-table-worker": "src/callers/socket-table-worker.ts",
    },
    LIB,
    [awsSdkBeside("."), builtins],
  )),
  ...(await bundle({ client: "src/demo/client.ts" }, path.join(BUNDLE, "demo"), [
    awsSdkBeside("../lib"),
    builtins,
  ])),
  // In pieces: of the providers of credentials, a process uses one.
  ...(await bundle(AWS_SDK, path.join(LIB, "aws-sdk"), [builtins], { splitting: true })),
];
const packages = await packagesIn(inputs);
await writeFile(path.join(BUNDLE, "packages.json"), `${JSON.stringify(packages, undefined, 2)}\n`);
await writeFile(path.join(BUNDLE, "THIRD-PARTY-LICENSES.txt"), await licencesOf(packages));
await writePackageFile();
await writeTypes();
// esbuild takes what begins with #! for a program: only this one is to be started.
await chmod(path.join(BUNDLE, "crossrole.js"), 0o755);
await chmod(path.join(LIB, "main.js"), 0o644);

/** @returns the files of which something is in it. */
async function bundle(
  entryPoints: Readonly<Record<string, string>>,
  outdir: string,
  plugins: Plugin[],
  options: BuildOptions = {},
): Promise<string[]> {
  const { metafile } = await build({
    ...OPTIONS,
    ...options,
    entryPoints: { ...entryPoints },
    outdir,
    plugins,
    metafile: true,
  });
  const outputs = Object.values(metafile.outputs);
  return outputs.flatMap((output) =>
    Object.entries(output.inputs)
      .filter(([, { bytesInOutput }]) => bytesInOutput > 0)
      .map(([input]) => input),
  );
}

/** The bundle stands alone: this is where the program finds its version, and Node what kind of files these are. */
async function writePackageFile(): Promise<void> {
  const text = await readFile(path.join(ROOT, "package.json"), "utf8");
  const { name, version }: Record<string, unknown> = JSON.parse(text);
  const own = JSON.stringify({ name, version, type: "module", private: true }, undefined, 2);
  await writeFile(path.join(BUNDLE, "package.json"), `${own}\n`);
}

/** What a TypeScript program sees of the library: one file, which must need no other. */
async function writeTypes(): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), "crossrole-types-"));
  try {
    const flags = ["--declaration", "--emitDeclarationOnly", "--outDir", folder];
    await run(["tsc", "-p", "tsconfig.json", ...flags]);
    const types = path.join(folder, "library.d.ts");
    const others = /(?:from|import\()\s*"(?<other>\.[^"]*)"/.exec(await readFile(types, "utf8"));
    if (others !== null)
      throw new Error(`src/library.ts shows a type of ${others.groups?.["other"]}`);
    await copyFile(types, path.join(LIB, "library.d.ts"));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
