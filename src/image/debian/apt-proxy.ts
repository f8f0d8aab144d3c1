/** The proxies that apt is told to use [apt-transport-http(1)]; the environment's are taken where it says nothing. */

import { execFile } from "node:child_process";
import { promisify } from "node:util";

/** Names of Acquire::http::Proxy and the like (in lower case) to their values. */
export type ProxyConfig = ReadonlyMap<string, string>;

/** Asks apt-config; empty where there is no apt. */
export async function readAptProxies(): Promise<ProxyConfig> {
  const dump = promisify(execFile)("apt-config", ["dump"], { maxBuffer: 1 << 24 });
  return parseAptProxies(await dump.then((result) => result.stdout).catch(() => ""));
}

/** Takes the proxy settings out of what apt-config dumps. */
export function parseAptProxies(dump: string): ProxyConfig {
  const matches = dump.matchAll(/^(Acquire::https?::Proxy(?:::[^ ]+)?) "(.*)";$/gim);
  return new Map([...matches].map(([, name, value]) => [name!.toLowerCase(), value!]));
}

/** The proxy for a URL: its host's own setting, else its scheme's; undefined means straight to the server. */
export function proxyFor(url: URL, config: ProxyConfig, env: NodeJS.ProcessEnv): string | undefined {
  if (isLoopback(url.hostname)) return undefined;
  const scheme = url.protocol.slice(0, -1);
  const option = `acquire::${scheme}::proxy`;
  const common = config.get(option) || (scheme === "https" ? config.get("acquire::http::proxy") : undefined);
  const chosen = config.get(`${option}::${url.hostname}`) || common || environmentProxy(url, scheme, env);
  return !chosen || chosen.toUpperCase() === "DIRECT" ? undefined : chosen;
}

/** Whether a URL's host is this machine itself. */
export function isLoopback(hostname: string): boolean {
  return /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname);
}

function environmentProxy(url: URL, scheme: string, env: NodeJS.ProcessEnv): string | undefined {
  const exempt = (env.no_proxy ?? env.NO_PROXY ?? "").split(",").map((item) => item.trim().replace(/^\*?\./, ""));
  const matches = (domain: string) => domain === "*" || url.hostname === domain || url.hostname.endsWith(`.${domain}`);
  if (exempt.some((domain) => domain !== "" && matches(domain))) return undefined;
  return env[`${scheme}_proxy`] ?? env[`${scheme}_proxy`.toUpperCase()];
}
