/**
 * @module The image, built from the Dockerfile by buildah. No registry is asked: the base is Debian, made by
 * debootstrap of Debian's packages, with the Node that this project is developed with.
 */
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import path from "node:path";
import { ROOT } from "./bundled.ts";
import { aptSources } from "./debian.ts";
import { run } from "../support/tool.ts";

export interface Image extends AsyncDisposable {
  /** Its files, mounted. */
  readonly root: string;
  readonly config: ImageConfig;
}

interface ImageConfig {
  readonly User: string;
  readonly Env: readonly string[];
  readonly Entrypoint: readonly string[];
  readonly Cmd: readonly string[];
  readonly Labels: Readonly<Record<string, string>>;
  readonly Healthcheck: { readonly Test: readonly string[] };
}

/** @param debian a folder with a Debian in it. */
export async function buildImage(debian: string): Promise<Image> {
  const folder = await mkdtemp(path.join(tmpdir(), "crossrole-image-"));
  try {
    const buildah = await builder(folder);
    const base = await baseImage(buildah, debian, folder);
    const flags = ["--isolation", "chroot", "--pull-never", "--format", "docker"];
    const args = ["--build-arg", `NODE_IMAGE=${base}`, "--build-arg", "REVISION=of-a-test"];
    await buildah(["build", ...flags, ...args, "--tag", "localhost/crossrole", ROOT]);
    const container = (await buildah(["from", "--pull-never", "localhost/crossrole"])).trim();
    const root = (await buildah(["mount", container])).trim();
    const inspected = await buildah(["inspect", "--type", "image", "localhost/crossrole"]);
    const { Docker } = JSON.parse(inspected) as { Docker: { config: ImageConfig } };
    return {
      root,
      config: Docker.config,
      [Symbol.asyncDispose]: async () => {
        await buildah(["umount", container]);
        await rm(folder, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

type Buildah = (args: readonly string[]) => Promise<string>;

/** buildah with a storage of its own, that leaves nothing on the machine. */
async function builder(folder: string): Promise<Buildah> {
  const storage = path.join(folder, "storage.conf");
  const roots = `runroot = "${folder}/run"\ngraphroot = "${folder}/graph"\n`;
  await writeFile(storage, `[storage]\ndriver = "vfs"\n${roots}`);
  const env = { CONTAINERS_STORAGE_CONF: storage };
  return async (args) => await run(["buildah", ...args], "run as root", { env });
}

/** What `node:24-bookworm-slim` has, as far as the Dockerfile needs it. @returns its name, with its digest. */
async function baseImage(buildah: Buildah, debian: string, folder: string): Promise<string> {
  const local = path.join(folder, "usr-local");
  await mkdir(path.join(local, "bin"), { recursive: true });
  const npm = await run(["sh", "-c", 'readlink -f "$(command -v npm)"']);
  await cp(path.join(ROOT, "node_modules/node/bin/node"), path.join(local, "bin/node"));
  await cp(path.join(npm.trim(), "../.."), path.join(local, "lib/node_modules/npm"), {
    recursive: true,
  });
  await symlink("../lib/node_modules/npm/bin/npm-cli.js", path.join(local, "bin/npm"));
  const container = (await buildah(["from", "scratch"])).trim();
  const add = (from: string, to: string) => buildah(["add", "--quiet", container, from, to]);
  await add(debian, "/");
  await add(local, "/usr/local");
  // How this machine reaches its registries.
  const npmrc = path.join(folder, "npmrc");
  const own = await readFile(path.join(homedir(), ".npmrc"), "utf8").catch(() => "");
  await writeFile(npmrc, `${own}\ncafile=/etc/ssl/certs/ca-certificates.crt\n`);
  await add(npmrc, "/root/.npmrc");
  await add("/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/certs/ca-certificates.crt");
  const sources = path.join(folder, "sources");
  const text = await aptSources();
  await writeFile(sources, text);
  const name = /^URIs:/m.test(text) ? "debian.sources" : "machine.list";
  await add(sources, `/etc/apt/sources.list.d/${name}`);
  const PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  await buildah(["config", "--env", PATH, container]);
  await buildah(["commit", "--quiet", "--rm", container, "localhost/node"]);
  const images = await buildah(["images", "--json", "localhost/node"]);
  const [{ digest }] = JSON.parse(images) as [{ digest: string }];
  return `localhost/node@${digest}`;
}
