import { ARP, ETHERTYPE } from "../../../spec/net/packet.ts";
import { AT, type FrameSender } from "./packet.ts";
import { isLocal, type NetworkPlan } from "./plan.ts";

/** Answers for every address of the network but the guest's: all of them are ours. [RFC 826] */
export function answerArp(frame: Uint8Array, plan: NetworkPlan, sender: FrameSender): void {
  const request = frame.subarray(AT.payload);
  if (request.length < ARP.LENGTH) return;
  const view = new DataView(request.buffer, request.byteOffset, ARP.LENGTH);
  if (view.getUint16(ARP.OPERATION) !== ARP.REQUEST || view.getUint16(ARP.PROTOCOL) !== ETHERTYPE.IPV4) return;
  const target = view.getUint32(ARP.TARGET_IP);
  if (!isLocal(plan, target) || target === plan.guest || target === view.getUint32(ARP.SENDER_IP)) return;
  sender.ethernet(ETHERTYPE.ARP, ARP.LENGTH, (reply, into) => {
    into.setUint16(ARP.HARDWARE, ARP.ETHERNET);
    into.setUint16(ARP.PROTOCOL, ETHERTYPE.IPV4);
    into.setUint16(ARP.SIZES, ARP.SIZES_VALUE);
    into.setUint16(ARP.OPERATION, ARP.REPLY);
    reply.set(plan.gatewayMac, ARP.SENDER_MAC);
    into.setUint32(ARP.SENDER_IP, target);
    reply.set(request.subarray(ARP.SENDER_MAC, ARP.SENDER_MAC + 10), ARP.TARGET_MAC);
  });
}
