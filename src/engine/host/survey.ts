import { accessSync, constants, existsSync, readFileSync, statSync } from "node:fs";
import { userInfo } from "node:os";
import { UserError } from "../../base/assert.ts";
import { KvmError } from "../../kvm/errno.ts";
import {
  KVM_CAP_EXT_CPUID,
  KVM_CAP_IMMEDIATE_EXIT,
  KVM_CAP_IRQ_ROUTING,
  KVM_CAP_IRQCHIP,
  KVM_CAP_MP_STATE,
  KVM_CAP_PIT2,
  KVM_CAP_SIGNAL_MSI,
  KVM_CAP_SPLIT_IRQCHIP,
  KVM_CAP_USER_MEMORY,
} from "../../spec/kvm/capability.ts";
import { EACCES, EBUSY, ENODEV, ENXIO, EPERM } from "../../spec/kvm/errno.ts";
import { KVM_API_VERSION } from "../../spec/kvm/ioctl.ts";
import { HostEngine } from "./engine.ts";
import { loadFfi } from "./ffi.ts";
import { type ProbeResult, probe } from "./probe.ts";

/** What a machine of ours needs of a KVM, besides interrupt controllers. */
const NEEDED: readonly (readonly [name: string, cap: number])[] = [
  ["KVM_CAP_USER_MEMORY", KVM_CAP_USER_MEMORY],
  ["KVM_CAP_IMMEDIATE_EXIT", KVM_CAP_IMMEDIATE_EXIT],
  ["KVM_CAP_IRQ_ROUTING", KVM_CAP_IRQ_ROUTING],
  ["KVM_CAP_EXT_CPUID", KVM_CAP_EXT_CPUID],
  ["KVM_CAP_MP_STATE", KVM_CAP_MP_STATE],
];

/** In a kernel that is built without PIC, I/O APIC and PIT there are the local APICs still. */
const CONTROLLERS = [
  [
    ["KVM_CAP_IRQCHIP", KVM_CAP_IRQCHIP],
    ["KVM_CAP_PIT2", KVM_CAP_PIT2],
  ],
  [
    ["KVM_CAP_SPLIT_IRQCHIP", KVM_CAP_SPLIT_IRQCHIP],
    ["KVM_CAP_SIGNAL_MSI", KVM_CAP_SIGNAL_MSI],
  ],
] as const;

/** Linux names a module of KVM after what it builds on. */
const MODULES = ["kvm_intel", "kvm_amd", "kvm_pvm"] as const;

/** Whether /dev/kvm can run machines here. */
export interface HostSurvey {
  readonly usable: boolean;
  /** Why it can or cannot, and what to do about that: sentences. */
  readonly reason: string;
  readonly remedy: string;
  /** The kernel's module, as far as it tells. */
  readonly module: string | undefined;
  /** Whether this machine is a guest itself. */
  readonly nested: boolean;
  /** What the probe guest did, if it came to that. */
  readonly probe: ProbeResult | undefined;
  /** Capabilities that are needed and absent. */
  readonly missing: readonly string[];
}

/** What is found out at last, and how. */
export type Verdict = Pick<HostSurvey, "usable" | "reason" | "remedy"> & Partial<Pick<HostSurvey, "probe" | "missing">>;

/** Finds out what /dev/kvm can do; takes some milliseconds, half a second if a guest hangs. `path` is for tests. */
export function surveyHost(path = "/dev/kvm"): HostSurvey {
  const module = MODULES.find((name) => existsSync(`/sys/module/${name}`));
  return { module, nested: cpuFlags().has("hypervisor"), probe: undefined, missing: [], ...judge(path) };
}

/** Whether the device is there and may be opened: what costs nothing to ask. */
export function deviceIsOpen(path = "/dev/kvm"): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function judge(path: string): Verdict {
  try {
    if (process.platform === "linux" && !existsSync(path)) return noDevice(path);
    if (process.platform === "linux" && !deviceIsOpen(path)) return noPermission(path);
    loadFfi();
    const engine = new HostEngine(path);
    try {
      return judgeEngine(engine, () => probe(engine));
    } finally {
      engine.close();
    }
  } catch (error) {
    if (error instanceof UserError) return no(`${capital(error.message)}.`, error.remedy);
    if (error instanceof KvmError) return refused(error, path);
    throw error;
  }
}

