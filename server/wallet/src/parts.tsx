/** Small parts that several views use. */

import type { ComponentChildren } from "preact";
import { createContext } from "preact";
import { useContext, useEffect, useRef } from "preact/hooks";

import { NoNetwork, Refused } from "./api";
import type { Aspect } from "./cose";
import type { Speech } from "./words";
import { speech } from "./words";

export const SpeechContext = createContext<Speech>(speech("en"));
export const useSpeech = () => useContext(SpeechContext);

const PATHS: Record<Aspect, string> = {
  green: "M10 26 21 37 39 13",
  yellow: "M14 25V14a3 3 0 0 1 6 0V9a3 3 0 0 1 6 0v3a3 3 0 0 1 6 0v5a3 3 0 0 1 6 0v13c0 9-5 13-12 13-8 0-11-5-16-14-2-4 2-7 4-4z",
  red: "M9 24H39",
};

/** Tick, raised hand, bar: the same signs as at the gate. The words stand beside them. */
export function Sign({ aspect }: { aspect: Aspect }) {
  return (
    <svg class={`sign sign-${aspect}`} viewBox="0 0 48 48" aria-hidden="true" focusable="false">
      <path d={PATHS[aspect]} />
    </svg>
  );
}

/** A heading that takes the focus after something that the holder did: each time that `focus` counts on from 0. */
export function Heading({ focus, children }: { focus: number; children: ComponentChildren }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (focus > 0) heading.current?.focus();
  }, [focus]);
  return (
    <h1 ref={heading} tabIndex={-1}>
      {children}
    </h1>
  );
}

/** Rows of a description list; rows without a value are left out. */
export function Facts({ rows }: { rows: [string, string | null][] }) {
  return (
    <dl>
      {rows.map(([name, value]) =>
        value === null ? null : (
          <div key={name}>
            <dt>{name}</dt>
            <dd dir="auto">{value}</dd>
          </div>
        ),
      )}
    </dl>
  );
}

/** What to say to the holder of a failed call. Errors that are bugs go on. */
export function said(error: unknown, words: Speech, special: Record<string, string> = {}): string {
  if (error instanceof NoNetwork) return words.noNetwork;
  if (!(error instanceof Refused)) throw error;
  if (error.status === 429) return words.tooMany;
  return special[error.problem] ?? `${words.refused} ${error.detail}`;
}
