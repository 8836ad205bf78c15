/** The wallet's views put together, and when it asks the server: at the start, every minute, and when there is news. */

import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";

import * as api from "./api";
import { Enrol } from "./enrol";
import { Paper } from "./paper";
import { SpeechContext, useSpeech } from "./parts";
import { Banner, PassCode } from "./pass";
import { Proofs } from "./proofs";
import type { Identity, Known } from "./store";
import { Surveys, unanswered } from "./survey";
import type { Wallet } from "./wallet";
import { Announced, announced, Notices, type Sending, Why } from "./why";
import { firstLanguage, keepLanguage, type Language, LANGUAGES, speech } from "./words";

const MINUTE = 60_000;

interface Kept {
  identity: Identity | null;
  known: Known | null;
}

export function App({ wallet, first }: { wallet: Wallet; first: Kept }) {
  const [language, setLanguage] = useState(firstLanguage);
  const [{ identity, known }, setKept] = useState(first);
  const [ended, setEnded] = useState(false);
  const [after, setAfter] = useState(false);
  const words = useMemo(() => speech(language), [language]);
  useEffect(() => {
    document.documentElement.lang = words.tag;
    document.title = words.title;
  }, [words]);

  const forget = useCallback(
    async (byServer: boolean) => {
      await wallet.forget();
      setEnded(byServer);
      setAfter(true);
      setKept({ identity: null, known: null });
    },
    [wallet],
  );

  async function enrol(code: string) {
    const made = await wallet.enrol(code);
    setEnded(false);
    setKept({ identity: made, known: null });
  }

  return (
    <SpeechContext.Provider value={words}>
      <header>
        <span class="brand">Waypass</span>
        {identity !== null && <span class="network">{identity.network}</span>}
        <Languages
          chosen={language}
          choose={(one) => {
            keepLanguage(one);
            setLanguage(one);
          }}
        />
      </header>
      <main>
        {identity === null ? (
          <Enrol ended={ended} after={after} enrol={enrol} />
        ) : (
          <Holder
            wallet={wallet}
            identity={identity}
            known={known}
            fresh={first.identity !== identity}
            heard={(news) => setKept({ identity, known: news })}
            forget={forget}
          />
        )}
      </main>
    </SpeechContext.Provider>
  );
}

function Languages({ chosen, choose }: { chosen: Language; choose: (language: Language) => void }) {
  const words = useSpeech();
  return (
    <nav aria-label={words.language}>
      {(Object.keys(LANGUAGES) as Language[]).map((one) => (
        <button key={one} type="button" lang={one} aria-pressed={one === chosen} onClick={() => choose(one)}>
          {LANGUAGES[one]}
        </button>
      ))}
    </nav>
  );
}

interface Held {
  wallet: Wallet;
  identity: Identity;
  known: Known | null;
  /** Enrolled a moment ago: the focus moves to the new view. */
  fresh: boolean;
  heard: (known: Known) => void;
  forget: (byServer: boolean) => Promise<void>;
}

function Holder({ wallet, identity, known, fresh, heard, forget }: Held) {
  const words = useSpeech();
  const { online, news, sync } = useServer(wallet, identity, known, heard, forget);
  const [chosen, choose] = useState<number | null>(null);
  const [focus, setFocus] = useState(fresh ? 1 : 0);
  useWakeLock();

  const sending: Sending = {
    objection: async (entry, text) => {
      await api.objectTo(identity.token, entry, text);
      void sync();
    },
    certificate: async (text) => {
      await api.handIn(identity.token, text);
      await sync();
      // The form goes with the lack that it mended.
      setFocus((count) => count + 1);
    },
  };
  if (known === null) return <p role="status">{online ? words.loading : words.noNetwork}</p>;
  const { scopes, entries, facts } = known.standing;
  const open = scopes.filter((one) => one.aspect !== null);
  const scope = open.find((one) => one.number === chosen) ?? open[0];
  return (
    <>
      {open.length > 1 && <Scopes scopes={open} chosen={scope?.number} choose={choose} />}
      {scope === undefined ? (
        <p class="card">{words.noPassScope}</p>
      ) : (
        <>
          <Banner scope={scope} focus={focus} />
          {announced(entries).length > 0 && <a class="news" href="#announced">{words.announcedLink}</a>}
          {unanswered(known.surveys, facts, wallet.now()).length > 0 && (
            <a class="news" href="#surveys">{words.surveysLink}</a>
          )}
          <PassCode
            key={scope.number}
            wallet={wallet}
            network={identity.network}
            scope={scope}
            online={online}
            news={news}
          />
        </>
      )}
      <p class={online ? "link" : "link lost"} role="status">
        {online ? words.online : words.offline}
      </p>
      <p class="hint centre">{words.checked(words.when(known.at))}</p>
      {scope !== undefined && <Why scope={scope} entries={entries} sending={sending} />}
      <Announced entries={entries} scopes={scopes} sending={sending} />
      <Surveys
        surveys={known.surveys}
        facts={facts}
        now={wallet.now()}
        send={async (ruleSet, answers) => {
          await api.answer(identity.token, ruleSet, answers);
          await sync();
        }}
      />
      <NotGranted names={scopes.filter((one) => one.aspect === null).map((one) => one.name)} />
      <Notices notices={known.notices} />
      <Proofs fetchFile={() => api.readProofs(identity.token)} name={`waypass-log-${identity.network}.json`} />
      {scope !== undefined && (
        <Paper key={scope.number} scope={scope} make={(number) => api.makePaper(identity.token, number)} />
      )}
      <Removal remove={() => forget(false)} />
    </>
  );
}

