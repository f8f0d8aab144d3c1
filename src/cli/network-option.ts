import { isIPv4 } from "node:net";
import { UserError } from "../base/assert.ts";
import type { NetworkOptions } from "../sdk/index.ts";

type Forward = NonNullable<NetworkOptions["forwards"]>[number];

const ANY_ADDRESS = "0.0.0.0";

/** What --network and --publish ask for; false if there is to be none, undefined if nothing is said. Throws UserError. */
export function parseNetworkOptions(
  network: string | undefined,
  publish: readonly string[] = [],
): NetworkOptions | false | undefined {
  if (network === undefined && publish.length === 0) return undefined;
  const [kind, ...words] = (network ?? "user").split(",");
  if (kind === "none" && publish.length > 0)
    throw new UserError("--publish needs a network", "Leave --network none out.");
  if (kind === "none") return false;
  if (kind !== "user") throw new UserError(`--network ${kind} is not known`, "Give user or none.");
  const list = (name: string) =>
    words.filter((word) => word.startsWith(`${name}=`)).map((word) => word.slice(name.length + 1));
  const unknown = words.find((word) => word !== "host-loopback" && !/^(allow|deny)=/.test(word));
  if (unknown !== undefined)
    throw new UserError(`--network does not know "${unknown}"`, "The words are allow=, deny= and host-loopback.");
  const allow = list("allow");
  return {
    forwards: publish.map(parseForward),
    deny: list("deny"),
    allow: allow.length > 0 ? allow : undefined,
    hostLoopback: words.includes("host-loopback"),
  };
}

/** As docker's -p: [ADDRESS:]HOST:GUEST[/udp]. */
function parseForward(text: string): Forward {
  const match = /^(?:([\d.]+):)?(\d{1,5}):(\d{1,5})(?:\/(tcp|udp))?$/.exec(text);
  const [, hostAddress = ANY_ADDRESS, host, guest, protocol = "tcp"] = match ?? [];
  const ports = [Number(host), Number(guest)] as const;
  if (!match || !isIPv4(hostAddress) || ports.some((port) => port < 1 || port > 65_535))
    throw new UserError(`--publish ${text} is no pair of ports`, "Write it like 8080:80 or 127.0.0.1:5353:53/udp.");
  return { protocol: protocol as "tcp" | "udp", hostAddress, hostPort: ports[0], guestPort: ports[1] };
}
