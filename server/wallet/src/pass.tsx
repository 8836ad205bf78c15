/** The view that one shows at the gate: colour with sign and words, and the code, renewed every ten seconds. */

import { useEffect, useState } from "preact/hooks";

import type { Scope } from "./api";
import { Heading, Sign, useSpeech } from "./parts";
import { QrCode } from "./qr";
import type { Code, Wallet } from "./wallet";

const RENEWAL = 10_000;

interface Shown {
  wallet: Wallet;
  network: string;
  scope: Scope;
  online: boolean;
  /** Counts the answers of the server, so that a code is made anew after each. */
  news: number;
}

export function Banner({ scope, focus }: { scope: Scope; focus: number }) {
  const words = useSpeech();
  const { aspect } = scope;
  if (aspect === null) return null;
  return (
    <div class={`banner ${aspect}`}>
      <Sign aspect={aspect} />
      <div>
        <Heading focus={focus}>
          <span>{words[aspect]}</span> <span class="scope" dir="auto">{scope.name}</span>
        </Heading>
        <p role="status">{words[`${aspect}Text`]}</p>
      </div>
    </div>
  );
}

export function PassCode({ wallet, network, scope, online, news }: Shown) {
  const words = useSpeech();
  const code = useCode(wallet, network, scope.number, news);
  if (code === undefined) return <div class="code empty" aria-hidden="true" />;
  if (code === null) {
    return (
      <div class="code empty" role="status">
        <p>
          {words.noPass} {online ? words.noPassOnline : words.noPassOffline}
        </p>
      </div>
    );
  }
  return (
    <>
      <QrCode text={code.text} label={words.codeLabel} />
      <div class="renewal" aria-hidden="true">
        <div key={code.text} />
      </div>
      {scope.aspect !== "red" && <p class="hint centre">{words.codeHelp}</p>}
      <p class="hint centre">
        {words.left(code.left, words.when(code.until))}
      </p>
    </>
  );
}

/** The code for now; undefined until the first is made, null when no pass is left. */
function useCode(wallet: Wallet, network: string, scope: number, news: number): Code | null | undefined {
  const [code, setCode] = useState<Code | null | undefined>(undefined);
  useEffect(() => {
    let over = false;
    async function renew() {
      const made = await wallet.code(scope, network);
      if (!over) setCode(made);
    }
    // A page that was out of sight has an old code on it.
    const seen = () => void (document.visibilityState === "visible" && renew());
    const timer = setInterval(() => void renew(), RENEWAL);
    document.addEventListener("visibilitychange", seen);
    void renew();
    return () => {
      over = true;
      clearInterval(timer);
      document.removeEventListener("visibilitychange", seen);
    };
  }, [wallet, network, scope, news]);
  return code;
}
