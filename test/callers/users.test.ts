import { userInfo } from "node:os";
import { afterEach, describe, expect, it, vi } from "vitest";
import { resolveUsers } from "../../src/callers/users.ts";

describe("the users of a listener", () => {
  afterEach(() => {
    vi.unstubAllEnvs();
  });

  it.each([undefined, []])("are the daemon's own alone when %j are named", async (users) => {
    expect(await resolveUsers(users, 1000)).toEqual(new Set([1000]));
  });

  it("are those that are named too, by uid, by uid in quotes and by name", async () => {
    const { username, uid } = userInfo();

    expect(await resolveUsers([7, "8", username, "root"], 1000)).toEqual(
      new Set([1000, 7, 8, uid, 0]),
    );
  });

  it("are everybody with any", async () => {
    expect(await resolveUsers("any", 1000)).toBe("any");
  });

  it("are the named ones alone where there are no uids", async () => {
    expect(await resolveUsers([7], undefined)).toEqual(new Set([7]));
    expect(await resolveUsers(undefined, undefined)).toEqual(new Set());
  });

  it.each(["no-such-user", "", "-u", "--help", "root; id", "$(id)", "root ", "ROOT"])(
    "are a configuration error that names %j, which is no user and no option",
    async (name) => {
      await expect(resolveUsers([name], 1000)).rejects.toMatchObject({
        code: "ERR_CONFIG_INVALID",
        message: `allowUsers names ${JSON.stringify(name)}, which is no user of this machine`,
      });
    },
  );

  it("are asked for by uid on a machine that cannot look a name up", async () => {
    vi.stubEnv("PATH", "/nonexistent");

    await expect(resolveUsers(["root"], 1000)).rejects.toMatchObject({
      code: "ERR_CONFIG_INVALID",
      message: 'allowUsers names "root", which cannot be looked up here: name the uid instead',
    });
    expect(await resolveUsers([7], 1000)).toEqual(new Set([1000, 7]));
  });
});
