// The console's script: it fills in, counts down and keeps live what the server has drawn. Every page works without it,
// except that nothing moves.

"use strict";

const language = document.documentElement.lang;

// Times in the browser's own time zone.
const zone = { dateStyle: "medium", hourCycle: "h23" };
const clock = new Intl.DateTimeFormat(language, { ...zone, timeStyle: "short" });
const precise = new Intl.DateTimeFormat(language, { ...zone, timeStyle: "medium" });
const localise = (root) => {
  for (const time of root.querySelectorAll("time[datetime]")) {
    time.textContent = ("precise" in time.dataset ? precise : clock).format(new Date(time.dateTime));
  }
};

// A token from the address's fragment, which no server sees: out of the address before anything else.
const signIn = () => {
  const field = document.getElementById("token");
  const token = /^#token=([^&]{1,200})$/.exec(location.hash)?.[1];
  if (field === null || token === undefined) return;
  history.replaceState(null, "", location.pathname + location.search);
  field.value = decodeURIComponent(token);
  document.getElementById("filled").hidden = false;
  field.form.querySelector("button").focus();
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
document.querySelectorAll("form[method=post]").forEach(sendOnce);
// Back from the next page: the form can be sent again.
addEventListener("pageshow", () => document.querySelectorAll("form").forEach((form) => { delete form.dataset.sent; }));
document.querySelectorAll("[data-until]").forEach(countDown);
document.querySelector("[data-focus]")?.focus();
const parts = document.getElementById("parts");
if (parts !== null) follow(parts);
