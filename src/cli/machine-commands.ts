/** The commands for machines that run by themselves, as data. */

import type { OptionTable } from "./command-line.ts";
import type { CommandSpec } from "./commands.ts";

const HELP = { short: "h", help: "Show this help." } as const;
const JSON_OPTION = { help: "Print JSON." } as const;

const spec = <T extends OptionTable>(command: CommandSpec<T>): CommandSpec<T> => command;

/** tskvm ps */
export const PS = spec({
  name: "ps",
  usage: "[OPTION...]",
  summary: "list the machines that run by themselves",
  description: [
    "Lists what `tskvm run -d` has started. A machine whose process went without a word is dead.",
    "What is known of a machine is kept in $XDG_STATE_HOME/tskvm, by default ~/.local/state/tskvm, which only you can look into.",
  ],
  options: {
    all: { short: "a", help: "Those that do not run, too." },
    quiet: { short: "q", help: "Names only." },
    json: JSON_OPTION,
    help: HELP,
  },
  examples: [["all of them", "tskvm ps -a"]],
});

/** tskvm exec */
export const EXEC = spec({
  name: "exec",
  usage: "[OPTION...] NAME COMMAND [ARGUMENT...]",
  summary: "run a command in a running machine",
  description: [
    "The command's outputs and exit status become tskvm's. Its input is empty unless -i is given; with -t it has a terminal, which needs one here.",
  ],
  wordsFollow: true,
  options: {
    interactive: { short: "i", help: "Pass standard input to it." },
    tty: { short: "t", help: "Give it a terminal." },
    env: {
      short: "e",
      value: "NAME=VALUE",
      multiple: true,
      help: "A variable; without =VALUE with the value it has here. May be repeated.",
    },
    workdir: { short: "w", value: "DIR", help: "Run it in this directory." },
    user: { short: "u", value: "NAME", help: "Run it as this user." },
    help: HELP,
  },
  examples: [
    ["a shell", "tskvm exec -it web sh"],
    ["through a pipe", "echo hello | tskvm exec -i web tr a-z A-Z"],
  ],
});

/** tskvm logs */
export const LOGS = spec({
  name: "logs",
  usage: "[-f] NAME",
  summary: "show what a machine has written",
  description: ["Prints what its command wrote, or its console if it was given no command."],
  options: { follow: { short: "f", help: "Go on until the machine ends." }, help: HELP },
  examples: [["as it comes", "tskvm logs -f web"]],
});

/** tskvm cp */
export const CP = spec({
  name: "cp",
  usage: "NAME:PATH FILE | FILE NAME:PATH",
  summary: "copy a file into or out of a running machine",
  description: ["The target may be a directory. - is standard output, or input. For whole folders use `tskvm run -v`."],
  options: { help: HELP },
  examples: [
    ["in", "tskvm cp page.html web:/www"],
    ["out", "tskvm cp web:/etc/hosts -"],
  ],
});

/** tskvm stop */
export const STOP = spec({
  name: "stop",
  usage: "[--time SECONDS] NAME...",
  summary: "have machines end their processes and switch off",
  description: ["A guest that takes longer than --time loses its power."],
  options: { time: { value: "SECONDS", help: "How long it may take; 10 if not given." }, help: HELP },
  examples: [["at once", "tskvm stop --time 1 web"]],
});

/** tskvm start */
export const START = spec({
  name: "start",
  usage: "NAME...",
  summary: "start machines that have ended, as they were made",
  description: ["The root in memory is new; disks and shared folders are as they were left. The log goes on."],
  options: { help: HELP },
  examples: [["once more", "tskvm start web"]],
});

/** tskvm kill */
export const KILL = spec({
  name: "kill",
  usage: "NAME...",
  summary: "switch machines off, as pulling the plug does",
  description: ["Nothing in the guest is asked."],
  options: { help: HELP },
  examples: [["one that hangs", "tskvm kill web"]],
});

/** tskvm rm */
export const RM = spec({
  name: "rm",
  usage: "[--force] NAME...",
  summary: "forget machines that do not run",
  description: ["Removes the machine's entry and its log. Disks and folders stay."],
  options: { force: { short: "f", help: "Kill those that run." }, help: HELP },
  examples: [["whatever it does", "tskvm rm -f web"]],
});

/** tskvm inspect */
export const INSPECT = spec({
  name: "inspect",
  usage: "NAME...",
  summary: "print all that is known of machines, as JSON",
  description: ["A list, with the state as it is and the options that the machine was made with."],
  options: { json: JSON_OPTION, help: HELP },
  examples: [["one of them", "tskvm inspect web"]],
});

/** tskvm stats */
export const STATS = spec({
  name: "stats",
  usage: "[--json] [NAME...]",
  summary: "show what running machines have used",
  description: ["Time, guest instructions, and the memory of the machine's process."],
  options: { json: JSON_OPTION, help: HELP },
  examples: [["all that run", "tskvm stats"]],
});

/** tskvm port */
export const PORT = spec({
  name: "port",
  usage: "[--json] NAME",
  summary: "list a machine's forwarded ports",
  description: ["A line each: the guest's port, and where it is reached."],
  options: { json: JSON_OPTION, help: HELP },
  examples: [["of one", "tskvm port web"]],
});

/** Those commands, in the order of the help. */
export const MACHINE_COMMANDS: readonly CommandSpec[] = [
  PS,
  EXEC,
  LOGS,
  CP,
  STOP,
  START,
  KILL,
  RM,
  INSPECT,
  STATS,
  PORT,
];
