/** Requests to a registry [OCI distribution-spec]: authentication [RFC 6750, RFC 7617, docker's token specification], then a body. */

import { Readable } from "node:stream";
import { type Dispatcher, request } from "undici";
import { UserError } from "../../base/assert.ts";
import { isLoopback, type ProxyConfig, proxyFor } from "../debian/apt-proxy.ts";
import {
  ConnectionError,
  connectionError,
  explained,
  NotFoundError,
  newDispatcher,
  type Source,
} from "../debian/transport.ts";
import { findCredentials } from "./credentials.ts";
import { MANIFEST_TYPES } from "./manifest.ts";
import type { Reference } from "./reference.ts";

const MAX_REDIRECTIONS = 5;
const HUB_HOST = "registry-1.docker.io";
const NO_PROXIES: ProxyConfig = new Map();
const TOKEN_MAXIMUM = 1 << 20;

/** The address of a registry's API. What is on this machine speaks plain http, everything else https. */
export function registryUrl({ registry }: Reference): URL {
  const host = registry === "docker.io" ? HUB_HOST : registry;
  const { hostname } = new URL(`http://${host}`);
  return new URL(`${isLoopback(hostname) ? "http" : "https"}://${host}/v2/`);
}

/** Opens addresses of one repository. */
export class RegistryTransport {
  readonly #reference: Reference;
  readonly #dispatchers = new Map<string, Dispatcher>();
  /** The header that the registry has accepted, or that its token service gave. */
  #authorization: string | undefined;
  #challenged: Promise<void> | undefined;

  constructor(reference: Reference) {
    this.#reference = reference;
  }

  /** Opens an address of the registry at a byte offset. Throws NotFoundError, ConnectionError or a UserError. */
  async open(address: string, offset = 0): Promise<Source> {
    const url = new URL(address);
    const first = await this.#request(url, offset);
    if (first.statusCode !== 401) return this.#source(url, offset, first);
    await first.body.dump();
    this.#challenged ??= this.#answer(String(first.headers["www-authenticate"] ?? ""));
    await this.#challenged;
    return this.#source(url, offset, await this.#request(url, offset));
  }

  /** Drops all connections. */
  async close(): Promise<void> {
    await Promise.all([...this.#dispatchers.values()].map((dispatcher) => dispatcher.destroy()));
    this.#dispatchers.clear();
  }

  async #request(url: URL, offset: number): Promise<Dispatcher.ResponseData> {
    const headers = {
      accept: [...MANIFEST_TYPES, "*/*"].join(", "),
      "accept-encoding": "identity",
      ...(offset > 0 && { range: `bytes=${offset}-` }),
      ...(this.#authorization && { authorization: this.#authorization }),
    };
    return this.#send(url, headers);
  }

  /** A redirection to another host is not given the authorization. */
  async #send(url: URL, headers: Record<string, string>): Promise<Dispatcher.ResponseData> {
    const options = { dispatcher: this.#dispatcher(url), headers, maxRedirections: MAX_REDIRECTIONS };
    return request(url, options).catch((error: unknown) => {
      const { message, cause } = connectionError(url, error);
      throw new ConnectionError(message, "Check the network, the name of the registry and the proxy settings.", {
        cause,
      });
    });
  }

  async #source(url: URL, offset: number, { statusCode, headers, body }: Dispatcher.ResponseData): Promise<Source> {
    if (statusCode === 200) return { start: 0, body: explained(url, body) };
    const range = /^bytes (\d+)-/.exec(String(headers["content-range"]));
    if (statusCode === 206 && range) return { start: Number(range[1]), body: explained(url, body) };
    await body.dump();
    if (statusCode === 416) return { start: offset, body: Readable.from([]) };
    throw this.#refusal(url, statusCode);
  }

  #refusal(url: URL, status: number): UserError {
    const { registry, repository, version } = this.#reference;
    const image = `${registry}/${repository}`;
    if (status === 401 || status === 403)
      return new UserError(
        `${registry} does not let us read ${repository} (status ${status})`,
        `It may not exist, or needs a login: \`docker login ${registry}\` or \`skopeo login\` with --authfile ~/.docker/config.json.`,
      );
    if (status === 404)
      return url.pathname.includes("/manifests/")
        ? new NotFoundError(`there is no ${image} with ${version}`, "Check the name and the tag.")
        : new NotFoundError(`${registry} lacks a part of ${image}`, "Push the image once more.");
    const message = `${url.host} answered with status ${status}`;
    if (status >= 500 || status === 429) return new ConnectionError(message, "Try again later.");
    return new UserError(message, "Check the name of the image.");
  }

  /** Gets what the registry asks for. Throws UserError. */
  async #answer(challenge: string): Promise<void> {
    const [, scheme = "", rest = ""] = /^\s*(\S+)\s*(.*)$/s.exec(challenge) ?? [];
    const credentials = await findCredentials(this.#reference.registry);
    if (scheme.toLowerCase() === "basic") {
      this.#authorization = credentials && `Basic ${credentials}`;
      return;
    }
    if (scheme.toLowerCase() !== "bearer") return;
    const fields = new Map(
      [...rest.matchAll(/(\w+)="([^"]*)"/g)].map(([, key, value]) => [key!.toLowerCase(), value!]),
    );
    this.#authorization = `Bearer ${await this.#token(fields, credentials)}`;
  }

  async #token(fields: ReadonlyMap<string, string>, credentials: string | undefined): Promise<string> {
    const url = this.#tokenUrl(fields.get("realm") ?? "");
    const service = fields.get("service");
    if (service !== undefined) url.searchParams.set("service", service);
    url.searchParams.set("scope", fields.get("scope") ?? `repository:${this.#reference.repository}:pull`);
    const response = await this.#send(url, credentials ? { authorization: `Basic ${credentials}` } : {});
    if (response.statusCode !== 200) {
      await response.body.dump();
      throw this.#refusal(url, response.statusCode);
    }
    const text = await response.body.text();
    const { token, access_token: accessToken } = parseToken(text.slice(0, TOKEN_MAXIMUM));
    if (typeof (token ?? accessToken) === "string") return String(token ?? accessToken);
    throw new UserError(`${url.host} gave no token`, "Try again later.");
  }

  /** Credentials go nowhere but over https, or to this machine itself. */
  #tokenUrl(realm: string): URL {
    const url = URL.canParse(realm) ? new URL(realm) : undefined;
    if (url && (url.protocol === "https:" || isLoopback(url.hostname))) return url;
    throw new UserError(
      `${this.#reference.registry} wants a token from "${realm}", which is not safe`,
      "Use another registry.",
    );
  }

  #dispatcher(url: URL): Dispatcher {
    const proxy = proxyFor(url, NO_PROXIES, process.env);
    const key = `${url.protocol} ${proxy ?? ""}`;
    const dispatcher = this.#dispatchers.get(key) ?? newDispatcher(url, proxy);
    this.#dispatchers.set(key, dispatcher);
    return dispatcher;
  }
}

function parseToken(text: string): { token?: unknown; access_token?: unknown } {
  try {
    return JSON.parse(text) as { token?: unknown };
  } catch {
    return {};
  }
}
