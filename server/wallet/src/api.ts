/** The server's calls that a wallet makes, and their answers as far as the wallet uses them. Times are UNIX seconds. */

import type { Aspect } from "./cose";

export interface Cause {
  kind: "entry" | "grant" | "fact" | "evidence" | "no-evidence" | "exemption" | "rule";
  aspect: Aspect;
  id: number | null;
  /** For a rule, which one of the version `id`. */
  rule: string | null;
  reason: string;
  basis: string | null;
  citation: string | null;
  authority: string | null;
  contact: string | null;
  source: string | null;
  starts_at: number | null;
  ends_at: number | null;
}

export interface Scope {
  number: number;
  name: string;
  /** null: by grant, and this person has none. */
  aspect: Aspect | null;
  why: Cause[];
}

export interface Objection {
  id: number;
  text: string;
  made_at: number;
  decide_by: number;
  state: string;
  answer: string | null;
}

export interface Entry {
  id: number;
  state: "notified" | "suspended" | "in-effect" | "ended";
  effect: "red" | "yellow" | "grant";
  scopes: number[];
  reason: string;
  basis: string;
  citation: string;
  authority: string;
  contact: string;
  takes_effect_at: number | null;
  ends_at: number;
  objections: Objection[];
  /** null: there is nothing to object to, or an objection waits already. */
  how_to_object: string | null;
}

/** As far as the wallet looks at one: whether answers to a survey count. */
export interface Fact {
  /** The rule set whose survey was answered; null for any other fact. */
  rule_set: number | null;
  valid_until: number;
  withdrawn_at: number | null;
}

/** A text in both languages. */
export interface Both {
  en: string;
  zh: string;
}

export interface Question {
  id: string;
  kind: "yes-no" | "choice" | "number" | "date";
  words: Both;
  choices: { value: string; words: Both }[];
  /** For a number, both inclusive. */
  least: number;
  most: number;
}

export interface Survey {
  rule_set: number;
  rule_set_version: number;
  authority: string;
  contact: string;
  words: Both;
  questions: Question[];
  /** For how many seconds answers count. */
  valid_for: number;
}

export type Answers = Record<string, boolean | number | string>;

export interface Standing {
  network: string;
  now: number;
  until: number | null;
  scopes: Scope[];
  entries: Entry[];
  facts: Fact[];
}

export interface Notice {
  id: number;
  kind: string;
  content: Record<string, unknown>;
  created_at: number;
}

export interface ProvenKey {
  x: string;
  y: string;
  proof: string;
  scopes: number[];
}

/** The server said no. `problem` is the last part of the problem's type, `detail` its own words. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly problem: string,
    readonly detail: string,
  ) {
    super(`${status} ${problem}: ${detail}`);
  }
}

/** No answer came. */
export class NoNetwork extends Error {}

const PATIENCE = 15_000;
const PREFIX = "urn:waypass:problem:";

async function ask(method: "GET" | "POST", path: string, token: string | null, kind: string, body?: unknown) {
  const headers: Record<string, string> = { Accept: kind };
  if (token !== null) headers["Authorization"] = `Bearer ${token}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const request: RequestInit = { method, headers, cache: "no-store", signal: AbortSignal.timeout(PATIENCE) };
  if (body !== undefined) request.body = JSON.stringify(body);
  let problem: { type?: string; detail?: string };
  let status: number;
  try {
    const response = await fetch(`/api/v1${path}`, request);
    if (response.ok) return await response.blob();
    ({ status } = response);
    problem = await response.json();
  } catch {
    throw new NoNetwork(`${method} ${path}`);
  }
  throw new Refused(status, (problem.type ?? "").replace(PREFIX, ""), problem.detail ?? "");
}

async function call<T>(method: "GET" | "POST", path: string, token: string | null, body?: unknown): Promise<T> {
  const answer = await ask(method, path, token, "application/json", body);
  try {
    return JSON.parse(await answer.text()) as T;
  } catch {
    throw new NoNetwork(`${method} ${path}`);
  }
}

export const enrol = (code: string) => call<{ token: string; network: string }>("POST", "/enrol", null, { code });

export const readStanding = (token: string) => call<Standing>("GET", "/me", token);

export const readNotices = (token: string) => call<Notice[]>("GET", "/me/notices", token);

/** What the public log has of the holder, with its proofs: a file that can be checked without this server. */
export const readProofs = (token: string) => ask("GET", "/me/log", token, "application/json");

/** What rules ask everybody now. */
export const readSurveys = () => call<Survey[]>("GET", "/surveys", null);

export const answer = (token: string, ruleSet: number, answers: Answers) =>
  call<unknown>("POST", `/me/surveys/${ruleSet}`, token, { answers });

export const challenge = (token: string) => call<{ nonce: string }>("POST", "/me/challenge", token);

export const makePasses = (token: string, nonce: string, keys: ProvenKey[]) =>
  call<{ passes: string[]; server_time: number }>("POST", "/me/passes", token, {
    nonce,
    scopes: keys[0]?.scopes ?? [],
    keys,
  });

export const objectTo = (token: string, entry: number, text: string) =>
  call<Objection>("POST", `/me/entries/${entry}/objection`, token, { text });

export const handIn = (token: string, text: string) => call<unknown>("POST", "/me/evidence", token, { text });

/** A page to print (PDF); the holder's earlier paper pass is no longer valid. */
export const makePaper = (token: string, scope: number) =>
  ask("POST", "/me/paper-pass", token, "application/pdf", { scopes: [scope] });