/** What the kernel's errno means at a device that is there and may be opened. */
function refused(error: KvmError, path: string): Verdict {
  switch (error.errno) {
    case ENODEV:
    case ENXIO:
      return noDriver(`There is ${path}, and no module of KVM behind it.`, path);
    case EPERM:
    case EACCES:
      return no(
        `The kernel keeps this process from ${path}, as it does in a container.`,
        `Give the container the device, as by --device ${path}.`,
      );
    case EBUSY:
      return no(
        `The kernel refuses: ${error.message}. Another hypervisor has the processor.`,
        "End the other one (VirtualBox, VMware), or unload its modules.",
      );
    default:
      return no(`The kernel refuses: ${error.message}.`, "See `dmesg` for its reason.");
  }
}

/** Judges a KVM that can be asked; `runProbe` is the probe on it. */
export function judgeEngine(
  engine: Pick<HostEngine, "getApiVersion" | "checkExtension">,
  runProbe: () => ProbeResult,
): Verdict {
  const version = engine.getApiVersion();
  if (version !== KVM_API_VERSION)
    return no(`Its API version is ${version}, not ${KVM_API_VERSION}.`, "Use Linux 2.6.22 or newer.");
  const lacks = ([, cap]: readonly [string, number]) => engine.checkExtension(cap) === 0;
  const controllers = CONTROLLERS.some((each) => !each.some(lacks)) ? [] : CONTROLLERS.flat();
  const missing = [...NEEDED, ...controllers].filter(lacks).map(([name]) => name);
  if (missing.length > 0) return { ...no(`It lacks ${missing.join(", ")}.`, "Use a newer kernel."), missing };
  const found = runProbe();
  if (found.verdict === "runs") return { usable: true, reason: "A 64-bit guest runs.", remedy: "", probe: found };
  const elsewhere =
    "Real-mode and 32-bit guests may run by --engine host; ask whoever runs this machine for nested virtualization, or use another.";
  if (found.verdict === "emulated")
    return { ...no(`The kernel emulates guests, and has no instruction ${found.at}.`, elsewhere), probe: found };
  return { ...no(`A 64-bit guest fails: ${found.how}.`, elsewhere), probe: found };
}

function noDevice(path: string): Verdict {
  return noDriver(`There is no ${path}.`, path);
}

function noDriver(reason: string, path: string): Verdict {
  const flags = cpuFlags();
  const extension = flags.has("vmx") ? "kvm_intel" : flags.has("svm") ? "kvm_amd" : undefined;
  if (extension !== undefined)
    return no(
      `${reason} The processor has ${extension === "kvm_intel" ? "VT-x" : "AMD-V"}.`,
      `Run \`modprobe ${extension}\` as root; in a container give it the device, as by --device ${path}.`,
    );
  return no(
    `${reason} The processor shows neither VT-x nor AMD-V.`,
    flags.has("hypervisor")
      ? "This is a virtual machine: its host has to allow nested virtualization."
      : "Turn virtualization on in the firmware's setup.",
  );
}

const GROUP_READS_AND_WRITES = 0o060;

function noPermission(path: string): Verdict {
  const { gid, mode } = statSync(path);
  const group = groupName(gid);
  const user = userInfo().username;
  const helpsMembers = group !== "root" && (mode & GROUP_READS_AND_WRITES) === GROUP_READS_AND_WRITES;
  const remedy = helpsMembers
    ? `Run \`sudo usermod -aG ${group} ${user}\` and log in again.`
    : `Run \`chmod 666 ${path}\` as root, or run this as root.`;
  return no(`${user} may not open ${path}, which is for the group ${group}.`, remedy);
}

function groupName(gid: number): string {
  const line = text("/etc/group")
    .split("\n")
    .find((each) => each.split(":")[2] === String(gid));
  return line?.split(":")[0] ?? String(gid);
}

function cpuFlags(): Set<string> {
  return new Set(/^flags\s*: (.*)$/m.exec(text("/proc/cpuinfo"))?.[1]?.split(" "));
}

function text(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}

function no(reason: string, remedy: string): Verdict {
  return { usable: false, reason, remedy };
}

function capital(words: string): string {
  return words.charAt(0).toUpperCase() + words.slice(1);
}
