import { maskOf, parseIpv4 } from "./address.ts";

/** The addresses of a guest's network. */
export interface NetworkPlan {
  readonly prefixLength: number;
  readonly gateway: number;
  readonly dns: number;
  readonly guest: number;
  readonly gatewayMac: Uint8Array;
  readonly guestMac: Uint8Array;
  readonly mtu: number;
}

/** The plan that QEMU's user network has too, so that what people know holds. */
export const DEFAULT_PLAN: NetworkPlan = {
  prefixLength: 24,
  gateway: parseIpv4("10.0.2.2")!,
  dns: parseIpv4("10.0.2.3")!,
  guest: parseIpv4("10.0.2.15")!,
  gatewayMac: Uint8Array.of(0x52, 0x55, 10, 0, 2, 2),
  guestMac: Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, 0x56),
  mtu: 1500,
};

/** Whether an address is on the guest's own network. */
export function isLocal({ gateway, prefixLength }: NetworkPlan, address: number): boolean {
  return ((address ^ gateway) & maskOf(prefixLength)) === 0;
}
