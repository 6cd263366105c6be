/** @module What is measured: this tree as it is shipped, and a commit beside it. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { owned } from "./cleanup.ts";
import { command } from "./command.ts";
import { UsageError } from "./arguments.ts";

const ROOT = path.join(import.meta.dirname, "..", "..");
const BUNDLE = ["npm", "run", "--silent", "bundle"];

/** A bundle, made just now. */
export interface Program {
  /** The file that is run. */
  readonly file: string;
  readonly library: string;
}

export async function bundleOf(root: string = ROOT): Promise<Program> {
  await command(BUNDLE, root);
  const bundle = path.join(root, "bundle");
  return {
    file: path.join(bundle, "crossrole.js"),
    library: path.join(bundle, "lib", "library.js"),
  };
}

export interface OlderProgram extends Program, Disposable {
  /** Its hash, shortened. */
  readonly commit: string;
}

/**
 * The bundle of another commit, in a git worktree that goes with it.
 *
 * @throws {@link UsageError} when there is no such commit, or it has no `npm run bundle`.
 */
export async function bundleOfCommit(ref: string): Promise<OlderProgram> {
  const commit = await hashOf(ref);
  if (!hasBundle(await show(commit, "package.json")))
    throw new UsageError(`--against: ${ref} has no \`npm run bundle\`, so there is nothing to run`);
  const directory = mkdtempSync(path.join(tmpdir(), "crossrole-bench-against-"));
  const tree = path.join(directory, commit);
  const gone = owned(() => {
    if (existsSync(tree))
      execFileSync("git", ["worktree", "remove", "--force", tree], { cwd: ROOT, stdio: "ignore" });
    rmSync(directory, { recursive: true, force: true });
  });
  try {
    await command(["git", "worktree", "add", "--detach", tree, commit], ROOT);
    await installInto(tree, commit);
    const program = await bundleOf(tree);
    return { ...program, commit, [Symbol.dispose]: () => gone[Symbol.dispose]() };
  } catch (error) {
    gone[Symbol.dispose]();
    throw error;
  }
}

async function hashOf(ref: string): Promise<string> {
  const name = `${ref}^{commit}`;
  const args = ["git", "rev-parse", "--verify", "--quiet", "--short", "--end-of-options", name];
  return await command(args, ROOT).then(
    (hash) => hash.trim(),
    () => {
      throw new UsageError(`--against: there is no commit ${JSON.stringify(ref)} here`);
    },
  );
}

async function show(commit: string, file: string): Promise<string> {
  return await command(["git", "show", `${commit}:${file}`], ROOT).catch(() => "{}");
}

function hasBundle(packageJson: string): boolean {
  const { scripts = {} }: { scripts?: Record<string, string> } = JSON.parse(packageJson);
  return scripts["bundle"] !== undefined;
}

/** The same packages need no second folder. */
async function installInto(tree: string, commit: string): Promise<void> {
  const lock = await show(commit, "package-lock.json");
  if (lock === readFileSync(path.join(ROOT, "package-lock.json"), "utf8"))
    symlinkSync(path.join(ROOT, "node_modules"), path.join(tree, "node_modules"));
  else await command(["npm", "ci", "--no-audit", "--no-fund"], tree);
}
