import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { NotFoundError, type Source, Transport } from "./transport.ts";

async function text(source: Source): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source.body) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

describe("http", () => {
  let url: string;
  const seen: string[] = [];
  const server = createServer((request, response) => {
    seen.push(`${request.method} ${request.url}`);
    const status = Number(/status=(\d+)/.exec(request.url ?? "")?.[1] ?? 200);
    if (status === 302) response.setHeader("location", "/moved");
    response.writeHead(status).end("body");
  });

  beforeEach(async () => {
    seen.length = 0;
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });

  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  test("a proxy is asked for the whole address, without CONNECT", async () => {
    const transport = new Transport(new Map([["acquire::http::proxy", url]]));
    expect(await text(await transport.open("http://archive.invalid/debian/x"))).toBe("body");
    expect(seen).toEqual(["GET http://archive.invalid/debian/x"]);
    await transport.close();
  });

  test("redirections are followed", async () => {
    const transport = new Transport(new Map());
    expect(await text(await transport.open(`${url}/?status=302`))).toBe("body");
    expect(seen.at(-1)).toBe("GET /moved");
    await transport.close();
  });

  test("answers that are no file are errors; an offset past the end is an empty rest", async () => {
    const transport = new Transport(new Map());
    await expect(transport.open(`${url}/?status=404`)).rejects.toThrow(NotFoundError);
    await expect(transport.open(`${url}/?status=503`)).rejects.toThrow(/status 503/);
    await expect(transport.open(`${url}/?status=403`)).rejects.toThrow(/status 403/);
    const rest = await transport.open(`${url}/?status=416`, 9);
    expect([rest.start, await text(rest)]).toEqual([9, ""]);
    await transport.close();
  });
});

test("file URLs, from an offset", async () => {
  const directory = await mkdtemp(join(tmpdir(), "tskvm-test-"));
  const path = join(directory, "a file");
  await writeFile(path, "0123456789");
  const transport = new Transport(new Map());
  const source = await transport.open(pathToFileURL(path).href, 4);
  expect([source.start, await text(source)]).toEqual([4, "456789"]);
  await expect(transport.open(`${pathToFileURL(path)}x`)).rejects.toThrow(NotFoundError);
  await rm(directory, { recursive: true });
});
