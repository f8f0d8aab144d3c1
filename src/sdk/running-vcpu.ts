import { HostKicker, type SharedHostVcpu } from "../engine/host/shared-vcpu.ts";
import { kickVcpu, retiredInstructions, type SharedVcpu } from "../engine/wasm/shared-vcpu.ts";

/** The vCPUs of a running machine, as its thread tells of them; the host engine has one. */
export type RunningVcpu =
  | { readonly engine: "wasm"; readonly vcpus: readonly SharedVcpu[] }
  | { readonly engine: "host"; readonly vcpu: SharedHostVcpu };

/** The same for the thread that started the machine. */
export interface RemoteVcpu {
  kick(): void;
  /** Guest instructions executed; undefined where nobody counts them. */
  instructions(): number | undefined;
}

/** What another thread can do with a running vCPU. */
export function remoteVcpu(running: RunningVcpu): RemoteVcpu {
  if (running.engine === "host") {
    const kicker = HostKicker.of(running.vcpu);
    return { kick: () => kicker.kick(), instructions: () => undefined };
  }
  const { vcpus } = running;
  return {
    // the first runs in the thread of the devices
    kick: () => kickVcpu(vcpus[0]!),
    instructions: () => vcpus.reduce((sum, vcpu) => sum + retiredInstructions(vcpu), 0),
  };
}
