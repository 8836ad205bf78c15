// The stage: asks twice a second what happens at the gates, and holds the wallet's code up to one of them.
// All words come with the page or with the answers. Scripts of this page touch the wallet's frame for two things only:
// to look at the code that its screen shows, and to type the desk's code for whoever asks for it.

const LOOK = 400;
const words = document.body.dataset;
const $ = (selector, within = document) => within.querySelector(selector);
const text = (element, value) => {
  if (element.textContent !== value) element.textContent = value;
};

// --- What happens at the gates

const shots = new Map();

async function look() {
  try {
    const answer = await fetch(`/stage/now?lang=${words.language}`, { cache: "no-store" });
    if (!answer.ok) throw new TypeError("no answer");
    tell(await answer.json());
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    text($(".counts"), words.away);
  }
}

async function keepLooking() {
  // Nobody looks at a page that is out of sight.
  if (document.visibilityState === "visible") await look();
  setTimeout(keepLooking, LOOK);
}

function tell(now) {
  for (const gate of now.gates) tellGate($(`[data-gate="${gate.name}"]`), gate);
  text($(".counts"), now.counts);
  tellNews(now.news);
}

function tellGate(box, gate) {
  text($(".who", box), gate.running ? (gate.who ?? words.nobody) : words.closed);
  box.dataset.shown = gate.shown;
  box.classList.toggle("visiting", gate.visitor);
  text($(".outcome", box), gate.outcome);
  text($(".reason", box), gate.reason);
  if (gate.shot !== null) void showShot(box, gate);
}

async function showShot(box, { name, shot, seen }) {
  if (shots.get(name) === shot) return;
  shots.set(name, shot);
  const picture = new Image();
  picture.alt = seen;
  picture.src = `/stage/gates/${name}/frame.jpg?n=${shot}`;
  try {
    await picture.decode();
  } catch {
    return; // a newer one has taken its place
  }
  if (shots.get(name) === shot) $(".picture", box).replaceChildren(picture);
}

function tellNews(news) {
  const strip = $(".strip");
  for (const passing of news) {
    let row = $(`[data-number="${passing.number}"]`, strip);
    if (row === null) {
      row = $("#passer").content.firstElementChild.cloneNode(true);
      row.dataset.number = passing.number;
      strip.prepend(row);
    }
    row.dataset.shown = passing.shown;
    row.classList.toggle("visiting", passing.visitor);
    for (const part of ["who", "outcome", "reason", "where"]) text($(`.${part}`, row), passing[part]);
  }
  while (strip.children.length > news.length) strip.lastElementChild.remove();
}

// --- A display is made for a screen of 800 x 480; here it is as large as there is room

const DISPLAY = 800;
const fit = new ResizeObserver((entries) => {
  for (const { target, contentRect } of entries) {
    target.firstElementChild.style.transform = `scale(${contentRect.width / DISPLAY})`;
  }
});
for (const glass of document.querySelectorAll(".glass")) fit.observe(glass);

// --- Your phone

const wallet = $("#wallet");

/** The code on the wallet's screen, module by module, as one looks at it; null where there is none. */
function codeOnScreen() {
  const drawing = wallet.contentDocument?.querySelector(".code svg");
  const dark = drawing?.querySelector("path");
  if (!dark) return null;
  const side = drawing.viewBox.baseVal.width;
  const rows = [];
  for (let row = 0; row < side; row++) {
    let line = "";
    for (let column = 0; column < side; column++) {
      line += dark.isPointInFill(new DOMPoint(column + 0.5, row + 0.5)) ? "1" : "0";
    }
    rows.push(line);
  }
  return rows;
}

const post = (path, body) =>
  fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

async function hold(box, button) {
  const said = $(".said", box);
  const rows = codeOnScreen();
  if (rows === null) return text(said, words.noCode);
  if (button.getAttribute("aria-disabled") === "true") return;
  button.setAttribute("aria-disabled", "true");
  text(said, words.holding);
  try {
    const answer = await post(`/stage/gates/${box.dataset.gate}/hold?lang=${words.language}`, { rows });
    if (answer.ok) text(said, (await answer.json()).said);
    else text(said, answer.status === 409 ? words.busy : words.trouble);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    text(said, words.trouble);
  }
  button.removeAttribute("aria-disabled");
}

for (const box of document.querySelectorAll(".gate")) {
  const button = $(".hold", box);
  button.addEventListener("click", () => void hold(box, button));
}

// --- The desk

const slip = $(".slip");
const desk = $(".desk", slip);
const typed = $(".typed", slip);

async function askDesk() {
  const said = $(".said", slip);
  text(said, "");
  try {
    const answer = await post("/stage/desk-code", {});
    if (!answer.ok) return text(said, words.deskTrouble);
    const { code, person } = await answer.json();
    text($("output", slip), code);
    text($(".slip-person b", slip), person);
    $(".slip-none", slip).hidden = true;
    for (const part of [$(".slip-code", slip), $(".slip-person", slip), typed]) part.hidden = false;
    text(desk, words.deskAgain);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    text(said, words.deskTrouble);
  }
}

/** The link that a desk's printed code has: the code is in the fragment, which no server sees. */
function typeCode() {
  const code = $("output", slip).textContent;
  const inside = wallet.contentWindow.location;
  inside.replace(`/wallet/#enrol=${code}`);
  inside.reload();
}

desk.addEventListener("click", () => void askDesk());
typed.addEventListener("click", typeCode);

void keepLooking();
