/** Why somebody stands where they stand: causes, entries that were announced, objections, notices. */

import { useState } from "preact/hooks";

import type { Cause, Entry, Notice, Objection, Scope } from "./api";
import { TextForm } from "./forms";
import { Facts, Sign, useSpeech } from "./parts";
import type { Speech } from "./words";

export interface Sending {
  objection: (entry: number, text: string) => Promise<void>;
  certificate: (text: string) => Promise<void>;
}

interface WhyShown {
  scope: Scope;
  entries: Entry[];
  sending: Sending;
}

export function Why({ scope, entries, sending }: WhyShown) {
  const words = useSpeech();
  return (
    <section aria-labelledby="why">
      <h2 id="why">{words.why}</h2>
      {scope.why.length === 0 && <p class="card">{words.whyNothing}</p>}
      {scope.why.map((cause) => (
        <CauseCard
          key={`${cause.kind} ${cause.id} ${cause.rule}`}
          cause={cause}
          entry={cause.kind === "entry" ? (entries.find((one) => one.id === cause.id) ?? null) : null}
          sending={sending}
        />
      ))}
    </section>
  );
}

function CauseCard({ cause, entry, sending }: { cause: Cause; entry: Entry | null; sending: Sending }) {
  const words = useSpeech();
  const missing = cause.kind === "no-evidence";
  return (
    <article class="card">
      <h3>
        <Sign aspect={cause.aspect} />
        {words[cause.aspect]}: {words.kinds[cause.kind] ?? cause.kind}
      </h3>
      <Facts
        rows={[
          [words.reason, missing ? words.noEvidence : cause.reason],
          [words.basis, cause.basis],
          [words.citation, cause.citation],
          [words.authority, cause.authority],
          [words.contact, cause.contact],
          [words.source, cause.source],
          ...period(words, cause.starts_at, cause.ends_at),
        ]}
      />
      {entry !== null && <Objections entry={entry} sending={sending} />}
      {missing && <Certificate sending={sending} />}
    </article>
  );
}

/** Entries that the holder was told of and that are not in effect. */
export function announced(entries: Entry[]): Entry[] {
  return entries.filter((one) => one.state === "notified" || one.state === "suspended");
}

export function Announced({ entries, scopes, sending }: { entries: Entry[]; scopes: Scope[]; sending: Sending }) {
  const words = useSpeech();
  const shown = announced(entries);
  if (shown.length === 0) return null;
  return (
    <section aria-labelledby="announced">
      <h2 id="announced">{words.announced}</h2>
      {shown.map((entry) => (
        <article class="card" key={entry.id}>
          <h3>
            <Sign aspect={entry.effect === "grant" ? "green" : entry.effect} />
            {entry.effect === "grant" ? words.kinds["grant"] : `${words[entry.effect]}: ${words.kinds["entry"]}`}
          </h3>
          <p>{notYet(words, entry)}</p>
          <Facts
            rows={[
              [words.services, names(entry, scopes)],
              [words.reason, entry.reason],
              [words.basis, entry.basis],
              [words.citation, entry.citation],
              [words.authority, entry.authority],
              [words.contact, entry.contact],
              ...period(words, entry.takes_effect_at, entry.ends_at),
            ]}
          />
          <Objections entry={entry} sending={sending} />
        </article>
      ))}
    </section>
  );
}

function Objections({ entry, sending }: { entry: Entry; sending: Sending }) {
  const words = useSpeech();
  // The form stays when its objection has arrived, so that the focus keeps its place on the answer.
  const [sent, setSent] = useState(false);
  return (
    <>
      {entry.objections.map((one) => (
        <Objected key={one.id} objection={one} />
      ))}
      {(entry.how_to_object !== null || sent) && (
        <TextForm
          id={`objection-${entry.id}`}
          summary={words.object}
          text={words.objectText}
          label={words.objectLabel}
          empty={words.objectEmpty}
          done={words.objectionSent}
          longest={2000}
          send={async (text) => {
            await sending.objection(entry.id, text);
            setSent(true);
          }}
        />
      )}
    </>
  );
}

function Objected({ objection }: { objection: Objection }) {
  const words = useSpeech();
  const open = objection.state === "open";
  return (
    <div class="objected">
      <h4>
        {words.objected}, {words.when(objection.made_at)}
      </h4>
      <p dir="auto">{objection.text}</p>
      <p>
        <strong>{words.objectionStates[objection.state] ?? objection.state}.</strong>{" "}
        {open && words.decideBy(words.when(objection.decide_by))}
      </p>
      {objection.answer !== null && <Facts rows={[[words.answer, objection.answer]]} />}
    </div>
  );
}

function Certificate({ sending }: { sending: Sending }) {
  const words = useSpeech();
  return (
    <TextForm
      id="certificate"
      summary={words.certificate}
      text={null}
      label={words.certificateLabel}
      empty={words.certificateLabel}
      done={words.certificateGood}
      longest={20_000}
      send={sending.certificate}
    />
  );
}

export function Notices({ notices }: { notices: Notice[] }) {
  const words = useSpeech();
  return (
    <section aria-labelledby="notices">
      <h2 id="notices">{words.notices}</h2>
      {notices.length === 0 && <p class="card">{words.noNotices}</p>}
      {notices.map((notice) => (
        <article class="card" key={notice.id}>
          <h3>{words.noticeKinds[notice.kind] ?? notice.kind}</h3>
          <p class="hint">{words.when(notice.created_at)}</p>
          <Facts
            rows={[
              [words.reason, text(notice.content["reason"])],
              [words.authority, text(notice.content["authority"])],
              [words.contact, text(notice.content["contact"])],
              [words.answer, text(notice.content["answer"])],
            ]}
          />
        </article>
      ))}
    </section>
  );
}

function period(words: Speech, from: number | null, until: number | null): [string, string | null][] {
  return [
    [words.from, from === null ? null : words.when(from)],
    [words.until, until === null ? null : words.when(until)],
  ];
}

function notYet(words: Speech, entry: Entry): string | null {
  if (entry.state === "suspended") return words.suspended;
  return entry.takes_effect_at === null ? null : words.announcedText(words.when(entry.takes_effect_at));
}

function names(entry: Entry, scopes: Scope[]): string {
  return entry.scopes.map((number) => scopes.find((one) => one.number === number)?.name ?? String(number)).join(", ");
}

const text = (value: unknown) => (typeof value === "string" ? value : null);
