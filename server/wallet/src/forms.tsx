/** A form of one text behind a button that opens it, with what came of it. */

import { useEffect, useRef, useState } from "preact/hooks";

import { said, useSpeech } from "./parts";

interface Asked {
  id: string;
  summary: string;
  text: string | null;
  label: string;
  /** Said when nothing was written. */
  empty: string;
  done: string;
  longest: number;
  send: (text: string) => Promise<void>;
}

export function TextForm({ id, summary, text, label, empty, done, longest, send }: Asked) {
  const words = useSpeech();
  const [typed, setTyped] = useState("");
  const [state, setState] = useState<"open" | "busy" | "done">("open");
  const [trouble, setTrouble] = useState<string | null>(null);
  const field = useRef<HTMLTextAreaElement>(null);
  const outcome = useRef<HTMLParagraphElement>(null);
  useEffect(() => {
    if (state === "done") outcome.current?.focus();
  }, [state]);

  async function submit(event: Event) {
    event.preventDefault();
    if (state === "busy") return;
    if (typed.trim() === "") return refuse(empty);
    setState("busy");
    setTrouble(null);
    try {
      await send(typed.trim());
      setState("done");
    } catch (error) {
      setState("open");
      refuse(said(error, words));
    }
  }

  function refuse(message: string) {
    setTrouble(message);
    field.current?.focus();
  }

  if (state === "done") return <p ref={outcome} tabIndex={-1} class="good">{done}</p>;
  return (
    <details>
      <summary>{summary}</summary>
      <form onSubmit={submit} noValidate>
        {text !== null && <p>{text}</p>}
        <label for={id}>{label}</label>
        <textarea
          id={id}
          ref={field}
          rows={5}
          maxLength={longest}
          value={typed}
          onInput={(event) => setTyped(event.currentTarget.value)}
          required
          aria-invalid={trouble !== null}
          aria-describedby={trouble === null ? undefined : `${id}-trouble`}
        />
        <p id={`${id}-trouble`} class="trouble" role="alert" hidden={trouble === null}>{trouble}</p>
        <button type="submit" class="main" aria-disabled={state === "busy"}>
          {state === "busy" ? words.sending : words.send}
        </button>
      </form>
    </details>
  );
}
