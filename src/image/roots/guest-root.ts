/** What the guest is given to run a program in a root: a script that /init reads, and the program that starts it. */

import { directory, file, writeCpio } from "../cpio.ts";
import { EXEC_DIRECTORY, ROOT_LAUNCHER, ROOT_MOUNT, ROOT_SCRIPT } from "../exec-protocol.ts";
import { buildLauncher, type Launch } from "./launcher.ts";

/**
 * Mounts the root and what every program expects in it. A disk that is thrown away need not survive a crash, so its file system
 * does not wait for it. Addresses of name servers come from DHCP by way of our own root.
 */
function rootScript(isKept: boolean): string {
  const options = isKept ? "noatime" : "noatime,nobarrier";
  return `mkdir ${ROOT_MOUNT}
if ! mount -t ext4 -o ${options} /dev/vda ${ROOT_MOUNT}; then
  echo "tskvm: the root cannot be mounted"
  poweroff -f
fi
cd ${ROOT_MOUNT}
for name in proc sys dev etc tmp run root; do
  [ -d $name ] || mkdir $name
done
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -o rbind /dev dev
[ -e /dev/fd ] || ln -s /proc/self/fd /dev/fd
chmod 1777 tmp /dev/shm
if [ -f /etc/resolv.conf ]; then
  rm -f etc/resolv.conf
  read -r line </etc/resolv.conf
  echo "$line" >etc/resolv.conf
fi
echo tskvm >etc/hostname
printf '127.0.0.1 localhost\\n::1 localhost ip6-localhost\\n127.0.1.1 tskvm\\n' >etc/hosts
cd /
root=${ROOT_MOUNT}
shell=${ROOT_LAUNCHER}
`;
}

/** To be put right after our own root. `isKept`: whether the disk is used again. */
export function rootInitrd(launch: Omit<Launch, "root">, isKept: boolean): Uint8Array {
  return writeCpio([
    directory("run"),
    directory(EXEC_DIRECTORY),
    file(ROOT_SCRIPT.slice(1), rootScript(isKept)),
    file(ROOT_LAUNCHER.slice(1), buildLauncher({ ...launch, root: ROOT_MOUNT }), 0o755),
  ]);
}

/** The shell command that runs the program; what it has written is on a disk that is kept when it ends. */
export function rootCommand(isKept: boolean): string {
  if (!isKept) return `exec ${ROOT_LAUNCHER}`;
  return `${ROOT_LAUNCHER}; status=$?; sync; mount -o remount,ro ${ROOT_MOUNT}; exit $status`;
}
