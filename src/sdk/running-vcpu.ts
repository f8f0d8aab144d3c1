import { HostKicker, type SharedHostVcpu } from "../engine/host/shared-vcpu.ts";
import { kickVcpu, retiredInstructions, type SharedVcpu } from "../engine/wasm/shared-vcpu.ts";

/** The vCPU of a running machine, as its thread tells of it. */
export type RunningVcpu =
  | { readonly engine: "wasm"; readonly vcpu: SharedVcpu }
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
  const { vcpu } = running;
  return { kick: () => kickVcpu(vcpu), instructions: () => retiredInstructions(vcpu) };
}
