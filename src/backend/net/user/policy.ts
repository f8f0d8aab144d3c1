import { isInside, type Prefix, parsePrefix } from "./address.ts";
import { isLocal, type NetworkPlan } from "./plan.ts";

/** What a guest may reach. */
export interface NetworkPolicy {
  /** "10.0.0.0/8", "1.2.3.4:443", ":25": addresses and ports that are refused; they count before `allow`. */
  readonly deny?: readonly string[] | undefined;
  /** If given, everything else is refused. */
  readonly allow?: readonly string[] | undefined;
  /** Whether the gateway's address leads to the host's own loopback address. */
  readonly hostLoopback?: boolean | undefined;
}

interface Rule {
  readonly prefix: Prefix;
  /** Undefined: any. */
  readonly port: number | undefined;
}

const LOOPBACK = "127.0.0.1";
const NEVER = ["0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4"].map(parsePrefix);

/** Decides where a guest's connections go. */
export class PolicyCheck {
  readonly #deny: readonly Rule[];
  readonly #allow: readonly Rule[] | undefined;
  readonly #hostLoopback: boolean;
  readonly #plan: NetworkPlan;

  /** Throws UserError for a rule that cannot be read. */
  constructor(plan: NetworkPlan, { deny = [], allow, hostLoopback = false }: NetworkPolicy = {}) {
    this.#plan = plan;
    this.#deny = deny.map(parseRule);
    this.#allow = allow?.map(parseRule);
    this.#hostLoopback = hostLoopback;
  }

  /** The host's name for an address that the guest wants to reach; undefined if it may not. */
  target(address: number, port: number, format: (address: number) => string): string | undefined {
    if (address === this.#plan.gateway) return this.#hostLoopback ? LOOPBACK : undefined;
    if (isLocal(this.#plan, address) || NEVER.some((prefix) => isInside(address, prefix))) return undefined;
    if (this.#deny.some((rule) => fits(rule, address, port))) return undefined;
    if (this.#allow && !this.#allow.some((rule) => fits(rule, address, port))) return undefined;
    return format(address);
  }
}

function parseRule(text: string): Rule {
  const match = /^([^:]*)(?::(\d{1,5}))?$/.exec(text);
  const prefix = match?.[1] ? parsePrefix(match[1]) : parsePrefix("0.0.0.0/0");
  return { prefix: match ? prefix : parsePrefix(text), port: match?.[2] === undefined ? undefined : Number(match[2]) };
}

function fits({ prefix, port: only }: Rule, address: number, port: number): boolean {
  return isInside(address, prefix) && (only === undefined || only === port);
}
