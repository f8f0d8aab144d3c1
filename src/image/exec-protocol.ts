/** What /init in the guest and ExecChannel on the host agree on; exec-channel.ts describes the protocol. */

/** Where the exec initrd puts its files, without the leading slash. */
export const EXEC_DIRECTORY = "run/tskvm";
/** The second 16550 of the board. */
export const EXEC_TTY = "/dev/ttyS1";
/** First byte of a marker: ASCII record separator. */
export const MARK = 0x1e;
export const START_WORD = "tskvm-start";
export const EXIT_WORD = "tskvm-exit";
/** Kernel parameters that keep the kernel's messages off the console while a command runs. */
export const EXEC_APPEND = "quiet loglevel=1";
/** A script that /init reads before it runs anything, if there is one: it mounts a root, and says what runs in it. */
export const ROOT_SCRIPT = `/${EXEC_DIRECTORY}/root`;
/** The program that starts another one in the root. */
export const ROOT_LAUNCHER = `/${EXEC_DIRECTORY}/launch`;
/** Where the root is mounted. */
export const ROOT_MOUNT = "/newroot";
