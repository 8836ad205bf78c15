// The station's page. The box says every word of it once a second and at each change; this only draws, and asks.
//
// 1. What is drawn is never older than SILENCE: without a word from the box the board is hidden and the page says so.
// 2. Elements stay where they are while their text changes, so that focus, and a finger on its way, find what they meant.
// 3. A lane is opened in two steps: a reason, which none is before one is chosen, then a button of its own. What was
//    pressed to open the dialog, held or pressed twice, does nothing in it, and Enter in the choices neither.

const SILENCE = 6000;
const AGAIN = 2000;
const SETTLE = 600;
const KEPT = 15000;

const $ = (id) => document.getElementById(id);
const language = document.documentElement.lang.slice(0, 2);
const words = $("words").dataset;
const title = document.title;

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function setFact(element, fact) {
  setText(element, fact.text);
  element.dataset.tone = fact.tone;
}

// What there is to see.

function draw(station) {
  setText($("summary-text"), station.summary);
  $("summary").dataset.tone = station.tone;
  $("go-there").hidden = station.waiting === 0;
  setText($("people"), station.people);
  setFact($("broker"), station.broker);
  setText($("broker-lost").firstElementChild, station.broker_lost);
  $("broker-lost").hidden = station.broker_lost === "";
  setText($("news"), station.waiting > 0 ? station.summary : "");
  document.title = station.waiting > 0 ? `(${station.waiting}) ${station.summary}` : title;
  keep($("readers"), station.readers.map((reader) => ({ key: reader.id, value: reader })), makeReader, drawReader);
}

/** Children of `parent`, one a row, in their order: made, drawn anew, or removed. */
function keep(parent, rows, make, drawOne) {
  const old = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  rows.forEach(({ key, value }, place) => {
    const child = old.get(key) ?? make(value);
    child.dataset.key = key;
    old.delete(key);
    if (parent.children[place] !== child) parent.insertBefore(child, parent.children[place] ?? null);
    drawOne(child, value);
  });
  for (const child of old.values()) child.remove();
}

function makeReader() {
  return $("reader").content.firstElementChild.cloneNode(true);
}

function drawReader(section, reader) {
  setText(section.querySelector("h2"), reader.id);
  setFact(section.querySelector(".contact"), reader.contact);
  const facts = reader.facts.map((fact, place) => ({ key: String(place), value: fact }));
  keep(section.querySelector(".facts"), facts, makeFact, setFact);
  const rows = reader.lanes.map((lane) => ({ key: lane.name, value: { ...lane, reader: reader.id } }));
  keep(section.querySelector(".lanes"), rows, makeLane, drawLane);
}

function makeFact() {
  const fact = document.createElement("span");
  fact.className = "fact";
  return fact;
}

function makeLane(lane) {
  const item = $("lane").content.firstElementChild.cloneNode(true);
  const button = item.querySelector("button");
  button.textContent = words.openLane;
  button.setAttribute("aria-label", `${words.openLane} ${lane.reader}, ${lane.name}`);
  button.addEventListener("click", () => ask(lane.reader, lane.name, button));
  return item;
}

function drawLane(item, lane) {
  item.dataset.state = lane.state;
  item.dataset.tone = lane.tone;
  setText(item.querySelector("h3"), lane.name);
  setText(item.querySelector(".doing > span"), lane.doing);
  setText(item.querySelector(".time"), lane.time);
  setText(item.querySelector(".said"), lane.said);
  setText(item.querySelector(".code"), lane.code);
  setText(item.querySelector(".people"), lane.people);
  setFact(item.querySelector(".camera"), lane.camera);
  item.querySelector("button").hidden = !lane.can_open;
}

// Hearing it.

let source = null;
let heard = performance.now();

