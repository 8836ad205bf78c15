/**
 * What the wallet keeps in this browser (IndexedDB): the token, passes with their keys, and the last answers of the
 * server. Keys cannot be exported, from here neither. A pass leaves together with its key.
 *
 * Which pass serves, in one transaction, so that two windows agree:
 * 1. what has expired is deleted
 * 2. the pass that was taken in this ten-minute slot goes on serving
 * 3. otherwise the pass before is deleted, and the one that expires soonest is taken
 * 4. unless it is the last: that one serves until it expires
 */

import { type DBSchema, type IDBPDatabase, openDB } from "idb";

import type { Notice, Standing, Survey } from "./api";
import type { Aspect } from "./cose";

export const SLOT = 600;

export interface NewPass {
  scope: number;
  aspect: Aspect;
  /** UNIX seconds. */
  exp: number;
  /** When it came, by the server's clock. */
  got: number;
  pass: Uint8Array;
  key: CryptoKey;
  /** Number of the slot in which it was first shown; null before. */
  slot: number | null;
}

export interface HeldPass extends NewPass {
  id: number;
}

export interface Identity {
  token: string;
  network: string;
}

/** The server's last word: `at` by the server's clock. */
export interface Known {
  standing: Standing;
  notices: Notice[];
  surveys: Survey[];
  at: number;
}

interface State {
  identity: Identity;
  known: Known;
  /** Server's clock minus this device's, in seconds. */
  offset: number;
}

interface Schema extends DBSchema {
  passes: { key: number; value: HeldPass; indexes: { scope: number } };
  state: { key: keyof State; value: State[keyof State] };
}

export class Store {
  private constructor(private readonly db: IDBPDatabase<Schema>) {}

  static async open(): Promise<Store> {
    const db = await openDB<Schema>("waypass-wallet", 1, {
      upgrade(fresh) {
        fresh.createObjectStore("passes", { keyPath: "id", autoIncrement: true }).createIndex("scope", "scope");
        fresh.createObjectStore("state");
      },
    });
    return new Store(db);
  }

  async get<Name extends keyof State>(name: Name): Promise<State[Name] | undefined> {
    return (await this.db.get("state", name)) as State[Name] | undefined;
  }

  async set<Name extends keyof State>(name: Name, value: State[Name]): Promise<void> {
    await this.db.put("state", value, name);
  }

  /** Passes of a scope that have not expired. */
  async passes(scope: number, now: number): Promise<HeldPass[]> {
    const held = await this.db.getAllFromIndex("passes", "scope", scope);
    return held.filter((one) => one.exp > now);
  }

  /** Add passes; with `replacing`, all earlier ones of these scopes go. */
  async add(passes: NewPass[], replacing: ReadonlySet<number>): Promise<void> {
    const change = this.db.transaction("passes", "readwrite");
    for (const scope of replacing) {
      for (const id of await change.store.index("scope").getAllKeys(scope)) await change.store.delete(id);
    }
    for (const one of passes) await change.store.add(one as HeldPass);
    await change.done;
  }

  /** The pass that serves at `now` (the module's rules), or null. */
  async take(scope: number, now: number): Promise<HeldPass | null> {
    const slot = Math.floor(now / SLOT);
    const change = this.db.transaction("passes", "readwrite");
    const live: HeldPass[] = [];
    for (const one of await change.store.index("scope").getAll(scope)) {
      if (one.exp > now) live.push(one);
      else await change.store.delete(one.id);
    }
    const serving = live.find((one) => one.slot !== null);
    const waiting = live.filter((one) => one.slot === null).sort((a, b) => a.exp - b.exp || a.id - b.id);
    let chosen = serving ?? null;
    const next = waiting[0];
    if (next !== undefined && serving?.slot !== slot) {
      if (serving !== undefined) await change.store.delete(serving.id);
      chosen = { ...next, slot };
      await change.store.put(chosen);
    }
    await change.done;
    return chosen;
  }

  /** Forget everything. */
  async clear(): Promise<void> {
    const change = this.db.transaction(["passes", "state"], "readwrite");
    await change.objectStore("passes").clear();
    await change.objectStore("state").clear();
    await change.done;
  }
}
