// The console's script: it fills in, counts down and keeps live what the server has drawn. Every page works without it,
// except that nothing moves.

"use strict";

// The page's language as the browser has it (en-GB), so that days are written as its person writes them.
const page = document.documentElement.lang;
const language = navigator.languages.find((one) => one.split("-")[0] === page) ?? page;

// Times in the browser's own time zone; a day without its hour is the same everywhere.
const zone = { dateStyle: "medium", hourCycle: "h23" };
const clock = new Intl.DateTimeFormat(language, { ...zone, timeStyle: "short" });
const precise = new Intl.DateTimeFormat(language, { ...zone, timeStyle: "medium" });
const day = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeZone: "UTC" });
const localise = (root) => {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const form = "day" in time.dataset ? day : "precise" in time.dataset ? precise : clock;
    time.textContent = form.format(new Date(time.dateTime));
  }
};

// A token, or an enrolment code, from the address's fragment, which no server sees: out of the address before anything
// else.
const signIn = () => {
  const [, name, secret] = /^#(token|code)=([^&]{1,200})$/.exec(location.hash) ?? [];
  const field = name === undefined ? null : document.getElementById(name);
  if (field === null) return;
  history.replaceState(null, "", location.pathname + location.search);
  const details = field.closest("details");
  if (details !== null) details.open = true;
  field.value = decodeURIComponent(secret);
  document.getElementById("filled")?.removeAttribute("hidden");
  field.form.querySelector("button").focus();
};

// Passkeys need a script: the server asks, the authenticator answers, and the form takes the answer along.
const passkey = (form) => {
  if (!globalThis.PublicKeyCredential?.parseRequestOptionsFromJSON) return;
  form.hidden = false;
  document.querySelector("[data-no-passkey]")?.remove();
  const trouble = form.querySelector("[data-trouble]");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    [button.disabled, trouble.hidden] = [true, true];
    try {
      const body = new URLSearchParams({ csrf: form.elements.csrf.value });
      const asked = await fetch(form.dataset.options, { method: "POST", body });
      if (!asked.ok) throw new Error(`status ${asked.status}`);
      const options = await asked.json();
      const answer = form.dataset.passkey === "create"
        ? await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) })
        : await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) });
      form.elements.credential.value = JSON.stringify(answer.toJSON());
      form.submit();
    } catch {
      trouble.hidden = false;
    } finally {
      button.disabled = false;
    }
  });
};

// A form is sent once; the server would find a second one out.
const sendOnce = (form) => {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    else if (!form.action.endsWith("/file")) form.dataset.sent = "yes";
  });
};

const countDown = (line) => {
  const until = Date.parse(line.dataset.until);
  const tick = () => {
    const seconds = Math.max(0, Math.round((until - Date.now()) / 1000));
    const left = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
    line.textContent = seconds > 0 ? line.dataset.left.replace("{left}", left) : line.dataset.over;
    line.classList.toggle("trouble", seconds === 0);
    if (seconds > 0) setTimeout(tick, 1000);
  };
  tick();
};

// Each event is a part of the page as the server draws it now: in the place of the old one, or in its order.
const follow = (parts) => {
  const lost = document.getElementById("lost");
  const events = new EventSource(parts.dataset.events);
  events.addEventListener("open", () => { lost.hidden = true; });
  events.addEventListener("error", () => {
    lost.hidden = false;
    // Refused for good (nobody is signed in any more): the page itself says why.
    if (events.readyState === EventSource.CLOSED) location.reload();
  });
  events.addEventListener("ended", () => { events.close(); location.reload(); });
  events.addEventListener("message", (event) => {
    const { id, html } = JSON.parse(event.data);
    const template = document.createElement("template");
    template.innerHTML = html;
    const fresh = template.content.firstElementChild;
    localise(fresh);
    const old = document.getElementById(id);
    for (const details of old?.querySelectorAll("details[data-touched]") ?? []) {
      const again = fresh.querySelector(`#${CSS.escape(details.id)}`);
      if (again !== null) [again.open, again.dataset.touched] = [details.open, "yes"];
    }
    if (old !== null) old.replaceWith(fresh);
    else parts.insertBefore(fresh, [...parts.children].find((one) => one.dataset.name > fresh.dataset.name) ?? null);
  });
  // What somebody has opened or closed stays so when it is drawn anew.
  parts.addEventListener("click", (event) => {
    const details = event.target.closest("summary")?.parentElement;
    if (details) details.dataset.touched = "yes";
  });
  addEventListener("pagehide", () => events.close());
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
};

localise(document);
signIn();
addEventListener("hashchange", signIn);
document.querySelectorAll("form[data-passkey]").forEach(passkey);
document.querySelectorAll("form[method=post]:not([data-passkey])").forEach(sendOnce);
// Back from the next page: the form can be sent again.
addEventListener("pageshow", () => document.querySelectorAll("form").forEach((form) => { delete form.dataset.sent; }));
document.querySelectorAll("[data-until]").forEach(countDown);
document.querySelector("[data-focus]")?.focus();
const parts = document.getElementById("parts");
if (parts !== null) follow(parts);
