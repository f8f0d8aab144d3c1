/**
 * The guest agent: a shell script that /init starts beside everything else, with the root that commands run in. It talks on port 0 of the virtio console, in
 * lines:
 *
 *     host: run ID IN OUT ERR SCRIPT    with ports as standard input (0: nothing), output and errors
 *           tty ID N 0 0 SCRIPT         on terminal N
 *           kill PID SIGNAL             to a command's whole session
 *           off                         ends all processes and switches off
 *     guest: hello · pid ID PID · exit ID STATUS
 *
 * SCRIPT has newlines and backslashes escaped for printf's %b. Input travels in frames: a line with its length, then so many
 * bytes; a length of 0 is the end. So a port never has to be closed, which the guest would see only some time later.
 */

import { directory, file, writeCpio } from "./cpio.ts";
import { EXEC_DIRECTORY } from "./exec-protocol.ts";

/** What /init runs if it is there. */
export const AGENT_FILE = `${EXEC_DIRECTORY}/agent`;
const PUMP_FILE = `${EXEC_DIRECTORY}/pump`;

const AGENT_SCRIPT = `root=\${1:-/}
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
while :; do
  for control in /dev/vport*p0; do :; done
  [ -c "$control" ] && break
  usleep 20000
done
ports=\${control%0}
exec 3<>"$control" </dev/null
cd /

run() {
  script=$(printf '%b.' "$5")
  exec >"$ports$3" 5>"$ports$4"
  if [ "$2" = 0 ]; then
    setsid chroot "$root" sh -c "\${script%.}" 2>&5 5>&-
  else
    exec 4<"$ports$2"
    { setsid sh /${PUMP_FILE} <&4 3<&- 4<&- 5>&- & echo $! >/${EXEC_DIRECTORY}/pump.$1; } |
      setsid chroot "$root" sh -c "\${script%.}" 2>&5 4<&- 5>&-
  fi
  status=$?
  [ "$2" = 0 ] || { read -r pump </${EXEC_DIRECTORY}/pump.$1; kill -9 "-$pump"; rm /${EXEC_DIRECTORY}/pump.$1; } 2>/dev/null
  printf 'exit %s %s\\n' "$1" "$status" >&3
}

terminal() {
  script=$(printf '%b.' "$3")
  while [ ! -c "/dev/hvc$2" ]; do usleep 20000; done
  setsid -c chroot "$root" sh -c "\${script%.}" <"/dev/hvc$2" >"/dev/hvc$2" 2>&1
  printf 'exit %s %s\\n' "$1" "$?" >&3
}

printf 'hello\\n' >&3
while :; do
  read -r verb id a b c rest <&3 || { usleep 20000; continue; }
  case $verb in
    run) run "$id" "$a" "$b" "$c" "$rest" & ;;
    tty) terminal "$id" "$a" "$rest" & ;;
    kill) kill "-$a" "-$id" 2>/dev/null ;;
    off)
      kill -TERM -1
      usleep 300000
      sync
      poweroff -f
      ;;
  esac
done
`;

const PUMP_SCRIPT = `until read -r length; do usleep 20000; done
while [ "$length" -gt 0 ]; do
  dd bs="$length" count=1 iflag=fullblock 2>/dev/null
  read -r length
done
`;

/** An initramfs, to be put after the root's, with the agent. */
export function agentInitrd(): Uint8Array {
  return writeCpio([
    directory("run"),
    directory(EXEC_DIRECTORY),
    file(AGENT_FILE, AGENT_SCRIPT),
    file(PUMP_FILE, PUMP_SCRIPT),
  ]);
}

/** A script as the agent takes it in a line. */
export function escapeScript(script: string): string {
  return script.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}
