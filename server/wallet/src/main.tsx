/** Starts the wallet. */

import { render } from "preact";

import { App } from "./app";
import { Store } from "./store";
import { Wallet } from "./wallet";
import { firstLanguage, speech } from "./words";

async function start(root: HTMLElement) {
  if ("serviceWorker" in navigator) void navigator.serviceWorker.register("sw.js");
  const store = await Store.open().catch(() => null);
  if (store === null) return render(<p class="trouble" role="alert">{speech(firstLanguage()).noStorage}</p>, root);
  const wallet = new Wallet(store);
  const kept = await wallet.open();
  // So that a phone that is short of space does not throw the passes away.
  if (kept !== null) void navigator.storage?.persist();
  render(<App wallet={wallet} first={kept ?? { identity: null, known: null }} />, root);
}

const root = document.getElementById("wallet");
if (root !== null) void start(root);
