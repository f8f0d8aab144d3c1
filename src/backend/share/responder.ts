/** The host's side of a device that answers requests, each with one reply. */
export interface Responder {
  /** Bytes of the longest request and of the longest reply. */
  readonly longest: number;
  /** Answers a request; returns the length of the reply. It never throws for what the request says. */
  respond(request: Uint8Array, reply: Uint8Array): number;
  /** The guest begins anew. */
  reset(): void;
}
