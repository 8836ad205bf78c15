/** What the public log has of the holder, as a file with its proofs: fetched when asked for, and kept nowhere. */

import { useEffect, useRef, useState } from "preact/hooks";

import { said, useSpeech } from "./parts";

interface Asked {
  fetchFile: () => Promise<Blob>;
  name: string;
}

export function Proofs({ fetchFile, name }: Asked) {
  const words = useSpeech();
  const [file, setFile] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState<string | null>(null);
  const link = useRef<HTMLAnchorElement>(null);
  useEffect(() => {
    if (file === null) return;
    link.current?.focus();
    return () => URL.revokeObjectURL(file);
  }, [file]);

  async function prepare() {
    if (busy) return;
    setBusy(true);
    setTrouble(null);
    try {
      setFile(URL.createObjectURL(await fetchFile()));
    } catch (error) {
      setTrouble(said(error, words, { "not-found": words.logNotYet }));
    }
    setBusy(false);
  }

  return (
    <section aria-labelledby="log">
      <h2 id="log">{words.log}</h2>
      <details>
        <summary>{words.logMake}</summary>
        <div class="card made">
          <p>{words.logText}</p>
          {file === null ? (
            <button type="button" class="main" aria-disabled={busy} onClick={() => void prepare()}>
              {busy ? words.sending : words.logButton}
            </button>
          ) : (
            <a ref={link} class="news" href={file} download={name}>
              {words.logReady}
            </a>
          )}
          <p class="trouble" role="alert" hidden={trouble === null}>{trouble}</p>
        </div>
      </details>
    </section>
  );
}
