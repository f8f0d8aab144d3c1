/** The commands as data: what they take, and what their help says. */

import type { CommandLine, OptionTable, OptionValues } from "./command-line.ts";
import { MACHINE_COMMANDS } from "./machine-commands.ts";

/** What a command takes, and what its help says. */
export interface CommandSpec<T extends OptionTable = OptionTable> {
  readonly name: string;
  /** What follows the command's name. */
  readonly usage: string;
  readonly summary: string;
  /** Whether what follows the first argument is for somebody else, whatever it looks like. */
  readonly wordsFollow?: true;
  /** Paragraphs. */
  readonly description: readonly string[];
  readonly options: T;
  /** Things that it can be told to do, with what they do. */
  readonly actions?: readonly (readonly [usage: string, help: string])[];
  readonly examples: readonly (readonly [what: string, commandLine: string])[];
}

const HELP = { short: "h", help: "Show this help." } as const;

const RUN_OPTIONS = {
  kernel: { value: "FILE", help: "Boot this bzImage, ELF file with a PVH entry, or multiboot kernel." },
  firmware: {
    value: "FILE",
    help: "Start this PC BIOS, such as SeaBIOS, which boots from the disks; instead of a kernel.",
  },
  initrd: { value: "FILE", help: "Initial RAM disk; the first module of a multiboot or PVH kernel." },
  module: {
    value: "FILE[ WORDS]",
    multiple: true,
    help: "A module of a multiboot or PVH kernel, and the words it is given; may be repeated.",
  },
  append: { value: "TEXT", help: "Kernel parameters; with an image they follow its own, console=ttyS0 among them." },
  image: { value: "NAME", help: "Boot this image; see `tskvm images`. --kernel and --initrd replace its files." },
  "root-disk": {
    value: "FILE",
    help: "Keep the disk of IMAGE's root in this file, an overlay that is made if it is not there.",
  },
  env: {
    short: "e",
    value: "NAME=VALUE",
    multiple: true,
    help: "A variable for what runs in IMAGE; a name alone takes the value from here. May be repeated.",
  },
  user: { short: "u", value: "NAME|ID[:GROUP]", help: "Who it runs as, instead of what the image says." },
  workdir: { short: "w", value: "DIRECTORY", help: "Where it runs, instead of what the image says." },
  entrypoint: { value: "PROGRAM", help: "What COMMAND is the arguments of, instead of what the image says." },
  arch: { value: "amd64|i386", help: "Which default image; amd64 if not given." },
  mirror: { value: "URL", help: "Debian archive to get an image from, instead of those that apt is configured for." },
  memory: { short: "m", value: "SIZE", help: "RAM, 32M to 3G in whole MiB; a number alone counts MiB. Default 512M." },
  cpu: {
    value: "MODEL[,+FEATURE,-FEATURE]",
    help: "The processor that the guest sees; x86-64-v2 if not given. `--cpu help` lists models and features.",
  },
  disk: {
    value: "FILE[,WORD...]",
    multiple: true,
    help: "A disk: an image that `tskvm disk` makes, as a virtio device. Words: ro, format=raw|qcow2, serial=TEXT; may be repeated.",
  },
  network: {
    value: "user|none[,WORD...]",
    help: "A network card with a way out by the host's sockets; none if not given, but in a root. Words: deny=ADDRESS[/BITS][:PORT], allow= likewise (then nothing else), host-loopback (10.0.2.2 is the host); may be repeated.",
  },
  publish: {
    short: "p",
    value: "[ADDR:]PORT:GUEST[/udp]",
    multiple: true,
    help: "Connect a port of the host to one of the guest; brings a network.",
  },
  volume: {
    short: "v",
    value: "HOST:GUEST[:ro]",
    multiple: true,
    help: "Show a folder of the host in the guest, to read and write or only to read; the image is then one whose kernel can mount it. May be repeated.",
  },
  cpus: { value: "N", help: "Number of CPUs, 1 to 8; 1 if not given." },
  engine: {
    value: "auto|wasm|host",
    help: "What executes the guest: wasm, the software CPU; host, this machine's own by /dev/kvm; auto, the default, takes host where `tskvm doctor` finds it good.",
  },
  jit: { value: "auto|off", help: "Whether hot guest code is compiled (auto, the default) or everything interpreted." },
  exec: {
    value: "COMMAND",
    help: "Run a shell command in the guest; its output and exit status become tskvm's. Input that is no terminal is passed to it.",
  },
  detach: { short: "d", help: "Run the machine in a process of its own and print its name; see `tskvm ps`." },
  name: { value: "NAME", help: "The name of a machine that is detached; made up if not given." },
  rm: { help: "Forget a machine that is detached when it ends." },
  timeout: { value: "SECONDS", help: "Stop the machine after this time, with status 124." },
  "debug-exit": { help: "Have QEMU's isa-debug-exit at port 0xf4: a write of V ends with status (V << 1) | 1." },
  "test-device": {
    help: "Have QEMU's pc-testdev: interrupt lines at port 0x2000, echo ports at 0xe0, memory at 0xff000000.",
  },
  "no-reboot": { help: "End when the guest resets the machine, instead of starting anew." },
  stats: { help: "At the end print time, instructions, memory and what was compiled to standard error." },
  help: HELP,
} as const satisfies OptionTable;