interface Choice {
  scopes: api.Scope[];
  chosen: number | undefined;
  choose: (scope: number) => void;
}

function Scopes({ scopes, chosen, choose }: Choice) {
  const words = useSpeech();
  return (
    <fieldset class="scopes">
      <legend>{words.service}</legend>
      {scopes.map((one) => (
        <label key={one.number}>
          <input type="radio" name="scope" checked={one.number === chosen} onChange={() => choose(one.number)} />
          <span dir="auto">{one.name}</span>
        </label>
      ))}
    </fieldset>
  );
}

function NotGranted({ names }: { names: string[] }) {
  const words = useSpeech();
  return names.length === 0 ? null : (
    <p class="hint">
      {words.notGranted} {names.join(", ")}
    </p>
  );
}

function Removal({ remove }: { remove: () => Promise<void> }) {
  const words = useSpeech();
  const [asked, setAsked] = useState(false);
  const question = useRef<HTMLParagraphElement>(null);
  useEffect(() => {
    if (asked) question.current?.focus();
  }, [asked]);
  return (
    <section aria-labelledby="phone">
      <h2 id="phone">{words.thisPhone}</h2>
      {asked ? (
        <div class="card">
          <p ref={question} tabIndex={-1}>{words.removeText}</p>
          <div class="buttons">
            <button type="button" onClick={() => void remove()}>{words.removeYes}</button>
            <button type="button" onClick={() => setAsked(false)}>{words.removeNo}</button>
          </div>
        </div>
      ) : (
        <button type="button" onClick={() => setAsked(true)}>{words.remove}</button>
      )}
    </section>
  );
}

/** Talks to the server while the page is in sight. A token that is no longer known ends the wallet. */
function useServer(
  wallet: Wallet,
  identity: Identity,
  known: Known | null,
  heard: (known: Known) => void,
  forget: (byServer: boolean) => Promise<void>,
) {
  const [online, setOnline] = useState(navigator.onLine);
  const [news, setNews] = useState(0);
  const tell = useRef(heard);
  tell.current = heard;

  const sync = useCallback(async () => {
    try {
      await wallet.sync(identity, (one) => tell.current(one));
      // The network may have gone since the last answer came.
      setOnline(navigator.onLine);
    } catch (error) {
      if (error instanceof api.NoNetwork) setOnline(false);
      else if (!(error instanceof api.Refused)) throw error;
      else if (error.status === 401) return forget(true);
      // Any other refusal passes or will be there in a minute again; the passes that are held go on serving.
    }
    setNews((count) => count + 1);
  }, [wallet, identity, forget]);

  useEffect(() => {
    const look = () => void (document.visibilityState === "visible" && sync());
    const lost = () => setOnline(false);
    const timer = setInterval(look, MINUTE);
    window.addEventListener("online", look);
    window.addEventListener("offline", lost);
    document.addEventListener("visibilitychange", look);
    look();
    return () => {
      clearInterval(timer);
      window.removeEventListener("online", look);
      window.removeEventListener("offline", lost);
      document.removeEventListener("visibilitychange", look);
    };
  }, [sync]);

  const until = known?.standing.until ?? null;
  useEffect(() => {
    if (until === null) return;
    const wait = (until + 1 - wallet.now()) * 1000;
    // Later changes are found by the minute's question; a timer cannot wait for weeks.
    if (wait < 0 || wait > MINUTE) return;
    const timer = setTimeout(() => void sync(), wait);
    return () => clearTimeout(timer);
  }, [until, news, sync, wallet]);

  return { online, news, sync };
}

/** Keeps the screen on while the code is in sight, where the browser can. */
function useWakeLock() {
  useEffect(() => {
    if (!("wakeLock" in navigator)) return;
    let over = false;
    let lock: WakeLockSentinel | null = null;
    async function hold() {
      if (document.visibilityState !== "visible") return;
      try {
        lock = await navigator.wakeLock.request("screen");
        if (over) await lock.release();
      } catch {
        lock = null; // the battery is low, or the browser forbids it: the wallet works without
      }
    }
    const seen = () => void hold();
    document.addEventListener("visibilitychange", seen);
    void hold();
    return () => {
      over = true;
      document.removeEventListener("visibilitychange", seen);
      void lock?.release();
    };
  }, []);
}
