import { createSocket } from "node:dgram";
import { getServers, lookup } from "node:dns";
import { isIPv4 } from "node:net";
import { DNS, DNS_PORT, DNS_TYPE } from "../../../spec/net/dns.ts";

const TTL_SECONDS = 60;
const FORWARD_TIMEOUT_MS = 5000;

/** A query's one question. */
interface Question {
  readonly name: string;
  readonly type: number;
  /** Where it ends in the message. */
  readonly end: number;
}

/**
 * Answers a query as the host would: addresses by its resolver, so that its hosts file counts too, everything else by its
 * name server. Resolves to undefined where there is nothing to say.
 */
export async function answerDns(query: Uint8Array): Promise<Uint8Array | undefined> {
  const question = readQuestion(query);
  if (question === undefined) return undefined;
  if (question.type === DNS_TYPE.A || question.type === DNS_TYPE.AAAA) return answerAddress(query, question);
  return forward(query);
}

/** Undefined for what is no query, or has not just one question of the Internet's class. */
function readQuestion(query: Uint8Array): Question | undefined {
  if (query.length < DNS.LENGTH) return undefined;
  const view = new DataView(query.buffer, query.byteOffset, query.length);
  const flags = view.getUint16(DNS.FLAGS);
  if (flags & (DNS.RESPONSE | DNS.OPCODE) || view.getUint16(DNS.QUESTIONS) !== 1) return undefined;
  const labels: string[] = [];
  let at: number = DNS.LENGTH;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    if (length > DNS.LABEL_MAXIMUM || at + 1 + length >= query.length) return undefined;
    labels.push(String.fromCharCode(...query.subarray(at + 1, at + 1 + length)));
    at += 1 + length;
  }
  if (at + 5 > query.length || view.getUint16(at + 3) !== DNS.CLASS_IN) return undefined;
  return { name: labels.join("."), type: view.getUint16(at + 1), end: at + 5 };
}

function answerAddress(query: Uint8Array, question: Question): Promise<Uint8Array> {
  const family = question.type === DNS_TYPE.A ? 4 : 6;
  return new Promise((resolve) => {
    lookup(question.name, { all: true, family }, (error, found) => {
      // a name without addresses of this family exists all the same, as far as can be told
      if (error)
        return resolve(
          answer(query, question, [], error.code === "ENOTFOUND" ? nameError(family) : DNS.SERVER_FAILURE),
        );
      resolve(
        answer(
          query,
          question,
          found.map(({ address }) => addressBytes(address)),
          0,
        ),
      );
    });
  });
}

/** A missing AAAA must not make a client give up on A. */
function nameError(family: 4 | 6): number {
  return family === 4 ? DNS.NAME_ERROR : 0;
}

function answer(query: Uint8Array, question: Question, addresses: readonly Uint8Array[], code: number): Uint8Array {
  const records = addresses.reduce((sum, address) => sum + 12 + address.length, 0);
  const message = new Uint8Array(question.end + records);
  const view = new DataView(message.buffer);
  message.set(query.subarray(0, question.end));
  const asked = view.getUint16(DNS.FLAGS) & DNS.RECURSION_DESIRED;
  view.setUint16(DNS.FLAGS, DNS.RESPONSE | DNS.RECURSION_AVAILABLE | asked | code);
  message.fill(0, DNS.ANSWERS, DNS.LENGTH);
  view.setUint16(DNS.ANSWERS, addresses.length);
  let at = question.end;
  for (const address of addresses) {
    view.setUint16(at, DNS.POINTER_TO_QUESTION);
    view.setUint16(at + 2, question.type);
    view.setUint16(at + 4, DNS.CLASS_IN);
    view.setUint32(at + 6, TTL_SECONDS);
    view.setUint16(at + 10, address.length);
    message.set(address, at + 12);
    at += 12 + address.length;
  }
  return message;
}

function addressBytes(address: string): Uint8Array {
  if (isIPv4(address)) return Uint8Array.from(address.split("."), Number);
  const [head = "", tail] = address.replace(/%.*$/, "").split("::");
  const groups = (text: string) => (text === "" ? [] : text.split(":").map((group) => Number.parseInt(group, 16)));
  const [first, last] = [groups(head), tail === undefined ? [] : groups(tail)];
  const all = [...first, ...new Array<number>(8 - first.length - last.length).fill(0), ...last];
  return Uint8Array.from(all.flatMap((group) => [group >>> 8, group & 0xff]));
}

/** Asks the host's first name server that is reached by IPv4. */
function forward(query: Uint8Array): Promise<Uint8Array | undefined> {
  const server = getServers().find((address) => isIPv4(address));
  if (server === undefined) return Promise.resolve(undefined);
  return new Promise((resolve) => {
    const socket = createSocket("udp4");
    const finish = (result: Uint8Array | undefined) => {
      clearTimeout(timer);
      socket.close();
      resolve(result);
    };
    const timer = setTimeout(() => finish(undefined), FORWARD_TIMEOUT_MS);
    socket.once("error", () => finish(undefined));
    socket.once("message", (message) => finish(message));
    socket.send(query.slice(), DNS_PORT, server);
  });
}
