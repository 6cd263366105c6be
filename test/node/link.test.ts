import { describe, expect, it } from "vitest";
import { lookForAddresses, placeAddresses, removeAddresses } from "../../src/node/link.ts";
import { DEFAULT, device, failing, fakePrograms } from "./support.ts";

const NO_DEVICE = failing('Device "crossrole0" does not exist.');
const BOTH = ["169.254.171.254/32", "fd00:ec2:fa11::254/128"];
const LOOK = "ip -json -details address show dev";

describe("the listener's addresses", () => {
  it("are put on a dummy device of their own", async () => {
    const { ip, calls } = fakePrograms((call) => (call.startsWith(LOOK) ? NO_DEVICE : undefined));

    expect(await placeAddresses(ip, DEFAULT)).toBe("crossrole0");
    expect(calls).toEqual([
      `${LOOK} crossrole0`,
      "ip link add dev crossrole0 type dummy",
      "ip link set dev crossrole0 up",
      "ip -4 address replace 169.254.171.254/32 dev crossrole0 scope link",
      "ip -6 address replace fd00:ec2:fa11::254/128 dev crossrole0 nodad preferred_lft 0",
    ]);
  });

  it.each(["Error: Unknown device type.", "RTNETLINK answers: Operation not supported"])(
    "are put on lo where the kernel has no such devices: %s",
    async (stderr) => {
      const { ip, calls } = fakePrograms((call) => {
        if (call.startsWith(LOOK)) return NO_DEVICE;
        return call.includes("type dummy") ? failing(stderr, 2) : undefined;
      });

      expect(await placeAddresses(ip, DEFAULT)).toBe("lo");
      expect(calls).toContain("ip -4 address replace 169.254.171.254/32 dev lo scope link");
    },
  );

  it("are never put on a device of somebody else", async () => {
    const { ip, calls } = fakePrograms(() => device("bridge"));

    await expect(placeAddresses(ip, DEFAULT)).rejects.toThrow(
      "device crossrole0 is there already and is no dummy device: choose another name with --interface",
    );
    expect(calls).toHaveLength(1);
  });

  it.each<[string, string]>([
    [
      "RTNETLINK answers: Operation not permitted",
      "cannot make the dummy device crossrole0: CAP_NET_ADMIN is missing: run it as root, or in a container as root with securityContext.capabilities.add: [NET_ADMIN]",
    ],
    [
      "RTNETLINK answers: No buffer space available",
      "cannot make the dummy device crossrole0: ip says No buffer space available",
    ],
    ["", "cannot make the dummy device crossrole0: ip says nothing, and ends with 2"],
  ])("are an error in one line when ip says %j", async (stderr, message) => {
    const { ip } = fakePrograms((call) => {
      if (call.startsWith(LOOK)) return NO_DEVICE;
      return call.includes("type dummy") ? failing(stderr, 2) : undefined;
    });

    await expect(placeAddresses(ip, DEFAULT)).rejects.toMatchObject({
      code: "ERR_COMMAND_FAILED",
      message,
    });
  });

  it("are found on the own device, and on lo where there is none", async () => {
    const own = fakePrograms(() => device("dummy", ...BOTH));
    const loopback = fakePrograms((call) =>
      call.endsWith("crossrole0") ? NO_DEVICE : device(undefined, ...BOTH),
    );

    expect(await lookForAddresses(own.ip, DEFAULT)).toEqual({
      device: "crossrole0",
      differences: [],
    });
    expect(await lookForAddresses(loopback.ip, DEFAULT)).toEqual({ device: "lo", differences: [] });
  });

  it("differ when one is missing, has another prefix, or the device is down", async () => {
    const down = { ...device("dummy", "169.254.171.254/16") };
    const { ip } = fakePrograms(() => ({ ...down, stdout: down.stdout.replace("UP", "NOARP") }));

    expect((await lookForAddresses(ip, DEFAULT)).differences.map(({ what }) => what)).toEqual([
      "device crossrole0 is down",
      "169.254.171.254/32 is not on crossrole0",
      "fd00:ec2:fa11::254/128 is not on crossrole0",
    ]);
  });

  it("differ when the node might take one for its own source address", async () => {
    const good = device("dummy", ...BOTH);
    const stdout = good.stdout.replace('"link"', '"global"').replace(',"deprecated":true', "");
    const { ip } = fakePrograms(() => ({ ...good, stdout }));

    expect((await lookForAddresses(ip, DEFAULT)).differences).toHaveLength(2);
  });

  it("go with the dummy device", async () => {
    const { ip, calls } = fakePrograms((call) =>
      call.endsWith("crossrole0") ? device("dummy", ...BOTH) : device(undefined, "127.0.0.1/8"),
    );

    expect(await removeAddresses(ip, DEFAULT)).toEqual(["device crossrole0"]);
    expect(calls.filter((call) => !call.startsWith(LOOK))).toEqual([
      "ip link delete dev crossrole0",
    ]);
  });

  it("leave a device of somebody else alone", async () => {
    const { ip, calls } = fakePrograms(() => device("bridge"));

    expect(await removeAddresses(ip, DEFAULT)).toEqual([]);
    expect(calls.filter((call) => !call.startsWith(LOOK))).toEqual([]);
  });
});
