/** The small root: busybox, its applets' names, our /init, in an initramfs. */

import { createHash } from "node:crypto";
import { appletNames } from "./applets.ts";
import { type CpioEntry, charDevice, directory, file, symlink, writeCpio } from "./cpio.ts";
import { INIT_SCRIPT } from "./init-script.ts";

const DIRECTORIES = ["bin", "dev", "etc", "mnt", "proc", "root", "run", "sys", "usr", "var"];

/** All programs are in /bin; the other customary places lead there. */
const LINKS = [
  ["sbin", "bin"],
  ["usr/bin", "../bin"],
  ["usr/sbin", "../bin"],
  ["var/tmp", "../tmp"],
] as const;

/** What /init needs before devtmpfs is mounted [Linux Documentation/admin-guide/devices.txt]. */
const DEVICES = [charDevice("dev/console", 5, 1), charDevice("dev/null", 1, 3, 0o666)];

/** What udhcpc tells of its lease is made so. [busybox examples/udhcp/udhcpd.conf, networking/udhcp/dhcpc.c] */
const UDHCPC_SCRIPT = `#!/bin/sh
[ "$1" = bound ] || [ "$1" = renew ] || exit 0
ip addr flush dev "$interface"
ip addr add "$ip/$mask" dev "$interface"
ip link set "$interface" mtu "\${mtu:-1500}"
for address in $router; do ip route add default via "$address"; done
for address in $dns; do echo "nameserver $address"; done >/etc/resolv.conf
`;

const FILES: Record<string, string> = {
  "etc/fstab": "proc /proc proc\nsysfs /sys sysfs\ndevtmpfs /dev devtmpfs\n",
  "etc/group": "root:x:0:\nnogroup:x:65534:\n",
  "etc/hostname": "tskvm\n",
  "etc/hosts": "127.0.0.1 localhost tskvm\n",
  "etc/passwd": "root::0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n",
  "etc/shells": "/bin/sh\n",
};

/**
 * The initramfs of a static busybox. It is not compressed: unpacking 2 MB would cost the guest more than reading them.
 */
export function buildRoot(busybox: Uint8Array): Uint8Array {
  const links = appletNames(busybox).filter((name) => name !== "busybox");
  return writeCpio([
    ...skeleton(),
    file("bin/busybox", busybox, 0o755),
    ...links.map((name) => symlink(`bin/${name}`, "busybox")),
  ]);
}

function skeleton(): CpioEntry[] {
  return [
    ...DIRECTORIES.map((path) => directory(path)),
    directory("tmp", 0o1777),
    ...LINKS.map(([path, target]) => symlink(path, target)),
    ...DEVICES,
    ...Object.entries(FILES).map(([path, text]) => file(path, text)),
    file("etc/udhcpc.script", UDHCPC_SCRIPT, 0o755),
    file("init", INIT_SCRIPT, 0o755),
  ];
}

/** Changes whenever buildRoot would make something else of the same busybox. */
export function rootRecipe(): string {
  return createHash("sha256").update(writeCpio(skeleton())).digest("hex").slice(0, 16);
}
