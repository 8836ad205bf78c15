/**
 * What the wallet knows of COSE (wire format, sections 2 and 3): it reads the times and aspects of its own passes, and
 * signs presentations around them. All that it writes is in core deterministic encoding, which is cborg's own.
 */

import { decode, encode } from "cborg";

import { toBase45 } from "./bytes";

const COSE_SIGN1 = 18;
/** The byte of tag 18, which cborg leaves to its caller. */
const TAG = 0xc0 | COSE_SIGN1;
const ES256 = encode(new Map([[1, -7]]));
const EXP = 4;
const ASPECTS = -70001;
const NAMES = ["green", "yellow", "red"] as const;

export type Aspect = (typeof NAMES)[number];

export interface PassContent {
  /** UNIX seconds. */
  exp: number;
  aspects: Map<number, Aspect>;
}

const READING = { useMaps: true, tags: { [COSE_SIGN1]: (read: () => unknown) => read() } };

/** What a pass says. The signature is the gate's business; the pass came from the server that signed it. */
export function readPass(pass: Uint8Array): PassContent {
  const [, , payload] = decode(pass, READING) as [unknown, unknown, Uint8Array];
  const claims = decode(payload, READING) as Map<number, unknown>;
  const exp = claims.get(EXP);
  const aspects = claims.get(ASPECTS);
  if (typeof exp !== "number" || !(aspects instanceof Map)) {
    throw new TypeError("pass: expected exp and aspects, got a pass without");
  }
  const named = [...(aspects as Map<number, number>)].map(([scope, aspect]) => [scope, NAMES[aspect] ?? "yellow"] as const);
  return { exp, aspects: new Map(named) };
}

/** The text of a code: the pass, signed by its holder's key for the second `t` in this network. */
export async function present(pass: Uint8Array, key: CryptoKey, t: number, network: string): Promise<string> {
  const payload = encode([t, pass]);
  const aad = new TextEncoder().encode(`waypass-presentation/1/${network}`);
  const signed = encode(["Signature1", ES256, aad, payload]);
  const signature = await sign(key, signed);
  const envelope = encode([ES256, new Map(), payload, signature]);
  return `WP2:${toBase45(Uint8Array.of(TAG, ...envelope))}`;
}

/** ES256: 64 bytes, r then s. */
export async function sign(key: CryptoKey, data: Uint8Array): Promise<Uint8Array> {
  // A copy, so that the bytes are known to lie in plain memory, as WebCrypto asks.
  const made = await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, key, new Uint8Array(data));
  return new Uint8Array(made);
}