const IMAGES_OPTIONS = {
  arch: { value: "amd64|i386", help: "Architecture of the image to pull, if no name is given." },
  mirror: RUN_OPTIONS.mirror,
  help: HELP,
} as const satisfies OptionTable;

const DISK_OPTIONS = {
  format: { short: "f", value: "raw|qcow2", help: "Format of the new image; qcow2 if not given." },
  "source-format": {
    value: "raw|qcow2",
    help: "Format of the image that is there, instead of what its first bytes tell.",
  },
  backing: {
    short: "b",
    value: "FILE",
    help: "create: make an overlay of this image, which then must not change any more.",
  },
  "backing-format": {
    short: "F",
    value: "raw|qcow2",
    help: "Format of --backing, instead of what its first bytes tell.",
  },
  "cluster-size": { value: "SIZE", help: "Of a new qcow2 image: 512 to 2M, a power of two; 64K if not given." },
  compat: { value: "2|3", help: "Version of a new qcow2 image; 3 if not given." },
  compression: { value: "zlib|zstd", help: "How a new qcow2 image compresses; zlib if not given." },
  compress: { short: "c", help: "convert: store the data compressed." },
  repair: { short: "r", help: "check: mend the counts, if nothing else is wrong." },
  shrink: { help: "resize: allow that the disk becomes smaller." },
  json: { help: "Print JSON." },
  help: HELP,
} as const satisfies OptionTable;

/** Options before a command. */
export const GLOBAL_OPTIONS = {
  help: HELP,
  version: { short: "V", help: "Show the version." },
} as const satisfies OptionTable;

/** tskvm run */
export const RUN: CommandSpec<typeof RUN_OPTIONS> = {
  name: "run",
  usage: "[OPTION...] [IMAGE [COMMAND [ARGUMENT...]]]",
  wordsFollow: true,
  summary: "boot a machine",
  description: [
    "Boots a machine with its serial port on this terminal: the default image, a Debian kernel with a small root, or the kernel that --kernel names. An image is downloaded once, verified, and kept in the cache.",
    "IMAGE may also be a root, which runs under our kernel on a disk of its own, with a network: debian:12, made here from the Debian archive; a reference to a registry such as alpine or ghcr.io/owner/name:tag; oci:DIRECTORY[:TAG]; docker-archive:FILE[:TAG]. COMMAND is run in it, by default what the image says. The disk is thrown away at the end unless --root-disk keeps it. debian:12 is Docker Hub's only with the registry's name, docker.io/library/debian:12. On a terminal the program has the console, and its status is not handed on.",
    "On a terminal Ctrl-A is the escape key: Ctrl-A x leaves, Ctrl-A h helps, Ctrl-A Ctrl-A sends Ctrl-A. In a pipe every byte passes untouched.",
    "The exit status is that of the command (--exec), 128 + N if signal N ended it, or of the debug-exit port; 0 if the guest ended the machine or you left; 124 after --timeout; 1 if something is wrong, a triple fault of the guest included.",
  ],
  options: RUN_OPTIONS,
  examples: [
    ["a shell in a 64-bit Linux", "tskvm run"],
    ["one command, in a 32-bit one", "tskvm run --arch i386 --exec 'uname -m; cat /proc/cpuinfo'"],
    ["through a pipe", "echo hello | tskvm run --exec 'tr a-z A-Z' >out"],
    ["in this folder", "tskvm run -v .:/work --exec 'ls /work'"],
    ["a whole Debian; apt works in it", "tskvm run debian:12"],
    ["a program in an image of a registry", "tskvm run -e NAME=value alpine:3 cat /etc/os-release"],
    ["a kernel of your own", "tskvm run --kernel bzImage --initrd root.cpio --append 'console=ttyS0' -m 1G"],
    ["in the background", "tskvm run -d --name web -p 8080:80 -v .:/www --exec 'httpd -f -h /www'"],
    ["a test kernel that ends by itself", "tskvm run --kernel test.elf --debug-exit --timeout 60"],
  ],
};

