/** The first view: a code from the desk becomes a wallet. */

import { useRef, useState } from "preact/hooks";

import { readDeskCode, takeCodeFromAddress } from "./codes";
import { Heading, said, useSpeech } from "./parts";

interface Asked {
  /** A wallet on this phone was ended by the server. */
  ended: boolean;
  /** There was another view before, whose place this one takes. */
  after: boolean;
  enrol: (code: string) => Promise<void>;
}

export function Enrol({ ended, after, enrol }: Asked) {
  const words = useSpeech();
  const [typed, setTyped] = useState(takeCodeFromAddress);
  const [trouble, setTrouble] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const field = useRef<HTMLInputElement>(null);

  async function submit(event: Event) {
    event.preventDefault();
    if (busy) return;
    const code = readDeskCode(typed);
    if (code === null) return refuse(words.codeForm);
    setBusy(true);
    setTrouble(null);
    try {
      await enrol(code);
    } catch (error) {
      setBusy(false);
      refuse(said(error, words, { "wrong-code": words.codeWrong }));
    }
  }

  function refuse(message: string) {
    setTrouble(message);
    field.current?.focus();
  }

  if (!window.isSecureContext) return <p class="trouble" role="alert">{words.insecure}</p>;
  return (
    <form class="card" onSubmit={submit} noValidate>
      <Heading focus={after ? 1 : 0}>{words.enrolHeading}</Heading>
      {ended && <p class="trouble" role="alert">{words.ended}</p>}
      <p>{words.enrolText}</p>
      <label for="code">{words.code}</label>
      <input
        id="code"
        ref={field}
        value={typed}
        onInput={(event) => setTyped(event.currentTarget.value)}
        autocomplete="one-time-code"
        autocapitalize="characters"
        spellcheck={false}
        maxLength={20}
        required
        aria-invalid={trouble !== null}
        aria-describedby={trouble === null ? "code-hint" : "code-trouble code-hint"}
      />
      <p id="code-hint" class="hint">{words.codeHint}</p>
      <p id="code-trouble" class="trouble" role="alert" hidden={trouble === null}>{trouble}</p>
      <button type="submit" class="main" aria-disabled={busy}>{busy ? words.enrolling : words.enrolButton}</button>
    </form>
  );
}