function listen() {
  source = new EventSource(`events?lang=${language}`);
  source.addEventListener("message", (event) => {
    const station = JSON.parse(event.data);
    if (station.signed_out) {
      location.reload();
      return;
    }
    heard = performance.now();
    setLost(false);
    draw(station);
  });
  source.addEventListener("error", () => setLost(true));
}

function setLost(lost) {
  $("lost").hidden = !lost;
  $("board").hidden = lost;
  if (lost) document.title = title;
}

/** The browser connects again by itself, unless it was refused: then the session is over, or the box is just starting. */
async function look() {
  if (performance.now() - heard > SILENCE) setLost(true);
  if (source.readyState !== EventSource.CLOSED) return;
  try {
    const answer = await fetch("events", { method: "HEAD" });
    if (answer.status === 401) location.reload();
    else if (answer.ok) listen();
  } catch {
    // Not there yet; in a moment again.
  }
}

// Opening a lane.

const dialog = $("override");
const confirm = $("override-confirm");
const asking = $("override-asking");
const trouble = $("override-trouble");
let asked = null;

function ask(reader, lane, button) {
  asked = { reader, lane, button, since: performance.now() };
  $("override-title").textContent = `${reader} · ${lane}`;
  dialog.querySelector("form").reset();
  confirm.disabled = true;
  asking.hidden = trouble.hidden = true;
  dialog.showModal();
  $("override-title").focus();
}

const settled = () => performance.now() - asked.since > SETTLE;
const chosen = () => dialog.querySelector("input:checked");

dialog.addEventListener("change", () => {
  if (asking.hidden) confirm.disabled = chosen() === null;
});
dialog.addEventListener("submit", (event) => event.preventDefault());
dialog.addEventListener("cancel", (event) => {
  if (!asking.hidden) event.preventDefault();
});
dialog.addEventListener("close", () => asked.button.focus());
$("override-cancel").addEventListener("click", () => dialog.close());

confirm.addEventListener("click", async () => {
  const reason = chosen()?.value;
  if (!reason || !settled() || !asking.hidden) return;
  asking.hidden = false;
  confirm.disabled = $("override-cancel").disabled = trouble.hidden = true;
  const { opened, text } = await override({ reader: asked.reader, lane: asked.lane, reason });
  asking.hidden = true;
  $("override-cancel").disabled = false;
  if (opened) {
    dialog.close();
    say(text, "calm");
    return;
  }
  confirm.disabled = false;
  trouble.textContent = text;
  trouble.hidden = false;
  say(text, "soon");
  $("override-cancel").focus();
});

async function override(wish) {
  try {
    const answer = await fetch(`override?lang=${language}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "Waypass-Page": "station" },
      body: JSON.stringify(wish),
    });
    if (answer.status === 401) location.reload();
    const body = await answer.json();
    return { opened: answer.ok, text: answer.ok ? body.words : body.detail };
  } catch {
    return { opened: false, text: words.noAnswer };
  }
}

let forgetting = 0;

/** What came of it. Good news is old after a moment; what is wrong stays until somebody has read it. */
function say(text, tone) {
  const result = $("result");
  clearTimeout(forgetting);
  if (tone === "calm") forgetting = setTimeout(() => { result.hidden = true; }, KEPT);
  result.dataset.tone = tone;
  result.hidden = false;
  result.firstElementChild.textContent = text;
}

$("go-there").addEventListener("click", () => {
  const lane = document.querySelector('.lane[data-tone="now"]');
  if (lane === null) return;
  lane.scrollIntoView({ block: "center" });
  const button = lane.querySelector("button");
  (button.hidden ? lane : button).focus();
});

$("hide-result").addEventListener("click", () => {
  $("result").hidden = true;
  $("readers").focus();
});

$("sign-out").addEventListener("click", async () => {
  try {
    await fetch("sign-out", { method: "POST", headers: { "Waypass-Page": "station" } });
    location.reload();
  } catch {
    setLost(true); // and its sessions are gone if it is
  }
});

listen();
setInterval(look, AGAIN);
