/** The network of a machine: user mode, without privileges, in the thread of the program. */

import { createLink, type SharedLink } from "../backend/net/ring-link.ts";
import { DEFAULT_PLAN } from "../backend/net/user/plan.ts";
import type { NetworkPolicy } from "../backend/net/user/policy.ts";
import { type PortForward, UserNetwork } from "../backend/net/user/user-network.ts";

/** What a machine's network lets in and out. By default everything goes out but to the host's own loopback, and nothing comes in. */
export interface NetworkOptions extends NetworkPolicy {
  /** Ports of the host's that lead to the guest's. */
  readonly forwards?: readonly PortForward[] | undefined;
}

/** What the machine's thread needs of a network card. */
export interface NetworkCard {
  readonly link: SharedLink;
  readonly mac: Uint8Array;
  readonly mtu: number;
}

/** A network that waits for its machine. */
export class GuestNetwork {
  readonly card: NetworkCard;
  readonly #network: UserNetwork;
  #wake: () => void = () => {};

  private constructor({ deny, allow, hostLoopback }: NetworkOptions) {
    const link = createLink();
    this.card = { link, mac: DEFAULT_PLAN.guestMac, mtu: DEFAULT_PLAN.mtu };
    const policy = { deny, allow, hostLoopback };
    this.#network = new UserNetwork(link, { plan: DEFAULT_PLAN, policy }, () => this.#wake());
  }

  /** Opens the forwarded ports. Throws UserError. */
  static async open(options: NetworkOptions): Promise<GuestNetwork> {
    const network = new GuestNetwork(options);
    try {
      await network.#network.forward(options.forwards ?? []);
    } catch (error) {
      network.close();
      throw error;
    }
    return network;
  }

  /** Carries frames from now on; `wake` makes the machine look at what came. */
  attach(wake: () => void): void {
    this.#wake = wake;
    void this.#network.serve();
  }

  close(): void {
    this.#network.close();
  }
}
