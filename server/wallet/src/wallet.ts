/**
 * The wallet without its looks: enrolling, keeping passes for every scope that is open to the holder, and the text of
 * the code for now. Codes are made here, so that they need no network; only new passes do.
 */

import * as api from "./api";
import { fromBase64url, toBase64url } from "./bytes";
import { present, readPass, sign } from "./cose";
import type { HeldPass, Identity, Known, NewPass, Store } from "./store";

/** Passes of a scope that are kept ahead: two hours of slots. */
export const BATCH = 12;
const P256 = { name: "ECDSA", namedCurve: "P-256" };

export interface Code {
  text: string;
  held: HeldPass;
  /** Passes of this scope that are left, this one included. */
  left: number;
  /** When the last of them expires, in UNIX seconds. */
  until: number;
}

interface Wanted {
  scope: number;
  count: number;
  replace: boolean;
}

export class Wallet {
  private offset = 0;

  constructor(private readonly store: Store) {}

  /** What is kept: null before enrolment. */
  async open(): Promise<{ identity: Identity; known: Known | null } | null> {
    this.offset = (await this.store.get("offset")) ?? 0;
    const identity = await this.store.get("identity");
    if (identity === undefined) return null;
    const known = await this.store.get("known");
    // What an earlier version of the wallet kept has no surveys: it is asked for anew.
    return { identity, known: known?.surveys === undefined ? null : known };
  }

  /** The server's clock, as well as this device knows it. UNIX seconds with fractions. */
  now(): number {
    return Date.now() / 1000 + this.offset;
  }

  async enrol(code: string): Promise<Identity> {
    const identity = await api.enrol(code);
    await this.store.clear();
    await this.store.set("identity", identity);
    return identity;
  }

  /** Ask the server where the holder stands, and fetch passes where they run low. Raises `Refused`, `NoNetwork`. */
  async sync(identity: Identity, heard: (known: Known) => void): Promise<void> {
    const asked = Date.now();
    const standing = await api.readStanding(identity.token);
    await this.learnTime(standing.now, asked);
    const notices = await api.readNotices(identity.token);
    const surveys = await api.readSurveys();
    const known = { standing, notices: notices.reverse(), surveys, at: this.now() };
    await this.store.set("known", known);
    heard(known);
    // One window at a time: a nonce of this wallet makes the one before void.
    await navigator.locks.request("waypass-passes", () => this.refill(identity, known));
  }

  /** The code for now, or null when no pass is left. */
  async code(scope: number, network: string): Promise<Code | null> {
    const now = this.now();
    const held = await this.store.take(scope, now);
    if (held === null) return null;
    const passes = await this.store.passes(scope, now);
    const text = await present(held.pass, held.key, Math.floor(now), network);
    return { text, held, left: passes.length, until: Math.max(...passes.map((one) => one.exp)) };
  }

  async forget(): Promise<void> {
    await this.store.clear();
    this.offset = 0;
  }

  private async learnTime(serverTime: number, asked: number): Promise<void> {
    // The answer was written about halfway between question and answer.
    this.offset = serverTime - (asked + Date.now()) / 2000;
    await this.store.set("offset", this.offset);
  }

  /** Passes are fetched when fewer than half are left or half their life is over, and anew when they are void. */
  private async refill(identity: Identity, { standing, notices }: Known): Promise<void> {
    const wanted: Wanted[] = [];
    const withdrawn = Math.max(0, ...notices.filter((one) => one.kind === "withdrawal").map((one) => one.created_at + 1));
    for (const scope of standing.scopes) {
      const held = await this.store.passes(scope.number, this.now());
      const changed = held.some((one) => one.aspect !== scope.aspect || one.got < withdrawn);
      const good = changed ? 0 : held.filter((one) => one.exp - this.now() > (one.exp - one.got) / 2).length;
      if (scope.aspect === null) await this.store.add([], new Set([scope.number]));
      else if (good < BATCH / 2) wanted.push({ scope: scope.number, count: BATCH - good, replace: changed });
    }
    if (wanted.length > 0) await this.fetch(identity, wanted);
  }

  private async fetch(identity: Identity, wanted: Wanted[]): Promise<void> {
    const { nonce } = await api.challenge(identity.token);
    const made = await Promise.all(
      wanted.flatMap((want) => Array.from({ length: want.count }, () => newKey(identity.network, nonce, want.scope))),
    );
    const proven = made.map((one) => one.proven);
    const asked = Date.now();
    const answer = await api.makePasses(identity.token, nonce, proven);
    await this.learnTime(answer.server_time, asked);
    const passes = answer.passes.map((text, place) => this.kept(fromBase64url(text), made[place]?.key));
    await this.store.add(passes, new Set(wanted.filter((want) => want.replace).map((want) => want.scope)));
  }

  private kept(pass: Uint8Array, key: CryptoKey | undefined): NewPass {
    const { exp, aspects } = readPass(pass);
    const [named] = aspects;
    if (key === undefined || named === undefined) throw new TypeError("expected a key for each pass and a scope in it");
    const [scope, aspect] = named;
    return { scope, aspect, exp, got: this.now(), pass, key, slot: null };
  }
}

/** A fresh holder key that cannot leave this browser, and its proof over the server's nonce. */
async function newKey(network: string, nonce: string, scope: number): Promise<{ key: CryptoKey; proven: api.ProvenKey }> {
  const pair = await crypto.subtle.generateKey(P256, false, ["sign"]);
  const { x, y } = await crypto.subtle.exportKey("jwk", pair.publicKey);
  if (x === undefined || y === undefined) throw new TypeError("expected the coordinates of a new key, got none");
  const proof = await sign(pair.privateKey, new TextEncoder().encode(`waypass-holder-proof/1/${network}/${nonce}/${x}/${y}`));
  return { key: pair.privateKey, proven: { x, y, proof: toBase64url(proof), scopes: [scope] } };
}
