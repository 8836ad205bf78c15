// The screen of a lane: follows the lane's events and shows the face that belongs to each.
//
// Not EventSource: it hides the comments that are sent in silence, and with them whether the other end is there.
"use strict";

const QUIET_MS = 6000;
const AGAIN_MS = 1000;
const WAITING = ["yellow", "red", "grey"];
const HINTS = ["closer", "hold-still", "tilt", "brighter"];
const FREE = ["emergency", "crowd"];
// Faces before which a holder is told that staff check by hand.
const CALM = ["idle", ...HINTS];
const UNITS = [[86400 * 2, 86400, "day"], [3600, 3600, "hour"], [0, 60, "minute"]];

const screen = document.getElementById("screen");
const corner = document.getElementById("gate");
const byHand = document.getElementById("by-hand");

function show(face) {
  if (document.body.dataset.face === face) return;
  screen.replaceChildren(document.getElementById(`face-${face}`).content.cloneNode(true));
  document.body.dataset.face = face;
}

/** What is not understood is never green. */
function faceOf(event) {
  if (event.state === "open" && event.aspect === "green") return FREE.includes(event.free) ? event.free : "green";
  if (event.state === "wait" && WAITING.includes(event.aspect)) return event.aspect;
  if (event.state === "idle") return HINTS.includes(event.hint) ? event.hint : "idle";
  return event.state === "out-of-order" ? event.state : "lost";
}

/** The corner: what the gate knows about itself; nothing when it does not say, or is not heard. */
function showGate(gate, face) {
  byHand.hidden = !(gate?.by_hand === true && CALM.includes(face));
  corner.hidden = !(gate?.lists && gate.clock && gate.camera);
  if (corner.hidden) return;
  for (const part of corner.children) {
    const { well } = gate[part.dataset.part];
    part.dataset.is = well === true ? "well" : "wrong";
    part.querySelector("span").textContent = saidOf(part, gate[part.dataset.part]);
  }
}

function saidOf(part, { well, count, age }) {
  const words = part.dataset;
  if (words.part !== "lists") return well === true ? words.well : words.notWell;
  if (count === 0) return words.none;
  return Number.isInteger(age) ? words.ofAge.replace("{age}", duration(age)) : words.ofNoAge;
}

/** A time in the page's own language, as the browser knows it. */
function duration(seconds) {
  const [, size, unit] = UNITS.find(([least]) => seconds >= least);
  const style = { style: "unit", unit, unitDisplay: "long", numberingSystem: "latn" };
  return new Intl.NumberFormat(document.documentElement.lang, style).format(Math.floor(seconds / size));
}

function lose() {
  show("lost");
  showGate(null, "lost");
}

function readEvent(lines) {
  const data = lines.filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trimStart());
  if (data.length === 0) return;
  try {
    const event = JSON.parse(data.join("\n"));
    const face = faceOf(event);
    show(face);
    showGate(event.gate, face);
  } catch {
    lose();
  }
}

/** Follow until the stream ends, or nothing has come for a while. */
async function follow() {
  const ending = new AbortController();
  let timer;
  const heard = () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      lose();
      ending.abort();
    }, QUIET_MS);
  };
  heard();
  try {
    const response = await fetch(document.body.dataset.events, { signal: ending.signal, cache: "no-store" });
    if (!response.ok) return;
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      heard();
      const events = (text + value).split("\n\n");
      text = events.pop();
      for (const event of events) readEvent(event.split("\n"));
    }
  } catch {
    // Nobody is there, or they left: what `finally` shows.
  } finally {
    clearTimeout(timer);
    lose();
  }
}

async function run() {
  for (;;) {
    await follow();
    await new Promise((resume) => setTimeout(resume, AGAIN_MS));
  }
}

run();
