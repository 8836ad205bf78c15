/** A pass on paper, for whoever travels without this telephone: made when asked for, and kept nowhere. */

import { useEffect, useRef, useState } from "preact/hooks";

import type { Scope } from "./api";
import { said, useSpeech } from "./parts";

interface Asked {
  scope: Scope;
  make: (scope: number) => Promise<Blob>;
}

export function Paper({ scope, make }: Asked) {
  const words = useSpeech();
  const [page, setPage] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState<string | null>(null);
  const link = useRef<HTMLAnchorElement>(null);
  useEffect(() => {
    if (page === null) return;
    link.current?.focus();
    return () => URL.revokeObjectURL(page);
  }, [page]);

  async function print() {
    if (busy) return;
    setBusy(true);
    setTrouble(null);
    try {
      setPage(URL.createObjectURL(await make(scope.number)));
    } catch (error) {
      setTrouble(said(error, words));
    }
    setBusy(false);
  }

  return (
    <section aria-labelledby="paper">
      <h2 id="paper">{words.paper}</h2>
      <details>
        <summary>{words.paperMake}</summary>
        <div class="card made">
          <p>{words.paperText}</p>
          <p>{words.paperOnce}</p>
          {page === null ? (
            <button type="button" class="main" aria-disabled={busy} onClick={() => void print()}>
              {busy ? words.sending : words.paperButton}
            </button>
          ) : (
            <a ref={link} class="news" href={page} download="waypass.pdf">
              {words.paperReady}
            </a>
          )}
          <p class="trouble" role="alert" hidden={trouble === null}>{trouble}</p>
        </div>
      </details>
    </section>
  );
}
