import { describe, expect, it } from "vitest";
import { hostNetworkPods } from "../../src/node/cgroups.ts";
import type { Machine } from "../../src/node/cgroups.ts";

const POD =
  "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod11111111_aaaa_4bbb_8ccc_000000000001.slice";
const CGROUPFS_POD = "kubepods/besteffort/pod11111111-aaaa-4bbb-8ccc-000000000001";

function machine(changes: Partial<Machine> = {}): Machine {
  return {
    mounts: "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n",
    own: "0::/system.slice/crossrole.service\n",
    namespace: "cgroup:[4026531835]",
    exists: () => Promise.resolve(true),
    ...changes,
  };
}

describe("the cgroups of pods", () => {
  it("are counted from the root", async () => {
    expect(await hostNetworkPods({ pods: "/kubepods.slice/" }, machine())).toEqual({
      pods: { path: "kubepods.slice", level: 1 },
      excluded: [],
    });
    expect(await hostNetworkPods({ pods: "kubelet.slice/kubepods" }, machine())).toMatchObject({
      pods: { path: "kubelet.slice/kubepods", level: 2 },
    });
  });

  it("are below the mount of the unified hierarchy, which nft knows nothing of", async () => {
    const mounts =
      "29 23 0:26 / /sys/fs/cgroup ro - tmpfs tmpfs ro\n30 29 0:27 / /sys/fs/cgroup/unified rw shared:9 - cgroup2 cgroup2 rw\n";

    expect(await hostNetworkPods({ pods: "kubepods" }, machine({ mounts }))).toMatchObject({
      pods: { path: "unified/kubepods", level: 1 },
    });
  });

  it.each([
    ["kubepods.slice", POD],
    ["kubepods", CGROUPFS_POD],
  ])("leave the own pod alone, with all of its containers: below %s", async (pods, pod) => {
    const own = `9:name=systemd:/x\n0::/${pod}/cri-containerd-0123.scope\n`;

    expect(await hostNetworkPods({ pods }, machine({ own }))).toMatchObject({
      excluded: [{ path: pod, level: pod.split("/").length }],
    });
  });

  it("leave alone only what is named, when something is", async () => {
    const own = `0::/${POD}/cri.scope\n`;
    const excluded = ["/kubepods.slice/a.slice", String.raw`kubepods.slice/b\x2dc.slice`];

    expect(await hostNetworkPods({ pods: "kubepods.slice", excluded }, machine({ own }))).toEqual({
      pods: { path: "kubepods.slice", level: 1 },
      excluded: [
        { path: "kubepods.slice/a.slice", level: 2 },
        { path: String.raw`kubepods.slice/b\x2dc.slice`, level: 2 },
      ],
    });
  });

  it.each(["", "/", "a//b", "..", "kubepods/../x", "a b", 'a"', "a;b", "a\nb", "a{", "$a", "#a"])(
    "cannot be named %j",
    async (pods) => {
      await expect(hostNetworkPods({ pods }, machine())).rejects.toMatchObject({
        code: "ERR_USAGE",
        message: expect.stringMatching(/^--pods-cgroup must be the path of a cgroup .*; it is "/),
      });
      await expect(
        hostNetworkPods({ pods: "kubepods", excluded: [pods] }, machine()),
      ).rejects.toMatchObject({ code: "ERR_USAGE", message: expect.stringMatching(/^--exclude-/) });
    },
  );

  it.each<[string, Partial<Machine>, RegExp]>([
    [
      "there is none",
      { exists: () => Promise.resolve(false) },
      /^there is no cgroup kubepods\.slice below \/sys\/fs\/cgroup: name it with --pods-cgroup/,
    ],
    [
      "it has only the old hierarchies",
      { mounts: "29 23 0:26 / /sys/fs/cgroup ro - tmpfs tmpfs ro\n" },
      /needs the unified hierarchy \(cgroup v2\) mounted at or below \/sys\/fs\/cgroup/,
    ],
    [
      "it shows only a part of the hierarchy",
      { mounts: "30 23 0:26 /../.. /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n" },
      /needs the unified hierarchy/,
    ],
    [
      "its own group has a name that would end a rule",
      { own: '0::/kubepods.slice/a" accept\n' },
      /^the cgroup ".*" has a name that cannot be written in a rule$/,
    ],
    [
      "this is another cgroup namespace",
      { namespace: "cgroup:[4026532246]" },
      /needs the node's own cgroup namespace: .* privileged: true/,
    ],
  ])("are an error of this machine when %s", async (_, changes, message) => {
    const asked = hostNetworkPods({ pods: "kubepods.slice" }, machine(changes));

    await expect(asked).rejects.toMatchObject({
      code: "ERR_COMMAND_FAILED",
      message: expect.stringMatching(message),
    });
  });
});
