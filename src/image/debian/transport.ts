/** Reading bytes from http, https and file URLs, from an offset if the server can. */

import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { Agent, type Dispatcher, ProxyAgent, request } from "undici";
import { UserError } from "../../base/assert.ts";
import { type ProxyConfig, proxyFor } from "./apt-proxy.ts";

/** A body and the position of its first byte in the whole file (0 where the server cannot start in the middle). */
export interface Source {
  start: number;
  body: AsyncIterable<Uint8Array>;
}

/** The server answered that there is no such file. */
export class NotFoundError extends UserError {}

/** The connection failed or broke: worth another try. */
export class ConnectionError extends UserError {}

/** A server that says nothing for this long is taken for dead. */
const SILENCE_MS = 30_000;
const MAX_REDIRECTIONS = 5;

const CAUSES: Record<string, string> = {
  ENOTFOUND: "its name is not known",
  EAI_AGAIN: "its name cannot be looked up now",
  ECONNREFUSED: "it refuses connections",
  ECONNRESET: "it closed the connection",
  ETIMEDOUT: "it does not answer",
  EHOSTUNREACH: "there is no route to it",
  ENETUNREACH: "there is no network",
  UND_ERR_CONNECT_TIMEOUT: "it does not answer",
  UND_ERR_HEADERS_TIMEOUT: "it does not answer",
  UND_ERR_BODY_TIMEOUT: "it fell silent",
  UND_ERR_SOCKET: "it closed the connection",
};

/** What opens addresses. */
export type Opener = Pick<Transport, "open">;

export class Transport {
  readonly #proxies: ProxyConfig;
  readonly #dispatchers = new Map<string, Dispatcher>();

  constructor(proxies: ProxyConfig) {
    this.#proxies = proxies;
  }

  /** Opens a URL at a byte offset. Throws NotFoundError, ConnectionError or a UserError. */
  async open(address: string, offset = 0): Promise<Source> {
    const url = new URL(address);
    if (url.protocol === "file:" || url.protocol === "copy:") return openFile(url, offset);
    const { statusCode, headers, body } = await request(url, {
      dispatcher: this.#dispatcher(url),
      headers: { "accept-encoding": "identity", ...(offset > 0 && { range: `bytes=${offset}-` }) },
      maxRedirections: MAX_REDIRECTIONS,
    }).catch((error: unknown) => {
      throw connectionError(url, error);
    });
    if (statusCode === 200) return { start: 0, body: explained(url, body) };
    const range = /^bytes (\d+)-/.exec(String(headers["content-range"]));
    if (statusCode === 206 && range) return { start: Number(range[1]), body: explained(url, body) };
    await body.dump();
    if (statusCode === 416) return { start: offset, body: Readable.from([]) };
    throw statusError(address, statusCode);
  }

  /** Drops all connections. */
  async close(): Promise<void> {
    await Promise.all([...this.#dispatchers.values()].map((dispatcher) => dispatcher.destroy()));
    this.#dispatchers.clear();
  }

  #dispatcher(url: URL): Dispatcher {
    const proxy = proxyFor(url, this.#proxies, process.env);
    const key = proxy === undefined ? "" : `${url.protocol} ${proxy}`;
    const dispatcher = this.#dispatchers.get(key) ?? newDispatcher(url, proxy);
    this.#dispatchers.set(key, dispatcher);
    return dispatcher;
  }
}

/** Plain http goes to a proxy as an ordinary request: caches for packages seldom allow CONNECT. */
export function newDispatcher(url: URL, proxy: string | undefined): Dispatcher {
  const timeouts = { headersTimeout: SILENCE_MS, bodyTimeout: SILENCE_MS };
  if (proxy === undefined) return new Agent(timeouts);
  return new ProxyAgent({ ...timeouts, uri: proxy, proxyTunnel: url.protocol === "https:" });
}

async function openFile(url: URL, offset: number): Promise<Source> {
  const path = fileURLToPath(`file:${url.pathname}`);
  const found = await stat(path).catch(() => undefined);
  if (!found?.isFile()) throw notFound(path);
  return { start: offset, body: createReadStream(path, { start: offset }) };
}

function notFound(address: string): NotFoundError {
  return new NotFoundError(`${address} does not exist`, "Try again later, or name another mirror with --mirror.");
}

/** A body whose errors are ConnectionErrors. */
export async function* explained(url: URL, body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (error) {
    throw connectionError(url, error);
  }
}

/** A failed connection, in words. */
export function connectionError(url: URL, cause: unknown): ConnectionError {
  const error = cause as { code?: string; message?: string };
  const reason = CAUSES[error.code ?? ""] ?? error.message ?? String(cause);
  const remedy = "Check the network and the proxy settings, or name another mirror with --mirror.";
  return new ConnectionError(`cannot read from ${url.host}: ${reason}`, remedy, { cause });
}

function statusError(address: string, status: number): Error {
  if (status === 404 || status === 410) return notFound(address);
  const message = `${address}: the server answered with status ${status}`;
  if (status >= 500 || status === 429) return new ConnectionError(message, "Try again later, or use --mirror.");
  return new UserError(message, "Name another mirror with --mirror, or check the proxy settings.");
}
