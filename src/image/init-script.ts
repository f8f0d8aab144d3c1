/**
 * /init of our root. Every fork counts, for the guest's processor is an interpreter: what ash has built in is used
 * wherever it will do. exec-channel.ts describes the protocol that the first half serves.
 */

import { EXEC_DIRECTORY, EXEC_TTY, EXIT_WORD, MARK, ROOT_SCRIPT, START_WORD } from "./exec-protocol.ts";
import { AGENT_FILE } from "./guest-agent.ts";
import { MODULE_DIRECTORY } from "./guest-modules.ts";
import { SHARES_FILE } from "./guest-shares.ts";

const MARK_ESCAPE = `\\${MARK.toString(8).padStart(3, "0")}`;

export const INIT_SCRIPT = `#!/bin/sh
export PATH=/bin HOME=/root USER=root PS1='\\h:\\w\\$ '
mount -a
mkdir /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
echo tskvm >/proc/sys/kernel/hostname
cd /root
for module in /${MODULE_DIRECTORY}/*.ko; do
  [ -f "$module" ] && insmod "$module"
done
if [ -e /sys/class/net/eth0 ]; then
  ip link set lo up
  ip link set eth0 up
  udhcpc -i eth0 -q -n -s /etc/udhcpc.script >/dev/null 2>&1
fi

shell='sh -l'
root=
[ -f ${ROOT_SCRIPT} ] && . ${ROOT_SCRIPT}
if [ -f /${SHARES_FILE} ]; then
  while read -r tag mode path; do
    mkdir -p "$root$path"
    mount -t 9p -o "$mode,nodev,trans=virtio,version=9p2000.L,cache=mmap" "$tag" "$root$path"
  done </${SHARES_FILE}
fi
[ -f /${AGENT_FILE} ] && setsid sh /${AGENT_FILE} "$root" </dev/null >/dev/null 2>&1 &

if [ -f /${EXEC_DIRECTORY}/command ]; then
  read -r token </${EXEC_DIRECTORY}/token
  exec 3<>${EXEC_TTY}
  stty raw -echo crtscts icanon iexten eof '^D' lnext '^V' erase undef kill undef eol undef eol2 undef werase undef rprnt undef <&3
  stdin=/dev/null
  [ -f /${EXEC_DIRECTORY}/stdin ] && stdin=${EXEC_TTY}
  printf '${MARK_ESCAPE}${START_WORD} %s\\n' "$token" >&3
  {
    sh /${EXEC_DIRECTORY}/command <$stdin 2>&1 3>&-
    printf '${MARK_ESCAPE}${EXIT_WORD} %s %d\\n' "$token" $?
  } | cat >&3
  stty raw <&3
else
  read -r consoles </sys/class/tty/console/active
  console=/dev/\${consoles##* }
  [ -c "$console" ] || console=/dev/console
  setsid -c $shell <$console >$console 2>&1
  [ -n "$root" ] && mount -o remount,ro $root
fi
poweroff -f
`;
