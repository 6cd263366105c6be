/** deploy/compose: what crossrole keeps outlives its container, and its configuration can be changed. */
import { readFile, stat } from "node:fs/promises";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";

const FOLDER = path.join(import.meta.dirname, "..", "..", "deploy", "compose");

interface Mount {
  readonly type: string;
  readonly source: string;
  readonly target: string;
}

interface Compose {
  readonly services: Readonly<
    Record<"network" | "crossrole", { readonly tmpfs?: unknown; readonly volumes?: Mount[] }>
  >;
  readonly volumes?: Readonly<Record<string, { readonly driver_opts: unknown }>>;
}

const { services, volumes = {} } = parse(
  await readFile(path.join(FOLDER, "compose.yaml"), "utf8"),
) as Compose;

function mountAt(service: keyof Compose["services"], target: string): Mount | undefined {
  return services[service].volumes?.find((mount) => mount.target === target);
}

describe("the state of crossrole", () => {
  it("is in memory, and held by the service that stays when crossrole's container ends", () => {
    const own = mountAt("crossrole", "/run/crossrole");
    const holder = services.network.volumes?.find(({ source }) => source === own?.source);
    // One of the container's own is gone with every stop of it.
    expect(services.crossrole.tmpfs).toBeUndefined();
    expect([own?.type, holder?.type]).toEqual(["volume", "volume"]);
    expect(volumes[own?.source ?? ""]?.driver_opts).toEqual({
      type: "tmpfs",
      device: "tmpfs",
      o: "mode=0700,uid=65532,gid=65532,size=16m",
    });
  });
});

describe("the configuration of crossrole", () => {
  it("is in a mounted folder: a mounted file stays the old one when an editor puts another in its place", async () => {
    const { source = "" } = mountAt("crossrole", "/etc/crossrole") ?? {};
    expect((await stat(path.join(FOLDER, source))).isDirectory()).toBe(true);
    expect((await stat(path.join(FOLDER, source, "crossrole.yaml"))).isFile()).toBe(true);
  });
});