/** tskvm images */
export const IMAGES: CommandSpec<typeof IMAGES_OPTIONS> = {
  name: "images",
  usage: "[list | pull [NAME...] | rm NAME... | prune] [OPTION...]",
  summary: "list, download and remove images",
  description: [
    "An image is a kernel from the Debian archive with a small busybox root that is built here; or a root: debian:12, a reference to a registry, oci:DIRECTORY[:TAG], docker-archive:FILE[:TAG]. `tskvm run` pulls what is not in the cache, so this command is for looking, updating and tidying. Registries are given the credentials of ~/.docker/config.json.",
    "They are kept in $XDG_CACHE_HOME/tskvm, by default ~/.cache/tskvm.",
  ],
  actions: [
    ["list", "What there is, and what of it is in the cache; the default."],
    ["pull [NAME...]", "Get the newest version; of the default image if none is named."],
    ["rm NAME...", "Remove from the cache."],
    [
      "prune",
      "Remove what no image needs: indexes, downloads, layers and old versions, with the disks that overlays of these stand on.",
    ],
  ],
  options: IMAGES_OPTIONS,
  examples: [
    ["everything for work without a network", "tskvm images pull debian-cloud debian-686-pae"],
    ["from another mirror", "tskvm images pull debian --mirror http://deb.debian.org/debian"],
  ],
};

/** tskvm disk */
export const DISK: CommandSpec<typeof DISK_OPTIONS> = {
  name: "disk",
  usage: "ACTION FILE... [OPTION...]",
  summary: "make, show, check and change disk images",
  description: [
    "Raw and qcow2 images, with what QEMU's qemu-img calls backing files and internal snapshots. A size is a number of bytes with K, M, G or T behind it.",
    "Nothing is overwritten: a file that is there already is an error. check ends with status 0 for a sound image, 2 for errors, 3 for lost room.",
  ],
  actions: [
    ["create FILE [SIZE]", "Make an empty disk; with --backing an overlay, of that image's size if none is given."],
    ["info FILE...", "What an image is."],
    ["check FILE", "Whether a qcow2 image is sound; --repair mends its counts."],
    ["convert FILE NEWFILE", "Copy to a new image of another format, without backing files."],
    ["resize FILE [+]SIZE", "Make a disk larger, or smaller with --shrink."],
    ["commit FILE", "Write an overlay into the image it stands on, and empty it."],
    ["snapshot FILE [ACTION NAME]", "List the snapshots in a qcow2 image; or create, apply or delete one."],
  ],
  options: DISK_OPTIONS,
  examples: [
    [
      "a disk, and an overlay that keeps it as it is",
      "tskvm disk create base.qcow2 10G && tskvm disk create -b base.qcow2 work.qcow2",
    ],
    ["smaller, to give away", "tskvm disk convert -c work.qcow2 gift.qcow2"],
  ],
};

const DOCTOR_OPTIONS = {
  json: { help: "Print it as JSON." },
  help: HELP,
} as const satisfies OptionTable;

/** tskvm doctor */
export const DOCTOR: CommandSpec<typeof DOCTOR_OPTIONS> = {
  name: "doctor",
  usage: "[--json]",
  summary: "find out which engines can run here",
  description: [
    "Says of each engine whether it can run machines here, why not, and what to do about it. Of /dev/kvm it asks by a tiny guest that has half a second: on a machine that is a guest itself the kernel may only emulate.",
    "The exit status is 0 if an engine can run, else 1.",
  ],
  options: DOCTOR_OPTIONS,
  examples: [["what --engine auto will take", "tskvm doctor"]],
};

/** Every command, in the order of the help. */
export const COMMANDS: readonly CommandSpec[] = [RUN, ...MACHINE_COMMANDS, IMAGES, DISK, DOCTOR];

/** The values that a command was given. */
export type ValuesOf<S> = S extends CommandSpec<infer T> ? OptionValues<T> : never;

/** The arguments that a command was given. */
export type ArgumentsOf<S> = S extends CommandSpec<infer T> ? CommandLine<T> : never;
